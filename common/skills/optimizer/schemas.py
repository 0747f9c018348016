"""Arguments of the Optimizer's tools, in words that need no other tool: it has no query_costs to refer to."""

from typing import Annotated

from pydantic import WithJsonSchema

from common.cost_query.arguments import DimensionName, FilterList, Groups, PeriodName

_TEXT = {"type": "string"}
_TEXTS = {"type": "array", "items": _TEXT}
_FILTER = {
    "type": "object",
    "properties": {"dimension": _TEXT, "op": _TEXT, "values": _TEXTS},
    "required": ["dimension"],
}

NarrowingFilters = Annotated[
    FilterList,
    WithJsonSchema(
        {
            "type": "array",
            "items": _FILTER,
            "description": "{dimension, op, values}; op: in (default), not_in, contains, is_null, not_null. All hold.",
        }
    ),
]
GroupingDimensions = Annotated[
    Groups, WithJsonSchema(_TEXTS | {"description": "At most 3, e.g. service, sub_account, team, tag:<key>, month."})
]
OneDimension = Annotated[
    DimensionName, WithJsonSchema(_TEXT | {"description": "E.g. service, provider, sub_account, team, tag:<key>."})
]
OneOrMoreDimensions = Annotated[
    Groups,
    WithJsonSchema({"anyOf": [_TEXT, _TEXTS], "description": "At most 3, e.g. service, sub_account, team, tag:<key>."}),
]
NamedDays = Annotated[
    PeriodName,
    WithJsonSchema(_TEXT | {"description": "E.g. last_month, this_quarter, last_30_days, 2026-10, 2026-Q3, FY2026."}),
]
