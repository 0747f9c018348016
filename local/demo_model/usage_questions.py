"""What a message wants of the usage tools: tokens, quotas, the largest consumers, pipeline runs."""

import re
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from common import limits
from local.demo_model import vocabulary as words
from local.demo_model.formatting import both
from local.demo_model.questions import FOLLOW_UP
from local.demo_model.routing import says_cost
from local.demo_model.tasks import USAGE, Reading, Task, read, unreadable


def _words(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w-])(?:{pattern})(?![\w-])")


_QUOTA = _words(
    r"quotas?|limits?|allowances?|(?:runs?|pipelines?) (?:\w+ )?(?:left|remaining)|remaining (?:\w+ )?runs?|"
    r"(?:can|may) (?:we|i) still run|still (?:be )?run"
)
_PIPELINE = _words(
    r"pipelines?|ingestions?|(?:failed|latest|recent|successful|last|running|pending) runs?|runs? (?:failed|of)|runs?"
)
_CONSUMERS = _words(r"consumers?|consum(?:e|es|ing)|power users")
_IT = _words(r"it|that|this|they|those|these|them")
_GENAI = _words(r"gen(?:erative)?[ -]?ai|ai|llms?|tokens?")
_TOKENS = _words(r"tokens?|requests?|api calls?")
_STATUSES = (
    ("failed", _words(r"fail(?:ed|s|ing|ures?)?|broken|broke|errors?|unsuccessful")),
    ("running", _words(r"running|in progress")),
    ("pending", _words(r"pending|queued|waiting")),
    ("completed", _words(r"completed?|successful(?:ly)?|succeeded|finished|succeed")),
    ("cancelled", _words(r"cancell?ed|aborted")),
)
_ONE_RUN = _words(r"(?:last|latest|newest|most recent) (?:\S+ ){0,2}run")
_SAAS = _words(r"saas")
_EVERY = _words(r"all(?: of them)?|any status|every status")
_GROUPS = ("model", "provider", "team", "day", "week", "month")
_RANKED = ("model", "service", "provider", "team")
_OWN = _words(
    r"tokens?|requests?|usage|use[ds]?|using|consum(?:e[sd]?|ers?|ing|ption)|pipelines?|runs?|ran|million|api|calls?|"
    r"gen(?:erative)?[ -]?ai|ai|llms?|input|output|cached|ones|quotas?"
)


@dataclass(frozen=True, slots=True)
class _Parts:
    """What a message about usage names, taken out of its reading."""

    reading: Reading
    dimensions: tuple[str, ...]
    providers: tuple[str, ...]
    model: str | None
    status: str | None
    limit: int | None
    trend: bool
    everything: bool


def read_usage(text: str, today: date) -> tuple[Task, ...]:
    """The task of a message about usage."""
    parts = _parts(read(text, today))
    return (_task(parts, _tool(parts)),)


def continued_usage(known: Task, text: str, today: date) -> tuple[Task, ...]:
    """The known task with what a follow-up changes; empty where the text is no follow-up of it."""
    reading = read(text, today, known.periods[0] if known.periods else None)
    if known.ask:
        return ()
    if says_cost(reading.plain):
        # "How much did it cost?" is in the same result.
        has_cost = known.tool in ("genai_usage", "top_consumers")
        return (known,) if has_cost and len(text.split()) < 8 and reading.says(_IT) else ()
    parts = _parts(reading)
    names_tool = any(reading.says(pattern) for pattern in (_QUOTA, _PIPELINE, _CONSUMERS, _TOKENS))
    tool = _tool(parts) if names_tool else known.tool
    new = _task(parts, tool)
    said = _said(parts, new)
    if not (said or new.periods or parts.everything or tool != known.tool):
        return ()
    if not FOLLOW_UP.match(reading.plain) and _is_unexplained(reading):
        return ()
    periods = new.periods or known.periods
    if tool != known.tool:
        return (replace(new, periods=periods),)
    dropped = {"provider", "model", "status"} if parts.everything else set()
    dropped |= {"model"} if "provider" in said else set()
    inherited = {name: value for name, value in known.arguments.items() if name not in dropped}
    return (replace(new, arguments={**inherited, **said}, periods=periods),)


