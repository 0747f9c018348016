"""Answers that are given again without a model: to the very same question, of the same data, documents and rules.

It is never by similarity: "top 5" and "top 10" mean nearly the same, and have other answers. The key has everything
that an answer depends on, so what changes any of it finds nothing. Only the first message of a conversation is looked
up, only where the organisation has switched it on, and only an answer from the organisation's own data and documents
is kept: the rows of shared tables change at any time.
"""

import asyncio
import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from common.agents.consulting import CONSULT
from common.agents.events import ToolFinished
from common.documents import Data, Put, Sort
from common.errors import DocumentsUnavailable, WarehouseUnavailable
from common.knowledge.paths import documents_path
from common.tenant import Tenant
from common.transcript.message import Message
from common.transcript.paths import cached_answer_path
from common.turn.briefing import offer_of
from common.turn.cached_answer import CachedAnswer
from common.turn.prepared import PreparedTurn, TurnServices

# The tables that the platform loads, and whose answers are kept until the next load.
_LOADED = ("cost_data_standard_1_3", "genai_usage_daily_unified")
_TABLE = re.compile(r"`[^`]*\.([^`.]+)\.([^`.]+)`")
_KNOWLEDGE = "knowledge"
_MOST_CHARS = 250_000


async def look_up(services: TurnServices, prepared: PreparedTurn) -> PreparedTurn:
    """The turn with the place of its answer in the cache, and with the answer that is there, if there is one."""
    if not _may_be_cached(prepared):
        return prepared
    try:
        path = await _path(services, prepared)
        document = (await services.documents.get_all([path]))[path]
    except (DocumentsUnavailable, WarehouseUnavailable):
        # It is asked as if nothing were kept.
        return prepared
    found = None if document is None else _read(document.data, prepared.now)
    return replace(prepared, cache_path=path, cached=found)


def keep(prepared: PreparedTurn, answer: Message, tools: Iterable[ToolFinished], now: datetime) -> list[Put]:
    """Keep an answer for the time that the organisation has set, where it may be given again."""
    seconds = prepared.settings.answer_cache_seconds
    plain = answer.finish == "stop" and answer.fallback_from is None and not answer.unverified_figures
    if prepared.cache_path is None or prepared.cached is not None or not seconds or not plain or not answer.content:
        return []
    calls = tuple(tools)
    if not calls or not all(_stays_true(call, prepared.principal.tenant) for call in calls):
        return []
    data: Data = {
        "agent_name": answer.agent_name or "",
        "content": answer.content,
        "tools": json.dumps([_written(call) for call in calls], ensure_ascii=False),
        "cached_at": now,
        "expire_at": now + timedelta(seconds=seconds),
    }
    return [Put(prepared.cache_path, data)] if len(data["tools"]) + len(answer.content) <= _MOST_CHARS else []


def _may_be_cached(prepared: PreparedTurn) -> bool:
    """Return true for the first message of a conversation, from a client that adds nothing to it."""
    features = prepared.features
    adds = features.tools or features.context or features.note or features.said_before
    begins = prepared.conversation.message_count == 0 and not prepared.resumed and prepared.pending is None
    return bool(prepared.settings.answer_cache_seconds) and begins and not adds


async def _path(services: TurnServices, prepared: PreparedTurn) -> str:
    """The path of the answer: a digest of all that it depends on. Raises Documents- and WarehouseUnavailable."""
    tenant = prepared.principal.tenant
    warehouse = services.tool_resources["warehouse"]
    loads, documents, count = await asyncio.gather(
        asyncio.gather(*(warehouse.table(tenant, name) for name in _LOADED)),
        services.documents.query(documents_path(tenant), order=(Sort("changed_at", descending=True),), limit=1),
        services.documents.count(documents_path(tenant)),
    )
    said = [
        tenant.org_slug,
        prepared.principal.role,
        sorted(prepared.principal.scopes),
        services.settings.service_version,
        _rules(services, prepared),
        _answering(prepared),
        _normalised(prepared.question.content),
        prepared.now.date().isoformat(),
        _local_day(prepared),
        [str(each and each.modified) for each in loads],
        [count, *(str(each.data.get("changed_at")) for each in documents)],
    ]
    digest = hashlib.sha256(json.dumps(said, ensure_ascii=False).encode(errors="replace")).hexdigest()
    return cached_answer_path(tenant, digest)


def _local_day(prepared: PreparedTurn) -> str:
    """The day where the organisation is; empty where its zone is none."""
    try:
        zone = ZoneInfo(prepared.organization.profile.calendar.zone)
    except (ZoneInfoNotFoundError, ValueError):
        return ""
    return prepared.now.astimezone(zone).date().isoformat()


def _rules(services: TurnServices, prepared: PreparedTurn) -> list[Any]:
    """The prompts of the agents, and the tools that they have."""
    offer, settings = offer_of(services, prepared), prepared.settings
    agents = [[each.name, each.description, each.prompt, each.tools] for each in offer.roster.agents.values()]
    profile = repr(prepared.organization.profile) if settings.include_org_context else ""
    return [agents, [each.schema() for each in offer.registry.tools], profile, settings.system_prompt_extra]


def _answering(prepared: PreparedTurn) -> list[Any]:
    """The models that answer, and their settings."""
    settings, fast = prepared.settings, prepared.fast_model
    model = (prepared.model.provider, prepared.model.model_id, fast and fast.model_id)
    return [*model, settings.temperature, settings.max_tokens, settings.calls_tools]


def _normalised(question: str) -> str:
    """The question without differences of form alone: composed characters, and the width of spaces."""
    return " ".join(unicodedata.normalize("NFC", question).split())


def _stays_true(call: ToolFinished, tenant: Tenant) -> bool:
    """Return true for a result that changes only with the organisation's data or documents, and is not kept already."""
    if not call.succeeded or call.result.get("cached"):
        return False
    if call.tool_name == CONSULT or call.result.get("service") == _KNOWLEDGE:
        return True
    read = _TABLE.findall(str(call.result.get("sql", "")))
    return bool(read) and all(dataset == tenant.dataset and name in _LOADED for dataset, name in read)


def _written(call: ToolFinished) -> Data:
    return {name: getattr(call, name) for name in ToolFinished.__dataclass_fields__}


def _read(data: Data, now: datetime) -> CachedAnswer | None:
    """The answer of a document; None of one that is over, and waits to be deleted."""
    if data["expire_at"] <= now:
        return None
    tools = tuple(ToolFinished(**each) for each in json.loads(data["tools"]))
    return CachedAnswer(data["agent_name"], data["content"], tools, data["cached_at"])
