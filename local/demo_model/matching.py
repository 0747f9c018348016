"""Finds a name that people use ("S3", "GKE", "k8s") among the names that a result lists."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from local.demo_model.reading import Value
from local.demo_model.request import Call, Request
from local.demo_model.table import load_table


def matches(said: str, listed: str) -> bool:
    """Tell whether a listed name holds the words, or is shortened to them (S3 is SSS, k8s counts letters)."""
    near, words = said.replace(" ", ""), re.findall(r"[^\W_]+", listed)
    initials = "".join(word[0] for word in words)
    short = re.sub(r"([a-z])(\d)", lambda match: match[1] * int(match[2]), near)
    counted = re.sub(r"^([a-z])(\d+)([a-z])$", r"\1\\w{\2}\3", near)
    shortened = len(near) > 1 and {short, near.removesuffix("s")} & {initials, initials[1:]}
    held = re.search(rf"(?<!\w){re.escape(said)}s?(?!\w)", listed) or near == listed.replace(" ", "")
    return bool(held or shortened or (counted != near and any(re.fullmatch(counted, word) for word in words)))


def find_rows(result: Call, name: Value) -> list[Mapping[str, Any]]:
    """The rows of a result that a name means: those of exactly that name before those that hold it."""
    said, rows = _plain(name.said), [(_plain(row.get(result.group)), row) for row in result.rows]
    return [row for listed, row in rows if listed == said] or [row for listed, row in rows if matches(said, listed)]


def look_up_names(names: Sequence[Value], request: Request) -> tuple[list[Call], list[dict[str, Any]], list[str]]:
    """The look-ups still to be made, the filters that the others give, and the names that they did not find."""
    tool, dimension, search, value = load_table()[1].more["look_up"].values()
    done = {str(call.arguments.get(search)): call.rows for call in request.returned if call.name == tool}
    calls, filters, lost = list[Call](), list[dict[str, Any]](), list[str]()
    for name in names:
        rows = done.get(name.said, [])
        if name.said not in done:
            calls.append(Call(tool, {search: name.said, **({dimension: name.hint} if name.hint else {})}))
        elif rows:
            first = rows[0].get(dimension)
            values = [row.get(value) for row in rows if row.get(dimension) == first]
            filters.append({"dimension": first, "op": name.value or "in", "values": values})
        else:
            lost.append(name.said)
    return calls, filters, lost


def _plain(value: Any) -> str:
    return " ".join(re.sub(r"[^\w&+-]+", " ", str(value or "").lower()).split())
