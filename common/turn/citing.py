"""The citations of a turn: what its answer may cite, and the filter that no other mark passes."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from common.agents.events import Event, TextDelta, ToolFinished
from common.agents.exchange import asked_calls
from common.citations.marks import MarkFilter
from common.tools.registry import Registry
from common.tools.result import read_model_message
from common.turn.prepared import PreparedTurn

_LAST_WORD = re.compile(r"\S+[ \t]*\Z")


class CitedText:
    """The text of a turn as it is let out: without a mark of what was never offered."""

    def __init__(self, prepared: PreparedTurn, registry: Registry, calls: Sequence[ToolFinished]) -> None:
        """``calls`` are those of the turn, as they come."""
        citable = _Citable(prepared, registry, calls)
        self._marks = MarkFilter(citable.keeps, spaces=lambda: bool(prepared.offered))

    def pass_on(self, event: Event) -> list[Event]:
        """The event, behind the text that it ends; text as far as it is certain."""
        if isinstance(event, TextDelta):
            text = self._marks.feed(event.text)
            if text == event.text:
                return [event]
            return [TextDelta(text)] if text else []
        return [*self.rest(), event]

    def rest(self) -> list[Event]:
        """The text that is held back."""
        text = self._marks.close()
        return [TextDelta(text)] if text else []


class _Citable:
    """Tells what the answer of a turn may cite from what in it only looks like a citation."""

    def __init__(self, prepared: PreparedTurn, registry: Registry, calls: Sequence[ToolFinished]) -> None:
        self._outside = {tool.name for tool in registry.tools if tool.outside}
        self._offered = prepared.offered
        self._calls = calls
        self._question = f"{prepared.asked}\n{prepared.question.content}"
        self._restore(prepared)

    def keeps(self, number: int, before: str) -> bool:
        """Return true for what was offered, and for a mark that is part of a name in the data or in the question."""
        if number in self._offered:
            return True
        word = _LAST_WORD.search(before)
        if word is None:
            return False
        name = f"{word[0]}[{number}]"
        return name in self._question or any(name in each for each in self._data())

    def _data(self) -> Iterator[str]:
        """The results that are data of the organisation's own, and no text from outside."""
        yield from (json.dumps(each.result, ensure_ascii=False) for each in self._calls if not self._is_outside(each))

    def _is_outside(self, call: ToolFinished) -> bool:
        return call.tool_name in self._outside

    def _restore(self, prepared: PreparedTurn) -> None:
        """Offer what the turn has read before it paused, in an earlier attempt at it, or for an answer of before."""
        steps, cached = prepared.steps, prepared.cached
        for call in (*(steps.tools if steps else ()), *(cached.tools if cached else ())):
            if self._is_outside(call):
                self._offered.restore(call.result.get("rows", ()))
        exchange = prepared.pending.paused.exchange if prepared.pending else ()
        names = {call.call_id: call.name for message in exchange for call in asked_calls(message)}
        for message in exchange:
            if message["role"] == "tool" and names.get(message["tool_call_id"]) in self._outside:
                self._offered.restore(_rows(str(message["content"])))


def _rows(content: str) -> Iterable[Any]:
    try:
        value = json.loads(content)
    except ValueError:
        return ()
    rows = read_model_message(value).get("rows") if isinstance(value, dict) else None
    return rows if isinstance(rows, list) else ()
