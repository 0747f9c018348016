"""A deployment plan as a file: Markdown to read, or the values to begin with for helm."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from local.terminal.neutral import neutral_line
from local.terminal.plan_card import budget_line, cost_lines, plan_of

Row = Mapping[str, Any]
_SPECIAL = re.compile(r"([\\`*_|\[\]<>])")


def plan_text(result: Row | None, path: Path) -> str | None:
    """The plan of a result for a file of this name: Markdown for .md, values for .yaml. None for any other result.

    Raises ValueError for another ending.
    """
    plan = plan_of(result)
    if path.suffix not in (".md", ".yaml", ".yml"):
        raise ValueError(path.suffix)
    if plan is None:
        return None
    if path.suffix != ".md":
        return str(plan["values_yaml"])
    return "\n\n".join(_parts(plan, (result or {}).get("rows") or [])) + "\n"


def _parts(plan: Row, machines: Sequence[Row]) -> Iterator[str]:
    yield f"# {_literal(plan['understanding'])}"
    yield f"Plan {_literal(plan['plan_id'])}, prices of {_literal(plan['catalog']['oldest_price'])} or later."
    yield from _list("Assumptions", _bullets(plan["assumptions"]))
    yield from _list("Cost", _bullets([*cost_lines(plan)]))
    yield from _table(
        "Machines", ("Machine", "GPU", "List price a month", "Own price a month"), map(_machine, machines)
    )
    models = ((row["model_id"], row["license"] or "not known", f"{row['need_gib']} GiB") for row in plan["models"])
    yield from _table("Models", ("Model", "Licence", "Memory"), models)
    if plan["models_note"]:
        yield _literal(plan["models_note"])
    charts = ((each["chart"], each["version"] or "the newest", each["repository"]) for each in plan["kubernetes"])
    yield from _table("Kubernetes", ("Chart", "Version", "From"), charts)
    steps = (f"`{neutral_line(each)}`" if each.startswith("helm ") else _literal(each) for each in plan["steps"])
    yield from _list("Steps", [f"{number}. {each}" for number, each in enumerate(steps, start=1)])
    yield from _list("Budgets", _bullets([budget_line(each) for each in plan["organization"].get("budgets", ())]))
    for heading, name in (("Trade-offs", "tradeoffs"), ("Warnings", "warnings")):
        yield from _list(heading, _bullets(plan[name]))


def _machine(row: Row) -> tuple[str, ...]:
    cards = f"{row['gpu_count']:g} x {row['gpu_name']}" if row["gpu_name"] else "–"
    prices = (f"{row['currency']} {row[name]:,.2f}" for name in ("list_monthly", "own_monthly"))
    return (f"{row['provider']} {row['instance_type']} in {row['region']}", cards, *prices)


def _table(heading: str, columns: Sequence[str], rows: Any) -> Iterator[str]:
    lines = [f"| {' | '.join(_literal(each) for each in row)} |" for row in rows]
    if lines:
        head = [f"| {' | '.join(columns)} |", f"|{' --- |' * len(columns)}"]
        yield f"## {heading}"
        yield "\n".join([*head, *lines])


def _list(heading: str, lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield f"## {heading}"
        yield "\n".join(lines)


def _bullets(lines: Sequence[str]) -> list[str]:
    return [f"- {_literal(each)}" for each in lines]


def _literal(text: object) -> str:
    """Text of others as text: nothing of it is Markdown."""
    return _SPECIAL.sub(r"\\\1", neutral_line(text))
