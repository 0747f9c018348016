"""The figures of a Vega-Lite spec: series over time, or amounts by name; None for a picture of another kind."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

_TIMELY = ("temporal",)
_NAMING = ("nominal", "ordinal")


@dataclass(frozen=True, slots=True)
class Series:
    """Amounts by time, oldest first."""

    name: str
    points: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Bars:
    """Amounts by name, in the order they are drawn."""

    name: str
    amounts: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """The contents of a spec, without its looks."""

    title: str
    unit: str
    parts: tuple[Series | Bars, ...]


@dataclass(frozen=True, slots=True)
class _Unit:
    encoding: Mapping[str, Any]
    rows: Sequence[Mapping[str, Any]]


def picture_of(spec: Mapping[str, Any]) -> Picture | None:
    """Read a spec; None where it has nothing that can be shown as a line of marks or as bars."""
    parts: list[Series | Bars] = []
    unit = ""
    for each in _units(spec, {}, ()):
        amount = _amount(each.encoding)
        if amount is None:
            continue
        found = _parts(each, amount)
        # Layers draw the same figures more than once: as a line, and as points on it.
        parts += [part for part in found if part not in parts]
        unit = unit or (_titled(amount) if found else "")
    return Picture(_words(spec.get("title")), unit, tuple(parts)) if parts else None


def _units(spec: Mapping[str, Any], encoding: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> Iterator[_Unit]:
    """The single views of a spec, each with what it takes from those around it."""
    encoding = {**encoding, **_mapping(spec.get("encoding"))}
    values = _mapping(spec.get("data")).get("values")
    if isinstance(values, list):
        rows = [row for row in values if isinstance(row, Mapping)]
    lists = [each for name in ("layer", "hconcat", "vconcat", "concat") if isinstance(each := spec.get(name), list)]
    views = [each for each in (spec.get("spec"), *chain.from_iterable(lists)) if isinstance(each, Mapping)]
    if "mark" in spec and not views:
        yield _Unit(encoding, rows)
    for each in views:
        yield from _units(each, encoding, rows)


def _amount(encoding: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The channel that holds amounts. None where there is none, and for a band, which has a second one."""
    if "x2" in encoding or "y2" in encoding:
        return None
    for name in ("y", "x"):
        channel = _mapping(encoding.get(name))
        if channel.get("type") == "quantitative" and isinstance(channel.get("field"), str):
            return channel
    return None


def _parts(unit: _Unit, amount: Mapping[str, Any]) -> list[Series | Bars]:
    against = next(
        (
            channel
            for channel in (_mapping(unit.encoding.get(name)) for name in ("x", "y"))
            if channel.get("type") in (*_TIMELY, *_NAMING) and isinstance(channel.get("field"), str)
        ),
        None,
    )
    if against is None:
        return []
    timely = against["type"] in _TIMELY
    groups: dict[str, list[tuple[str, float]]] = {}
    for row in unit.rows:
        value = _value(row, amount["field"])
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        name = _group(row, unit.encoding, () if timely else (against["field"],))
        groups.setdefault(name, []).append((_words(_value(row, against["field"])), float(value)))
    if timely:
        return [Series(name, tuple(sorted(points))) for name, points in groups.items()]
    return [Bars(name, tuple(points)) for name, points in groups.items()]


def _group(row: Mapping[str, Any], encoding: Mapping[str, Any], besides: Sequence[str]) -> str:
    """The group of a row's line or facet: the values of the channels that group."""
    names = []
    for name in ("color", "detail", "strokeDash", "row", "column", "facet"):
        channel = _mapping(encoding.get(name))
        field = channel.get("field")
        if not isinstance(field, str) or field in besides or channel.get("type") == "quantitative":
            continue
        value = _words(_value(row, field))
        if value and value not in names:
            names.append(value)
    return ", ".join(names)


def _value(row: Mapping[str, Any], field: str) -> Any:
    """A row's value; a spec writes dots and brackets of a name with a backslash before them."""
    return row[field] if field in row else row.get(field.replace("\\", ""))


def _titled(channel: Mapping[str, Any]) -> str:
    axis = _mapping(channel.get("axis")).get("title")
    return _words(channel.get("title") or axis or str(channel["field"]).replace("\\", "").replace("_", " "))


def _words(value: object) -> str:
    """A title, which may be text, lines of text, or an object that has it."""
    if isinstance(value, Mapping):
        return _words(value.get("text"))
    if isinstance(value, list):
        return " ".join(_words(each) for each in value)
    return "" if value is None else str(value)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
