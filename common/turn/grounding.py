"""The ground of an answer: what its turn has read and was asked, against which its figures are checked."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from common.citations.marks import remove_marks
from common.figures.checking import unverified_figures
from common.figures.sources import Sources
from common.tools.result import read_model_message
from common.turn.prepared import PreparedTurn


def unverified_in(
    text: str,
    prepared: PreparedTurn,
    results: Iterable[Mapping[str, Any]],
    asked: Iterable[str] = (),
    *,
    strict: bool = False,
) -> tuple[str, ...]:
    """The figures of an answer that stand in nothing that its turn has read, and follow from nothing in it.

    ``results`` are those of its tools, ``asked`` the arguments of calls that wait for a yes: the answer shows them.
    The marks of its citations are no figures.
    """
    sources = Sources()
    results = [*results, *_before(prepared)]
    for result in results:
        sources.add(result)
    for arguments in asked:
        sources.add(_parsed(arguments))
    features = prepared.features
    sources.say(prepared.asked, prepared.question.content, prepared.now.date().isoformat(), features.note)
    sources.say(*(part for entry in features.context for part in entry))
    for entry in prepared.history:
        sources.add(_parsed(f'{{"calls": {entry.get("calls") or "[]"}}}'))
    has_read = any("error" not in result for result in results)
    for entry in prepared.history:
        if entry["role"] == "user" or not has_read:
            # Without a result of its own, an answer can only be about the ones before.
            sources.say(verified_text(entry))
    if not has_read:
        sources.say(prepared.summary)
    uncited = remove_marks(text, lambda number: number not in prepared.offered)
    return unverified_figures(uncited, sources, strict=strict)


def _before(prepared: PreparedTurn) -> list[dict[str, Any]]:
    """The results of the steps before the turn paused, and of the client's own tools."""
    if prepared.pending is None:
        return []
    said = [str(each["content"]) for each in prepared.pending.paused.exchange if each["role"] == "tool"]
    said += prepared.reply.results.values() if prepared.reply else ()
    return [read_model_message(_parsed(each)) for each in said]


def verified_text(entry: Mapping[str, Any]) -> str:
    """The text of an earlier message without the figures that could not be verified then."""
    content = str(entry["content"])
    for figure in entry.get("unverified", ()):
        content = content.replace(figure, "")
    return content


def _parsed(text: str) -> dict[str, Any]:
    """The object that a result or arguments are; a client's own tool may answer in words."""
    try:
        value = json.loads(text or "{}")
    except (ValueError, RecursionError):
        value = text
    return value if isinstance(value, dict) else {"said": value}
