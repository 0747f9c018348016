"""Query parameters: REST values to the Python values that DuckDB binds."""

import base64
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from local.emulators.bigquery.errors import invalid, invalid_query, unsupported


def declared(parameters: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Lower-case name -> parameterType; only named parameters are served."""
    types: dict[str, dict[str, Any]] = {}
    for parameter in parameters:
        if not parameter.get("name"):
            raise unsupported("positional parameters")
        types[str(parameter["name"]).lower()] = parameter["parameterType"]
    return types


def values(parameters: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Lower-case name -> the value to bind."""
    return {
        str(p["name"]).lower(): _value(p["parameterType"], p.get("parameterValue") or {}, str(p["name"]))
        for p in parameters
    }


def _value(kind: dict[str, Any], value: dict[str, Any], name: str) -> Any:
    match str(kind.get("type", "")).upper():
        case "ARRAY":
            return [_value(kind["arrayType"], item, name) for item in value.get("arrayValues") or []]
        case "STRUCT" | "RECORD":
            members = value.get("structValues") or {}
            return {m["name"]: _value(m["type"], members.get(m["name"]) or {}, name) for m in kind["structTypes"]}
        case scalar:
            text = value.get("value")
            return None if text is None else _scalar(scalar, str(text), name)


def _scalar(kind: str, text: str, name: str) -> Any:
    try:
        match kind:
            case "INT64" | "INTEGER":
                return int(text)
            case "FLOAT64" | "FLOAT":
                return float(text)
            case "NUMERIC" | "DECIMAL":
                return Decimal(text)
            case "BOOL" | "BOOLEAN":
                return {"true": True, "false": False}[text.lower()]
            case "BYTES":
                return base64.b64decode(text)
    except (ValueError, KeyError, InvalidOperation) as error:
        raise invalid_query(f"Invalid value for type: {kind} in query parameter '{name}': {text}") from error
    if kind == "BIGNUMERIC":
        raise unsupported("parameters of type BIGNUMERIC")
    if kind not in ("STRING", "TIMESTAMP", "DATE", "DATETIME", "TIME", "JSON"):
        raise invalid(f"Invalid parameter type {kind}")
    return text
