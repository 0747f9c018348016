"""Arguments that several cost tools take, with their schemas in few words: a model reads them with every call."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from common.cost_query.filters import MAX_FILTERS, OPS
from common.focus.dimensions import TimeBasis
from common.focus.metrics import METRICS

_NAME_CHARS = 140
_FILTERS: dict[str, Any] = {
    "type": "array",
    "maxItems": MAX_FILTERS,
    "items": {
        "type": "object",
        "properties": {
            "dimension": {"type": "string"},
            "op": {"type": "string", "enum": list(OPS)},
            "values": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["dimension"],
    },
}
_NAMES: dict[str, Any] = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}


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


FilterList = Annotated[
    list[dict[str, Any]],
    BeforeValidator(_entries),
    Field(max_length=MAX_FILTERS),
    WithJsonSchema(
        _FILTERS | {"description": "All must hold. op defaults to in; is_null and not_null take no values."}
    ),
]
Groups = Annotated[
    list[Annotated[str, Field(max_length=_NAME_CHARS)]],
    BeforeValidator(_names),
    Field(min_length=1, max_length=3),
]
DimensionName = Annotated[str, Field(min_length=1, max_length=_NAME_CHARS)]
PeriodName = Annotated[str, Field(min_length=1, max_length=60)]
MetricNames = Annotated[
    list[Annotated[str, Field(max_length=40)]],
    BeforeValidator(_names),
    Field(min_length=1, max_length=len(METRICS)),
]
Basis = Annotated[
    TimeBasis, Field(description="billing counts by billing period (what an invoice has), charge by the day of use.")
]


def names_schema(description: str) -> WithJsonSchema:
    """Make the schema of one name or a list of names."""
    return WithJsonSchema(_NAMES | {"description": description})