def _parts(reading: Reading) -> _Parts:
    rest = reading.rest
    limit = reading.limit()
    everything = rest.take(words.ALL_PROVIDERS) or rest.take(_EVERY)
    model = words.MODEL_ID.search(rest.plain)
    dimensions: tuple[str, ...] = rest.dimensions()
    providers = tuple(rest.names(words.PROVIDERS))
    status = next((name for name, pattern in _STATUSES if rest.take(pattern)), None)
    trend = rest.take(words.TREND)
    return _Parts(reading, dimensions, providers, model[0] if model else None, status, limit, trend, everything)


def _tool(parts: _Parts) -> str:
    reading = parts.reading
    if reading.says(_QUOTA):
        return "quota_status"
    tokens = reading.says(_TOKENS)
    if reading.says(_PIPELINE) and not tokens:
        return "pipeline_runs"
    ranks = reading.says(_CONSUMERS) and not tokens
    return "top_consumers" if ranks or "service" in parts.dimensions else "genai_usage"


def _task(parts: _Parts, tool: str) -> Task:
    arguments: dict[str, Any] = {}
    if tool == "genai_usage":
        arguments = _genai(parts)
    elif tool == "top_consumers":
        arguments = {"dimension": _first(parts, _RANKED) or ("model" if parts.reading.says(_GENAI) else "service")}
        arguments |= {"limit": parts.limit} if parts.limit else {}
    elif tool == "pipeline_runs":
        arguments = _runs(parts)
    ask = "" if tool == "quota_status" else unreadable(parts.reading)
    note = _not_applied(parts, tool, arguments)
    return Task(parts.reading.text, USAGE, tool, arguments, parts.reading.periods, ask=ask, note=note)


def _not_applied(parts: _Parts, tool: str, arguments: dict[str, Any]) -> str:
    """What was named and the tool cannot be narrowed to."""
    if tool == "quota_status" and any(period.end < parts.reading.today for period in parts.reading.periods):
        return "Quotas are those of now: what was used of them in days gone by is not kept."
    if tool in ("top_consumers", "pipeline_runs") and parts.providers and "provider" not in arguments:
        return f"This covers all providers: it cannot be narrowed to {both(parts.providers)}."
    return ""


def _said(parts: _Parts, task: Task) -> dict[str, Any]:
    """The arguments that the words name, without those that are only supposed."""
    supposed = set()
    if not _first(parts, _GROUPS) and not parts.trend and len(parts.providers) < 2:
        supposed.add("group_by")
    if not _first(parts, _RANKED):
        supposed.add("dimension")
    return {name: value for name, value in task.arguments.items() if name not in supposed}


def _first(parts: _Parts, known: tuple[str, ...]) -> str | None:
    return next((name for name in parts.dimensions if name in known), None)


def _genai(parts: _Parts) -> dict[str, Any]:
    group = _first(parts, _GROUPS) or ("provider" if len(parts.providers) > 1 else "model")
    if parts.trend and group == "model":
        days = sum(period.days for period in parts.reading.periods) or 30
        group = "day" if days <= 31 else "week" if days <= 100 else "month"
    provider = {"provider": parts.providers[0]} if len(parts.providers) == 1 else {}
    model = {"model": parts.model} if parts.model else {}
    return {"group_by": group, **provider, **model}


def _runs(parts: _Parts) -> dict[str, Any]:
    reading = parts.reading
    provider = parts.providers[0] if len(parts.providers) == 1 else "saas" if reading.says(_SAAS) else None
    limit = parts.limit or (1 if reading.says(_ONE_RUN) else None)
    if reading.periods:
        # The tool takes no days: as many runs as it gives, so that those of the days are among them.
        limit = limits.MAX_PIPELINE_RUNS
    wanted = {"provider": provider, "status": parts.status, "limit": limit}
    return {name: value for name, value in wanted.items() if value is not None}


def _is_unexplained(reading: Reading) -> bool:
    reading.rest.take(_OWN)
    return bool(reading.rest.unknown())
