"""Arguments that several cost tools take, with their schemas in few words: a model reads them with every call.

query_costs has filters, dimensions and periods in full; the other tools refer to it. What is checked is not in the
schema where a model gains nothing by it.
"""

from datetime import date
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from common import limits
from common.cost_query.filters import MAX_FILTERS, OPS
from common.focus.dimensions import TimeBasis
from common.focus.metrics import METRICS

_NAME_CHARS = 140
_TEXT: dict[str, Any] = {"type": "string"}
_TEXTS: dict[str, Any] = {"type": "array", "items": _TEXT}


def _filter_schema(op: dict[str, Any], description: str) -> WithJsonSchema:
    entry = {"dimension": _TEXT, "op": op, "values": _TEXTS}
    items = {"type": "object", "properties": entry, "required": ["dimension"]}
    return WithJsonSchema({"type": "array", "items": items, "description": description})


def _entries(given: object) -> object:
    """Take {dimension: values} and {dimension: {op: values}} for the list that they mean."""
    if not isinstance(given, dict):
        return given
    if "dimension" in given:
        return [given]
    entries: list[dict[str, Any]] = []
    for name, value in given.items():
        operations = value if isinstance(value, dict) else {"in": value}
        entries += [{"dimension": name, "op": op, "values": values} for op, values in operations.items()]
    return entries


def _names(given: object) -> object:
    """Take one name, or several in one text, for the list that they mean."""
    return [part.strip() for part in given.split(",")] if isinstance(given, str) else given


def _text(description: str, **also: Any) -> WithJsonSchema:
    return WithJsonSchema(_TEXT | also | {"description": description})


_Filters = Annotated[list[dict[str, Any]], BeforeValidator(_entries), Field(max_length=MAX_FILTERS)]
_Groups = Annotated[
    list[Annotated[str, Field(max_length=_NAME_CHARS)]], BeforeValidator(_names), Field(min_length=1, max_length=3)
]
_Name = Annotated[str, Field(min_length=1, max_length=_NAME_CHARS)]
_Period = Annotated[str, Field(min_length=1, max_length=60)]

FullFilters = Annotated[
    _Filters,
    _filter_schema(_TEXT | {"enum": list(OPS)}, "All must hold; default op: in."),
]
FilterList = Annotated[_Filters, _filter_schema(_TEXT, "As in query_costs.")]
FullGroups = Annotated[
    _Groups,
    WithJsonSchema(
        {
            "anyOf": [_TEXT, _TEXTS],
            "description": "At most 3 of the Dimensions in your instructions.",
        }
    ),
]
Groups = Annotated[_Groups, WithJsonSchema(_TEXTS | {"description": "As in query_costs."})]
OptionalGroups = Annotated[_Groups, WithJsonSchema(_TEXTS | {"description": "Default: a row a currency."})]
DimensionName = Annotated[_Name, _text("A dimension of query_costs.")]
MetricNames = Annotated[
    list[Annotated[str, Field(max_length=40)]],
    BeforeValidator(_names),
    Field(min_length=1, max_length=len(METRICS)),
    WithJsonSchema(_TEXTS | {"description": f"Of {', '.join(METRICS)}; default: first two, last."}),
]
CostName = Annotated[str, Field(min_length=1, max_length=40), _text("A cost of query_costs.")]
Rows = Annotated[int, Field(ge=1, le=limits.MAX_GROUPS), WithJsonSchema({"type": "integer", "description": "Rows."})]
OrderName = Annotated[_Name, _text("A metric or group, asc or desc.")]
_Amount = Annotated[Decimal, Field(ge=-(10**15), le=10**15, decimal_places=9, allow_inf_nan=False)]
LeastCost = Annotated[
    _Amount,
    WithJsonSchema({"type": "number", "description": "At least this of the first metric."}),
]
MostCost = Annotated[_Amount, WithJsonSchema({"type": "number", "description": "At most this."})]
LeastChange = Annotated[
    _Amount,
    Field(ge=0),
    WithJsonSchema({"type": "number", "description": "At least this change."}),
]
LeastPercent = Annotated[
    Decimal,
    Field(ge=0, le=10**9, decimal_places=2, allow_inf_nan=False),
    WithJsonSchema({"type": "number", "description": "In percent."}),
]
FullPeriod = Annotated[
    _Period,
    _text(
        "all (no limit), today, yesterday, this_|last_ week|month|quarter|year|fiscal_quarter|fiscal_year, "
        "last_<n>_days, last_<n>_complete_days, last_<n>_months, 2026, 2026-10, 2026-10-05, 2026-Q3, Q3, FY2026, "
        "2026-10-01..2026-10-15, 2026-07..2026-10."
    ),
]
PeriodName = Annotated[_Period, _text("As in query_costs.")]
FirstDay = Annotated[
    date,
    Field(strict=True),
    _text(f"Inclusive; default: 30 days; {limits.MAX_RANGE_DAYS} days at most.", format="date"),
]
LastDay = Annotated[date, Field(strict=True), _text("Inclusive.", format="date")]
Basis = Annotated[
    TimeBasis,
    WithJsonSchema(
        _TEXT
        | {"enum": ["charge", "billing"], "description": "billing: as invoiced; default where invoices are asked."}
    ),
]
ProviderName = Annotated[str, Field(min_length=1, max_length=100), _text("One provider.")]
CategoryName = Annotated[str, Field(min_length=1, max_length=100), _text("One category.")]
