"""The work behind an answer, in
words: what each tool call did, its period and filters, its SQL and the bytes it read."""

from collections.abc import Iterator, Mapping
from typing import Any

from common.text import shorten
from local.terminal.answer import Answer, ToolCall
from local.terminal.neutral import neutral, neutral_line

_MOST_CHARS = 60
_EXCERPT_CHARS = 240


def described(call: ToolCall) -> str:
    """Describe a call in one line: its name in words and its arguments."""
    asked = dict(call.arguments)
    groups = [f"by {_short(asked.pop(name))}" for name in ("group_by", "dimension") if asked.get(name)]
    words = [neutral_line(call.name).replace("_", " "), *groups]
    days = [_short(asked.pop(name)) for name in ("start_date", "end_date") if asked.get(name)]
    facts = [" to ".join(days)] if days else []
    facts += [
        f"{neutral_line(name).replace('_', ' ')} {_short(value)}" for name, value in asked.items() if value is not None
    ]
    return ", ".join((" ".join(words), *facts))


def outcome(call: ToolCall) -> str:
    """Describe the end of a call in one line."""
    if call.error is not None:
        return f"failed: {neutral_line(call.error)}"
    result = call.result or {}
    facts = []
    if "row_count" in result:
        facts.append(f"{result['row_count']} rows")
    if result.get("cached"):
        facts.append("kept from before, 0 bytes")
    elif "bytes_processed" in result:
        facts.append(size(result["bytes_processed"]))
    if call.duration_ms is not None:
        facts.append(f"{call.duration_ms / 1000:.2f} s")
    return ", ".join(facts) or "done"


def heading(call: ToolCall) -> str:
    """The title above a call's query."""
    if call.error is not None or call.result is None:
        return f"{neutral_line(call.name)}: {neutral_line(call.error or 'no result is kept')}"
    result = call.result
    read = f"{result.get('row_count', 0)} rows, {result.get('bytes_processed', 0):,} bytes"
    return f"{neutral_line(call.name)}: {read}{', kept from before' if result.get('cached') else ''}"


def basis(call: ToolCall) -> Iterator[str]:
    """The periods and filters of a call, a line each."""
    summary = (call.result or {}).get("summary")
    if not isinstance(summary, Mapping):
        return
    for name, value in summary.items():
        if isinstance(value, Mapping) and {"start_date", "end_date"} <= value.keys() and name != "available":
            yield f"{neutral_line(name)}: {neutral_line(value['start_date'])} to {neutral_line(value['end_date'])}"
    filters = summary.get("filters")
    if isinstance(filters, Mapping):
        named = ", ".join(f"{neutral_line(name)} = {neutral_line(value)}" for name, value in filters.items())
        yield f"filters: {named or 'none'}"


def summary_line(call: ToolCall) -> str:
    """The period, filters, rows and bytes of a call in one line; empty where it read nothing."""
    if call.error is not None or "row_count" not in (call.result or {}):
        return ""
    return " · ".join((*basis(call), outcome(call).replace(", ", " · ")))


def sql(call: ToolCall) -> str:
    """The text of a call's query, empty where it has none."""
    return neutral((call.result or {}).get("sql") or "")


def parameters(call: ToolCall) -> Iterator[str]:
    """The values bound to the query, a line each."""
    bound = (call.result or {}).get("parameters")
    if isinstance(bound, Mapping):
        for name, value in bound.items():
            yield f"@{neutral_line(name)} = {neutral_line(repr(value))}"


def facts(answer: Answer) -> str:
    """The agent, the model and the time of an answer."""
    finish = answer.finish
    usage = finish.get("usage") or {}
    tokens = (usage.get("input_tokens") or 0) + (usage.get("output_tokens") or 0)
    known = [answer.agent_name, finish.get("model_id")]
    if finish.get("fallback_from"):
        known.append(f"in place of {finish['fallback_from']}")
    if finish.get("latency_ms") is not None:
        known.append(f"{finish['latency_ms'] / 1000:.2f} s")
    if tokens:
        known.append(f"{tokens:,} tokens")
    if finish.get("cached_at"):
        known.append(f"made {finish['cached_at']}, given again")
    known.append(finish.get("conversation_id"))
    return " · ".join(neutral_line(fact) for fact in known if fact)


_ENDS = {
    "length": "Cut off at the model's output limit: the rest is missing.",
    "refused": "The model refused to answer this.",
}


def ending(finish: object) -> str:
    """The line below an answer that did not end by itself, empty below any other."""
    return _ENDS.get(str(finish), "")


def unverified(figures: object) -> str:
    """The line below an answer with figures that stand in no result behind it, empty below any other."""
    if not isinstance(figures, list) or not figures:
        return ""
    which, them = ("This figure was", "it") if len(figures) == 1 else ("These figures were", "them")
    named = ", ".join(neutral_line(str(each)) for each in figures)
    return f"{which} not found in the data behind the answer: {named}. Check {them} before you rely on {them}."


def sources(citations: object) -> Iterator[tuple[str, str]]:
    """The place and the beginning of each passage that an answer cites; none below any other."""
    listed = citations if isinstance(citations, list) else []
    for cited in (each for each in listed if isinstance(each, Mapping)):
        page = "" if cited.get("page") is None else f", page {neutral_line(cited['page'])}"
        heading = f" · {neutral_line(cited['heading'])}" if cited.get("heading") else ""
        place = f"[{neutral_line(cited.get('number'))}] {neutral_line(cited.get('document'))}{page}{heading}"
        yield place, shorten(neutral_line(cited.get("excerpt")), _EXCERPT_CHARS)


def size(count: Any) -> str:
    """Bytes in the largest unit that they fill."""
    number = float(count or 0)
    for unit in ("bytes", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "bytes" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"


def _short(value: object) -> str:
    return shorten(neutral_line(_plain(value)), _MOST_CHARS)


def _plain(value: object) -> object:
    """A list as its members, and a filter as its dimension and values."""
    match value:
        case list():
            return ", ".join(str(_plain(each)) for each in value)
        case {"dimension": dimension, **rest}:
            operator = str(rest.get("op") or "in").replace("_", " ")
            return f"{dimension} {operator} {_plain(rest.get('values') or [])}".rstrip()
    return value
