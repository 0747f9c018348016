"""Types: BigQuery schema fields, their DuckDB columns, GoogleSQL names and REST cells."""

import base64
import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from math import isnan
from typing import Any

from sqlglot import exp

from local.emulators.bigquery.errors import invalid, unsupported

# GoogleSQL name -> the name in REST schemas.
_REST_NAME = {"INT64": "INTEGER", "FLOAT64": "FLOAT", "BOOL": "BOOLEAN", "STRUCT": "RECORD"}
_STANDARD_NAME = {rest: standard for standard, rest in _REST_NAME.items()} | {"DECIMAL": "NUMERIC"}

_DUCKDB = {
    "STRING": "VARCHAR",
    "INT64": "BIGINT",
    "FLOAT64": "DOUBLE",
    "NUMERIC": "DECIMAL(38,9)",
    "BOOL": "BOOLEAN",
    "TIMESTAMP": "TIMESTAMPTZ",
    "DATE": "DATE",
    "DATETIME": "TIMESTAMP",
    "TIME": "TIME",
    "JSON": "JSON",
    "BYTES": "BLOB",
}
_FIXED_WIDTH = {"INT64": 8, "FLOAT64": 8, "NUMERIC": 16, "BOOL": 1, "TIMESTAMP": 8, "DATE": 8, "DATETIME": 8, "TIME": 8}
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)
_NANO = Decimal("1e-9")


@dataclass(frozen=True)
class Field:
    """One column or struct member; `type` is the GoogleSQL name of the element (INT64, STRUCT, ...)."""

    name: str
    type: str
    mode: str = "NULLABLE"
    fields: tuple["Field", ...] = ()

    @property
    def repeated(self) -> bool:
        return self.mode == "REPEATED"

    @property
    def required(self) -> bool:
        return self.mode == "REQUIRED"

    @cached_property
    def element(self) -> "Field":
        """The field of one array element."""
        return Field(self.name, self.type, "NULLABLE", self.fields)

    @cached_property
    def duckdb(self) -> str:
        """The DuckDB column type that holds the field exactly."""
        if self.type == "STRUCT":
            one = "STRUCT(" + ", ".join(f'"{f.name}" {f.duckdb}' for f in self.fields) + ")"
        else:
            one = _DUCKDB[self.type]
        return f"{one}[]" if self.repeated else one

    @cached_property
    def standard(self) -> str:
        """The GoogleSQL type, as INFORMATION_SCHEMA and the type checker write it."""
        one = self.type
        if one == "STRUCT":
            one = "STRUCT<" + ", ".join(f"{f.name} {f.standard}" for f in self.fields) + ">"
        return f"ARRAY<{one}>" if self.repeated else one

    def resource(self) -> dict[str, Any]:
        """The field as a REST schema entry."""
        entry: dict[str, Any] = {"name": self.name, "type": _REST_NAME.get(self.type, self.type), "mode": self.mode}
        if self.fields:
            entry["fields"] = [f.resource() for f in self.fields]
        return entry


def field_from_resource(resource: dict[str, Any]) -> Field:
    """Read one REST schema entry; refuses types the emulator cannot hold exactly."""
    name = str(resource.get("name", ""))
    raw = str(resource.get("type", "")).upper()
    standard = _STANDARD_NAME.get(raw, raw)
    mode = str(resource.get("mode") or "NULLABLE").upper()
    if not name or mode not in ("NULLABLE", "REQUIRED", "REPEATED"):
        raise invalid(f"Invalid field {name!r}: mode {mode}")
    if standard == "STRUCT":
        return Field(name, standard, mode, fields_from_schema(resource.get("fields", [])))
    if standard not in _DUCKDB:
        raise unsupported(f"columns of type {raw} (field {name})")
    return Field(name, standard, mode)


def fields_from_schema(fields: Sequence[dict[str, Any]]) -> tuple[Field, ...]:
    """Read the `fields` of a REST schema; names must differ, ignoring case."""
    found = tuple(field_from_resource(f) for f in fields)
    names = [f.name.lower() for f in found]
    for name in names:
        if names.count(name) > 1:
            raise invalid(f"Duplicate field name: {name}")
    if not found:
        raise invalid("Schema has no fields.")
    return found


def kind_of(data_type: exp.DataType | None) -> str:
    """The GoogleSQL name of a sqlglot type, without its parameters: ARRAY, STRUCT, NUMERIC, ... or UNKNOWN."""
    if not isinstance(data_type, exp.DataType):
        return "UNKNOWN"
    if data_type.this == exp.DataType.Type.ARRAY:
        return "ARRAY"
    if data_type.this in (exp.DataType.Type.STRUCT, exp.DataType.Type.OBJECT):
        return "STRUCT"
    if data_type.this == exp.DataType.Type.NULL:
        return "NULL"
    name = str(data_type.sql("bigquery")).split("(")[0].upper()
    return _STANDARD_NAME.get(name, name)


