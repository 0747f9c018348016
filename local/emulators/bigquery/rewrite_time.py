"""The rewrites of dates and times: units, formats and zones as BigQuery has them."""

import re
from collections.abc import Callable

from sqlglot import exp

from local.emulators.bigquery.errors import invalid_query, unsupported
from local.emulators.bigquery.nodes import call, cast, kind, number, string

_WHOLE_UNITS = ("DAY", "HOUR", "MINUTE", "SECOND", "MILLISECOND", "MICROSECOND")
_EXTRACT_DIRECT = ("YEAR", "QUARTER", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND", "ISOYEAR")
_EXTRACT_RENAMED = {"DAYOFYEAR": "DOY", "ISOWEEK": "WEEK"}
# %E4Y, %Ez and the rest of BigQuery's own elements are refused; these mean the same in DuckDB.
_SAME_ELEMENTS = set("aAbBdHIjmMpSyYwuUWGV%")
_EXPANSIONS = {"F": "%Y-%m-%d", "T": "%H:%M:%S", "R": "%H:%M", "D": "%m/%d/%y", "h": "%b", "Z": "UTC", "n": "\n"}
_PRINTF = re.compile(r"%(%|[-+0 ]*\d*(?:\.\d+)?[diufFeEgGst])")


def printf_conversions(template: str) -> list[str]:
    """The conversion letters of a FORMAT template, without %%; refuses what DuckDB's printf does not share."""
    if _PRINTF.sub("", template).count("%"):
        raise unsupported(f"FORMAT with {template!r}")
    found = [match[1] for match in _PRINTF.finditer(template) if match[1] != "%"]
    return [conversion[-1] for conversion in found]


def _unit(node: exp.Expr | None) -> str:
    return node.name.upper() if node is not None else "DAY"


def _whole_difference(node: exp.TimestampDiff) -> exp.Expr:
    unit = _unit(node.args.get("unit"))
    if unit not in _WHOLE_UNITS:
        raise invalid_query(f"TIMESTAMP_DIFF does not support the {unit} date part")
    return call("date_sub", string(unit.lower()), node.expression, node.this)


def _calendar(node: exp.Expr) -> exp.Expr | None:
    """Date arithmetic widens to TIMESTAMP in DuckDB; keep BigQuery's type."""
    wanted = kind(node)
    wanted = kind(node.this) if wanted == "UNKNOWN" else wanted
    return cast(node, wanted) if wanted in ("DATE", "DATETIME", "TIMESTAMP") else None


def _extract(node: exp.Extract) -> exp.Expr | None:
    part = node.this
    value = node.expression
    if isinstance(part, exp.WeekStart):
        raise unsupported("EXTRACT(WEEK(weekday))")
    name = part.name.upper()
    if kind(value) == "TIMESTAMP":
        zoned = isinstance(value, exp.AtTimeZone)
        local = call("timezone", value.args["zone"] if zoned else string("UTC"), value.this if zoned else value)
        local.type = exp.DataType.build("DATETIME", dialect="bigquery")
        inner = exp.Extract(this=part.copy(), expression=local)
        return _extract(inner) or inner
    if name in _EXTRACT_DIRECT:
        return None
    if name in _EXTRACT_RENAMED:
        return exp.Extract(this=exp.var(_EXTRACT_RENAMED[name]), expression=value.copy())
    if name == "DAYOFWEEK":
        return exp.paren(exp.Add(this=node.copy(), expression=number(1)), copy=False)
    if name == "WEEK":
        return cast(call("strftime", value, string("%U")), "INT64")
    if name in ("MILLISECOND", "MICROSECOND"):
        whole = number(1000 if name == "MILLISECOND" else 1_000_000)
        return exp.paren(exp.Mod(this=node.copy(), expression=whole), copy=False)
    if name == "DATE":
        return cast(value, "DATE")
    raise unsupported(f"EXTRACT({name})")


def strftime_parts(template: str) -> list[str | None]:
    """A format as DuckDB pieces; None stands for %Q, the quarter, which DuckDB lacks."""
    pieces: list[str | None] = [""]
    position = 0
    while position < len(template):
        letter = template[position]
        if letter != "%":
            pieces[-1] = (pieces[-1] or "") + letter
            position += 1
            continue
        element = template[position + 1 : position + 2]
        position += 2
        if element == "Q":
            pieces += [None, ""]
        else:
            pieces[-1] = (pieces[-1] or "") + _element(element)
    return pieces


def _element(element: str) -> str:
    if element in _SAME_ELEMENTS and element:
        return f"%{element}"
    if element in _EXPANSIONS:
        return _EXPANSIONS[element]
    if element == "e":
        return "%e"
    raise unsupported(f"the format element %{element}")


def _time_format(node: exp.TimeToStr) -> exp.Expr:
    template = node.args["format"]
    if not isinstance(template, exp.Literal):
        raise unsupported("a computed date format")
    value = _formatted_value(node)
    pieces: list[exp.Expr] = []
    for piece in _split_days(strftime_parts(_original(template.this))):
        if piece == "quarter":
            pieces.append(exp.cast(call("quarter", value), "TEXT", dialect="duckdb"))
        elif piece == "day":
            pieces.append(call("lpad", exp.cast(call("day", value), "TEXT", dialect="duckdb"), number(2), string(" ")))
        elif piece:
            pieces.append(call("strftime", value, string(piece)))
    if not pieces:
        return string("")
    joined = pieces[0]
    for piece_node in pieces[1:]:
        joined = exp.DPipe(this=joined, expression=piece_node)
    return exp.paren(joined, copy=False)


def _original(template: str) -> str:
    """sqlglot spells %e as %-d and %F in full; take BigQuery's own spelling back where it differs."""
    return template.replace("%-d", "%e").replace("%-I", "%l").replace("%-H", "%k")


def _split_days(parts: list[str | None]) -> list[str]:
    """Pieces for strftime, with `quarter` and `day` (padded with a space) standing for what it lacks."""
    pieces: list[str] = []
    for part in parts:
        if part is None:
            pieces.append("quarter")
            continue
        for index, text in enumerate(part.split("%e")):
            if index:
                pieces.append("day")
            pieces.append(text)
    return pieces


def _formatted_value(node: exp.TimeToStr) -> exp.Expr:
    value = node.this
    if isinstance(value, exp.TsOrDsToTimestamp | exp.TsOrDsToDate | exp.TsOrDsToDatetime):
        date_only = isinstance(value, exp.TsOrDsToDate)
        inner = value.this
    else:
        date_only, inner = False, value
    zone = node.args.get("zone")
    if zone is not None:
        return call("timezone", zone, cast(inner, "TIMESTAMP"))
    return cast(inner, "DATE" if date_only else "TIMESTAMP" if kind(inner) == "TIMESTAMP" else "DATETIME")


def _parse_time(node: exp.Expr) -> exp.Expr:
    template = node.args.get("format")
    if not isinstance(template, exp.Literal):
        raise unsupported("a computed date format")
    if node.args.get("zone"):
        raise unsupported("parsing with a time zone")
    parts = strftime_parts(_original(template.this))
    text = parts[0]
    if len(parts) != 1 or text is None or "%e" in text or not re.search(r"%[Yy]", text):
        raise unsupported(f"parsing dates with {template.this!r}")
    parsed = call("strptime", node.this, string(text))
    if isinstance(node, exp.StrToDate):
        return cast(parsed, "DATE")
    return cast(parsed, "DATETIME" if kind(node) == "DATETIME" else "TIMESTAMP")


RULES: dict[type[exp.Expr], Callable[..., exp.Expr | None]] = {
    exp.TimestampDiff: _whole_difference,
    exp.DateAdd: _calendar,
    exp.DateSub: _calendar,
    exp.DateTrunc: _calendar,
    exp.DatetimeAdd: _calendar,
    exp.DatetimeSub: _calendar,
    exp.DatetimeTrunc: _calendar,
    exp.TimestampAdd: _calendar,
    exp.TimestampSub: _calendar,
    exp.TimestampTrunc: _calendar,
    exp.LastDay: _calendar,
    exp.UnixToTime: _calendar,
    exp.DateFromUnixDate: _calendar,
    exp.Extract: _extract,
    exp.TimeToStr: _time_format,
    exp.StrToDate: _parse_time,
    exp.StrToTime: _parse_time,
}
