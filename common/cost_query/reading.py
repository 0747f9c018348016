"""A tool's arguments read as a question: filters, scope and metrics, or a ToolError that says what to do."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from common.cost_query.asking import QuestionScope
from common.cost_query.dimensions import BoundDimension
from common.cost_query.filters import Filters
from common.cost_query.periods import resolve_period
from common.focus.dimensions import TimeBasis
from common.focus.metrics import METRICS, Metric, find_metric
from common.tools.context import ToolContext
from common.tools.result import ToolError

# Dimensions of what was invoiced: a charge of one month may be on the invoice of another.
_INVOICED = frozenset({"invoice", "billing_period"})


def read_filters(context: ToolContext, given: Iterable[Mapping[str, Any]], **plain: str | None) -> Filters:
    """Read the list of filters, and those that have an argument of their own."""
    own = [{"dimension": name, "values": [value]} for name, value in plain.items() if value is not None]
    return Filters.parse([*own, *given], context.calendar)


def read_scope(
    context: ToolContext,
    filters: Filters,
    period: str | None = None,
    start: date | None = None,
    end: date | None = None,
    basis: TimeBasis | None = "charge",
    groups: Sequence[BoundDimension] = (),
) -> QuestionScope:
    """Read the period, by its name or its dates, under the filters.

    Without a basis, charges count in their billing period where the question is about invoices.
    """
    named = resolve_period(period, start, end, context.today, context.calendar)
    if basis is None:
        names = {each.name for each in groups} | {each.dimension.name for each in filters.all}
        basis = "billing" if names & _INVOICED else "charge"
    return QuestionScope(named, filters, context.calendar, context.today, basis)


def read_metric(name: str) -> Metric:
    """Read a metric's name, in any spelling."""
    found = find_metric(name)
    if found is None:
        raise ToolError(
            "unknown_metric", f"There is no metric {name[:40]!r}. Use {', '.join(METRICS)}; SQL has other figures."
        )
    return found


def read_cost(name: str) -> Metric:
    """Read the name of a metric that is an amount of money."""
    found = read_metric(name)
    if found.kind != "money":
        costs = ", ".join(metric.name for metric in METRICS.values() if metric.kind == "money")
        raise ToolError("unknown_metric", f"metric must be a cost here: {costs}. Use query_costs for {found.name}.")
    return found


def read_metrics(names: Sequence[str]) -> tuple[Metric, ...]:
    """Read several metrics, each once."""
    return tuple(dict.fromkeys(read_metric(name) for name in names))