def field_from_type(name: str, data_type: exp.DataType | None) -> Field | None:
    """The result column for a type that the annotator found; None where it found nothing."""
    kind = kind_of(data_type)
    if data_type is None or kind == "UNKNOWN":
        return None
    if kind == "NULL":
        return Field(name, "INT64")
    if kind == "ARRAY":
        element = field_from_type(name, data_type.expressions[0]) if data_type.expressions else None
        return element and Field(name, element.type, "REPEATED", element.fields)
    if kind == "STRUCT":
        return _struct_from_type(name, data_type)
    return Field(name, kind) if kind in _DUCKDB else None


def _struct_from_type(name: str, data_type: exp.DataType) -> Field | None:
    members = []
    for position, member in enumerate(data_type.expressions, start=1):
        named = isinstance(member, exp.ColumnDef)
        found = field_from_type(member.name if named else f"_field_{position}", member.kind if named else member)
        if found is None:
            return None
        members.append(found)
    return Field(name, "STRUCT", "NULLABLE", tuple(members)) if members else None


def field_from_duckdb(name: str, duck: Any) -> Field:
    """The result column for a DuckDB type, for the expressions that the annotator does not know."""
    kind = duck.id
    if kind in ("list", "array"):
        element = field_from_duckdb(name, duck.children[0][1])
        return Field(name, element.type, "REPEATED", element.fields)
    if kind == "struct":
        return Field(name, "STRUCT", "NULLABLE", tuple(field_from_duckdb(n, child) for n, child in duck.children))
    return Field(name, _standard_from_duckdb(kind, str(duck)))


def _standard_from_duckdb(kind: str, text: str) -> str:
    if text == "JSON":
        return "JSON"
    if "tz" in kind or "time zone" in kind:
        return "TIMESTAMP"
    if kind.startswith("timestamp"):
        return "DATETIME"
    if "int" in kind:
        return "INT64"
    simple = {
        "boolean": "BOOL",
        "date": "DATE",
        "blob": "BYTES",
        "time": "TIME",
        "double": "FLOAT64",
        "float": "FLOAT64",
        "decimal": "NUMERIC",
    }
    return simple.get(kind, "INT64" if text.strip('"') == "NULL" else "STRING")


def cell(value: Any, field: Field, int64_timestamps: bool) -> Any:
    """One value as a REST cell: text, a list of {v} or {f: [{v}]}; an array is never NULL in a result."""
    if field.repeated:
        return [{"v": cell(item, field.element, int64_timestamps)} for item in value or ()]
    if value is None:
        return None
    if field.type == "STRUCT":
        members = list(value.values()) if isinstance(value, dict) else list(value)
        return {"f": [{"v": cell(v, f, int64_timestamps)} for v, f in zip(members, field.fields, strict=True)]}
    return _scalar_cell(value, field.type, int64_timestamps)


def _scalar_cell(value: Any, kind: str, int64_timestamps: bool) -> str:
    match kind:
        case "STRING" | "JSON":
            return value if isinstance(value, str) else str(value)
        case "INT64":
            return str(int(value))
        case "NUMERIC":
            return numeric_text(value)
        case "FLOAT64":
            return _float_text(float(value))
        case "BOOL":
            return "true" if value else "false"
        case "TIMESTAMP":
            return _timestamp_text(value, int64_timestamps)
        case "DATE":
            return (value.date() if isinstance(value, dt.datetime) else value).isoformat()
        case "BYTES":
            return base64.b64encode(value).decode()
        case _:
            return str(value.isoformat())


def _float_text(value: float) -> str:
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    return "NaN" if isnan(value) else repr(value)


def _timestamp_text(value: dt.datetime, int64_timestamps: bool) -> str:
    aware = value if value.tzinfo else value.replace(tzinfo=dt.UTC)
    micros = (aware - _EPOCH) // _MICROSECOND
    return str(micros) if int64_timestamps else repr(micros / 1e6)


def numeric_text(value: Any) -> str:
    """A NUMERIC as BigQuery prints it: plain digits, no trailing zeros."""
    number = value if isinstance(value, Decimal) else Decimal(repr(value))
    if isinstance(value, float):
        number = number.quantize(_NANO)
    text = format(number, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else text


def bytes_sql(expression: str, field: Field) -> str:
    """DuckDB SQL for the logical bytes of one value, by BigQuery's table of data sizes; NULL counts 0."""
    if field.repeated:
        each = bytes_sql("e", field.element)
        return f"coalesce(list_sum(list_transform({expression}, lambda e: {each})), 0)"
    if field.type == "STRUCT":
        return "(" + " + ".join(bytes_sql(f'{expression}."{f.name}"', f) for f in field.fields) + ")"
    if field.type in _FIXED_WIDTH:
        return f"CASE WHEN {expression} IS NULL THEN 0 ELSE {_FIXED_WIDTH[field.type]} END"
    if field.type == "BYTES":
        return f"coalesce(octet_length({expression}) + 2, 0)"
    return f"coalesce(strlen({expression}::VARCHAR) + 2, 0)"
