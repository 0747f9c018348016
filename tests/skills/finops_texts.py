"""Texts of the forecast, anomalies, commitments, unit costs, allocation and budgets, with values to bind."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal

from common.cost_query.dimensions import BoundDimension, all_parameters, bind_dimensions
from common.cost_query.filters import Filters
from common.focus.providers import provider_aliases
from common.skills.alerts import figures as alert_figures
from common.skills.allocation import sql as allocation
from common.skills.anomalies import sql as anomalies
from common.skills.budgets import sql as budgets
from common.skills.commitments import sql as commitments
from common.skills.forecast import sql as forecast
from common.skills.planner import sql as planner
from common.skills.unit_costs import sql as unit_costs
from common.warehouse.query import Parameter
from tests.skills.cost_texts import CALENDAR, Bound

_DAYS = (date(2024, 2, 29), date(2024, 10, 1), date(2026, 3, 10))
_OWN: Mapping[str, Parameter] = {
    "max_groups": Parameter("INT64", 2),
    "max_causes": Parameter("INT64", 3),
    "days": Parameter("DATE", _DAYS),
    "names": Parameter("STRING", ("Amazon EC2", "BigQuery", "OpenAI API")),
    "currencies": Parameter("STRING", ("USD", "USD", "USD")),
    "drivers": Parameter("STRING", ("orders",)),
    "as_of": Parameter("DATE", date(2026, 3, 31)),
    "oldest_end": Parameter("DATE", date(2024, 1, 1)),
    "provider_names": Parameter("STRING", tuple(name for name, _ in provider_aliases())),
    "provider_keys": Parameter("STRING", tuple(key for _, key in provider_aliases())),
}
# What the range of a question binds.
_RANGE = {"start", "end_exclusive", "data_start", "data_end", "start_day", "end_day_exclusive", "max_rows"}


_CHARTS = ("bitnami/charts/apisix", "cloudnative-pg/charts/cloudnative-pg", "nobody/charts/nothing")
# What the planner asks of the catalogue and of the bill, each with values that find something.
_PLANNER: Mapping[str, tuple[str, Mapping[str, Parameter]]] = {
    "catalog instances": (
        planner.INSTANCES,
        {
            **{name: Parameter(kind, None) for name, kind in planner.INSTANCE_TYPES.items()},  # type: ignore[arg-type]
            "not_providers": Parameter("STRING", ("oracle",)),
            "regions": Parameter("STRING", ("aws/us-east-1", "azure/eastus")),
            "region_count": Parameter("INT64", 2),
            "min_vcpu": Parameter("NUMERIC", Decimal(2)),
            "max_price_monthly": Parameter("NUMERIC", Decimal(20_000)),
            "cheapest_region": Parameter("BOOL", True),
            "top_k": Parameter("INT64", 10),
        },
    ),
    "catalog charts": (
        planner.CHARTS,
        {
            "query": Parameter("STRING", "prometheus"),
            "words": Parameter("STRING", ("prometheus",)),
            "word_count": Parameter("INT64", 1),
            "top_k": Parameter("INT64", 10),
        },
    ),
    "catalog models": (
        planner.MODELS,
        {
            "words": Parameter("STRING", ("qwen3", "text", "8b")),
            "word_count": Parameter("INT64", 3),
            "pipeline_tag": Parameter("STRING", None),
            "licenses": Parameter("STRING", ()),
            "license_count": Parameter("INT64", 0),
            "min_parameters": Parameter("INT64", None),
            "max_parameters": Parameter("INT64", 10**12),
            "sized": Parameter("BOOL", True),
            "top_k": Parameter("INT64", 10),
        },
    ),
    "catalog models by meaning": (
        planner.MODELS_BY_MEANING,
        {
            **{name: Parameter(kind, None) for name, kind in planner.MODEL_TYPES.items() if "<" not in kind},  # type: ignore[arg-type]
            "words": Parameter("STRING", ("qwen3", "text", "8b")),
            "word_count": Parameter("INT64", 3),
            "licenses": Parameter("STRING", ()),
            "license_count": Parameter("INT64", 0),
            "sized": Parameter("BOOL", False),
            "top_k": Parameter("INT64", 10),
            "space": Parameter("STRING", "local:made:3"),
            "vector": Parameter("FLOAT64", (0.5, -0.25, 0.75)),
        },
    ),
    "catalog stack": (planner.STACK, {"charts": Parameter("STRING", _CHARTS)}),
    "costs of a plan": (
        planner.TAGGED,
        {
            "start": Parameter("TIMESTAMP", datetime(2022, 1, 1, tzinfo=UTC)),
            "end_exclusive": Parameter("TIMESTAMP", datetime(2026, 5, 1, tzinfo=UTC)),
            "plan_id": Parameter("STRING", "plan-0123456789ab"),
        },
    ),
    "bill of a plan": (
        planner.BILL,
        {
            **{
                name: Parameter("TIMESTAMP", datetime(year, month, 1, tzinfo=UTC))
                for name, year, month in (
                    ("start", 2022, 1), ("bill_start", 2024, 1),
                    ("month_start", 2024, 2), ("months_end", 2026, 4), ("bill_end", 2026, 5),
                    ("end_exclusive", 2026, 5),
                    ("rate_start", 2024, 1),
                )
            },
            **{name: _OWN[name] for name in ("provider_names", "provider_keys", "as_of", "oldest_end")},
            "max_rows": Parameter("INT64", 500),
        },
    ),
}  # fmt: skip


def with_values() -> Iterator[Bound]:
    """Texts to be run, one or two of each tool."""
    service, month = (bind_dimensions([each], "g", CALENDAR) for each in ("service", "month"))
    pair = bind_dimensions(["provider", "commitment_type"], "g", CALENDAR)
    (team,) = bind_dimensions(["team"], "g", CALENDAR)
    some = Filters.parse([{"dimension": "provider", "op": "not_in", "values": ["Oracle"]}], CALENDAR)
    shared = Filters.parse([{"dimension": "team", "op": "is_null"}], CALENDAR, prefix="s")
    yield _bound("daily history", forecast.history("BilledCost", (), Filters()), (), Filters(), ("max_groups",))
    yield _bound(
        "history of services", forecast.history("EffectiveCost", service, some), service, some, ("max_groups",)
    )
    yield _bound("history of pairs", forecast.history("BilledCost", pair, some), pair, some, ("max_groups",))
    yield _bound(
        "causes",
        anomalies.causes("BilledCost", service, some),
        service,
        some,
        ("names", "currencies", "days", "max_causes"),
    )
    yield _bound("commitments", commitments.summary(pair, some), pair, some, ())
    yield _bound("consumed units", unit_costs.units("consumed_unit", service, some), service, some, ())
    yield _bound("pricing units", unit_costs.units("pricing_unit", (), Filters()), (), Filters(), ())
    yield _bound("orders", unit_costs.drivers(month, some), month, some, ("drivers",))
    yield _bound("allocation", allocation.split("BilledCost", team, shared, some), (team,), some, ())
    for name, (text, given) in _PLANNER.items():
        yield Bound(name, text, dict(given), {})
    rules = [
        alert_figures._sample([{"dimension": name, "op": op, "values": ["AWS", "payments"]}])
        for name, op in (("provider", "in"), ("team", "not_in"))
    ]
    for name, (text, given) in (
        ("figures", alert_figures.compose(rules, CALENDAR)),
        ("figures of one", alert_figures.compose_alone(rules[0], CALENDAR)),
    ):
        yield Bound(name, text, given, {key: "" for key in _RANGE if _mentions(text, key)})
    yield _bound("budgets", budgets.LIST, (), Filters(), ())
    yield _bound("budget tree", budgets.TREE, (), Filters(), ("as_of",))
    yield _bound("budget variance", budgets.VARIANCE, (), Filters(), tuple(_OWN))


def _bound(name: str, text: str, groups: Sequence[BoundDimension], filters: Filters, own: Sequence[str]) -> Bound:
    given = {**all_parameters(groups), **filters.parameters(), **{each: _OWN[each] for each in own}}
    used = {key: value for key, value in given.items() if _mentions(text, key)}
    return Bound(name, text, used, {key: "" for key in _RANGE if _mentions(text, key)})


def _mentions(text: str, key: str) -> bool:
    return re.search(rf"@{key}\b", text) is not None
