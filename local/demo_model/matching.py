"""Looks up names that no slot knows ("EC2", "the production account") among the names that the data has."""

from collections.abc import Sequence
from dataclasses import dataclass

from local.demo_model.reading import Value
from local.demo_model.request import Call, Request
from local.demo_model.table import load_table

_MOST = 15


@dataclass(frozen=True, slots=True)
class Found:
    """A name as it was said, with the values of a dimension that it stands for."""

    said: str
    dimension: str
    values: list[str]
    op: str = "in"


def look_up_names(names: Sequence[Value], request: Request) -> tuple[list[Call], list[Found], list[str]]:
    """The look-ups still to be made, what the names were found to be, and the names that were not found."""
    table = load_table()[1].more["look_up"]
    done = {
        (str(call.arguments.get("search")), str(call.arguments.get("dimension"))): call
        for call in request.returned
        if call.name == table["tool"]
    }
    calls, found, lost = list[Call](), list[Found](), list[str]()
    for name in names:
        for batch in [table["beside"].get(name.hint, [name.hint])] if name.hint else table["dimensions"]:
            asked = [(name.said, each) for each in batch]
            if missing := [each for each in asked if each not in done]:
                calls += [Call(table["tool"], {"dimension": each, "search": said}) for said, each in missing]
                break
            hits = [(each, _values(done[said, each], said)) for said, each in asked]
            # A dimension that has exactly this name comes before one that has longer names.
            hits.sort(key=lambda hit: [value.lower() for value in hit[1]] != [name.said.lower()])
            if best := next((hit for hit in hits if hit[1]), None):
                found.append(Found(name.said, best[0], best[1], name.value or "in"))
                break
        else:
            lost.append(name.said)
    return (calls, found, lost) if len(done) + len(calls) <= _MOST else ([], found, [name.said for name in names])


def _values(result: Call, said: str) -> list[str]:
    """The names that a look-up found; the one that is exactly as was said, where there is one."""
    values = list(dict.fromkeys(str(row["value"]) for row in result.rows if row.get("value") is not None))
    return [value for value in values if value.lower() == said.lower()] or values
