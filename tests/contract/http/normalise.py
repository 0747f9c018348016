"""Takes out of an exchange what cannot be equal twice: random ids, real moments, durations and ciphertexts."""

import base64
import json
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

_ID = re.compile(
    r"(?<![0-9a-f])(?:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{32})(?![0-9a-f])"
)
# In JSON, and in JSON that is text in JSON.
_DURATION = re.compile(r'(\w+_ms\\*": ?)\d+')
# A list's cursor is JSON with ids in it.
_CURSOR = re.compile(r'(?<="next_cursor":")[\w=-]+')
_PART = re.compile(r'(/counters/[^"/]+)\.\d+"')
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+00:00)")
# Where a long text of JSON or events may be cut, so that a difference is a line.
_CUT = re.compile(r'(?<=[,\[{])(?=[\[{\\"])|(?<=\n)(?=.)', re.DOTALL)
# Nothing in the bill or of the standing clock is as late as this; what is, was read from the real one.
_REAL_SINCE = datetime(2026, 1, 1, tzinfo=UTC)


class Normaliser:
    """Names random ids in their order of appearance, the same one always the same."""

    def __init__(self, started: datetime) -> None:
        self._started = started
        self._ids: dict[str, str] = {}

    def text(self, text: str) -> str:
        """The text without durations, real moments and random ids."""
        opened = _CURSOR.sub(lambda found: _opened(found[0]), self._timeless(text))
        return _ID.sub(lambda found: self._name(found[0]), opened)

    def lines(self, text: str) -> list[str]:
        """The text in pieces, which joined are the whole."""
        return _CUT.split(self.text(text)) if text else []

    def value(self, value: Any) -> Any:
        """The same of every text in a value of JSON; a text of many lines, or of JSON, in pieces."""
        match value:
            case str():
                lines = self.lines(value)
                return lines if len(lines) > 1 else self.text(value)
            case dict():
                return {self.text(name): self.value(each) for name, each in value.items()}
            case list():
                return [self.value(each) for each in value]
        return value

    def values(self, values: Sequence[Any]) -> list[Any]:
        """The same of values that come in any order: new ids are named in the order of what is around them."""
        return sorted([self.value(value) for value in sorted(values, key=self.around)], key=_compact)

    def around(self, value: Any) -> str:
        """Return the value's text without its ids."""
        return _ID.sub("id", self._timeless(_compact(value)))

    def _name(self, found: str) -> str:
        return self._ids.setdefault(found, f"id-{len(self._ids) + 1}")

    def _timeless(self, text: str) -> str:
        return _MOMENT.sub(lambda found: self._moment(found[0]), _DURATION.sub(r"\g<1>0", text))

    def _moment(self, text: str) -> str:
        # Firestore's have nanoseconds, which no datetime takes.
        moment = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text))
        if moment < _REAL_SINCE:
            return text
        return f"<now + {round((moment - self._started) / timedelta(days=1))} days>"


def in_order(text: str) -> str:
    """JSON, or an event stream of JSON, with the members of every object by name."""
    if text.startswith("data: "):
        return "".join(
            f"data: {in_order(frame.removeprefix('data: '))}\n\n"
            for frame in text.replace("\r\n", "\n").split("\n\n")
            if frame
        )
    return json.dumps(json.loads(text), ensure_ascii=False, sort_keys=True)


def _opened(cursor: str) -> str:
    """Read a list's cursor, without its digest, which is made with ids."""
    said = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    return "<" + re.sub(r'"[0-9a-f]{16}"', '"<digest>"', said) + ">"


def written(commits: Sequence[Sequence[dict[str, Any]]], normaliser: Normaliser) -> list[Any]:
    """The commits of one exchange, and the writes of each, in an order that their moments do not change."""
    plain = [[_plain(write) for write in commit] for commit in commits]
    around = [sorted(commit, key=normaliser.around) for commit in plain]
    named = [normaliser.values(commit) for commit in sorted(around, key=normaliser.around)]
    return sorted(named, key=_compact)


def _compact(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _plain(write: dict[str, Any]) -> dict[str, Any]:
    """A write with short paths, its fields by name, and only the fact of a precondition on a moment."""
    plain: dict[str, Any] = dict(_shortened(write))
    condition = plain.get("current_document", {})
    if "update_time" in condition:
        plain["current_document"] = {"update_time": "<as it was read>"}
    # An addition goes to a part of its counter by chance.
    counted: dict[str, Any] = json.loads(_PART.sub(r'\1.<part>"', json.dumps(plain)))
    return counted


def _shortened(write: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in write.items():
        if name == "delete":
            yield name, _path(value)
        elif name == "update":
            yield name, {"path": _path(value["name"]), "fields": _fields(value)}
        else:
            yield name, value


def _path(name: str) -> str:
    return name.split("/documents/", 1)[1]


def _fields(held: dict[str, Any]) -> dict[str, Any]:
    """Fields by name, durations without their figure, and of a part that an id chooses only that there is one."""
    return {name: _figure(name, value) for name, value in sorted(held.get("fields", {}).items())}


def _figure(name: str, value: dict[str, Any]) -> Any:
    if "integer_value" in value and name.endswith("_ms"):
        return "<milliseconds>"
    return "<shard>" if "integer_value" in value and name == "shard" else _field(value)


def _field(value: dict[str, Any]) -> Any:
    """A value of a document with its type; a text as it is, of a ciphertext only that it is one."""
    ((kind, held),) = value.items()
    match kind:
        case "map_value":
            return _fields(held)
        case "array_value":
            return [_field(each) for each in held.get("values", [])]
        case "bytes_value":
            return "<bytes>"
        case "string_value":
            return held
    return {kind: held}
