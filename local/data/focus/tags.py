"""Objects in a cell (tags, price details) as exporters write them: JSON, and what they write in its place."""

import ast
import json
import re
from collections.abc import Sequence
from typing import Any

from local.data.focus.cells import ValueProblem, shown

_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_KEY_NAMES = ({"key", "value"}, {"Key", "Value"}, {"name", "value"})
_HIVE = re.compile(r"\{(.*)\}", re.DOTALL)
_PAIR = re.compile(r"\s*([^=:;,{}\[\]\"']+?)\s*([=:])(.*)", re.DOTALL)
_BRACELESS = re.compile(r'\s*"(?:[^"\\]|\\.)*"\s*:', re.DOTALL)
_LONGEST_REPR = 100_000


def mapping(text: str) -> str:
    """Read an object and return it as JSON text; the first of two equal keys counts. Raises ValueProblem."""
    value = _parsed(text)
    if isinstance(value, list):
        value = _from_pairs(text, value)
    if not isinstance(value, dict):
        raise ValueProblem(f'{shown(text)} is JSON but not an object (write it like {{"team": "data"}})')
    written = _ENCODER.encode(value)
    try:
        written.encode()  # half a surrogate pair is no text
    except UnicodeEncodeError as error:
        raise ValueProblem(f"{shown(text)} holds half of a character") from error
    return written


def _parsed(text: str) -> Any:
    try:
        value = _json(text)
        # Some exporters encode twice.
        return _json(value) if isinstance(value, str) and value.lstrip()[:1] in ("{", "[") else value
    except (ValueError, RecursionError):
        pass
    for read in (_braceless, _python, _hive, _listed):
        found = read(text.strip())
        if found is not None:
            return found
    raise ValueProblem(f'{shown(text)} is not JSON (write it like {{"team": "data"}})')


def _json(text: str) -> Any:
    return json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_first_of_each)


def _first_of_each(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    return dict(reversed(pairs)) if len({key for key, _value in pairs}) < len(pairs) else dict(pairs)


def _braceless(text: str) -> Any:
    """Azure's cost exports leave the braces out: "env": "prod","team": "web"."""
    if not _BRACELESS.match(text):
        return None
    try:
        return _json("{" + text + "}")
    except (ValueError, RecursionError):
        return None


def _python(text: str) -> Any:
    """Python's own writing of a dict: {'env': 'prod'}."""
    if text[:1] not in ("{", "[") or "'" not in text or len(text) > _LONGEST_REPR:
        return None
    try:
        value = ast.literal_eval(text)
        return _json(json.dumps(value, allow_nan=False))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None


def _hive(text: str) -> Any:
    """Hive's and Athena's writing of a map: {env=prod, team=web}."""
    inner = _HIVE.fullmatch(text)
    return _read_pairs(inner[1].split(", "), "=") if inner else None


def _listed(text: str) -> Any:
    """Pairs in a row: env:prod;team:web or env=prod;team=web."""
    return _read_pairs([part for part in text.split(";") if part.strip()], None)


def _read_pairs(parts: Sequence[str], mark: str | None) -> dict[str, str] | None:
    found: dict[str, str] = {}
    for part in parts:
        match = _PAIR.fullmatch(part)
        if match is None or (mark is not None and match[2] != mark):
            return None
        found.setdefault(match[1], match[3].strip())
    return found or None


def _from_pairs(text: str, items: list[Any]) -> dict[str, Any]:
    """Turn an array of keys with values, as Google's and AWS's tags are, into an object."""
    found: dict[str, Any] = {}
    for item in items:
        if isinstance(item, list) and len(item) == 2 and isinstance(item[0], str):
            found.setdefault(item[0], item[1])
        elif isinstance(item, dict) and any(names <= item.keys() for names in _KEY_NAMES):
            names = next(names for names in _KEY_NAMES if names <= item.keys())
            key = next(name for name in names if name.lower() != "value")
            value = next(name for name in names if name.lower() == "value")
            found.setdefault(str(item[key]), item[value])
        else:
            raise ValueProblem(f"{shown(text)} is an array whose items are not a key with its value")
    return found


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")
