"""Long conversations, stored as their turns would have; and a model that keeps notes on facts."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from common.app import Services
from common.documents import Put, Write
from common.models.completion import ModelCall, Reply
from common.record import outbox
from common.tenant import OrgSlug, Tenant
from common.transcript.conversation import Conversation
from common.transcript.ids import new_id
from common.transcript.message import Message
from common.transcript.paths import conversation_path, message_path
from common.transcript.window import with_message
from common.turn.summarising import AGENT
from tests.conftest import PROJECT
from tests.fakes.clock import Clock
from tests.fakes.scripted_model import say

FACT = "FACT: our cost centre for GenAI is CC-4711"
_COMMIT = 100


class Talks(Protocol):
    """A product under test that shows a conversation's document."""

    def conversation(self, conversation_id: str) -> dict[str, Any]: ...


def message(number: int, at: datetime, text: str | None = None) -> Message:
    role, kind = ("user", "Question") if number % 2 == 0 else ("assistant", "Answer")
    content = text or f"{kind} {number}."
    return Message(f"m{number}", role, content, at, sequence=number)  # type: ignore[arg-type]


async def stored(
    services: Services,
    clock: Clock,
    count: int,
    said: dict[int, str],
    org: str = "acme_inc",
    user: str = "u1",
    *,
    recorded: bool = False,
) -> str:
    """A conversation of so many messages, of which some say something; its id. ``recorded`` are on their way there."""
    tenant = Tenant(OrgSlug(org), PROJECT, "organizations")
    began = clock() - timedelta(days=1)
    messages = [message(each, began + timedelta(seconds=each), said.get(each)) for each in range(count)]
    talk = Conversation(
        conversation_id=new_id(),
        user_id=user,
        title="Long",
        provider="demo",
        model_id="analyst-1",
        created_at=began,
        last_message_at=messages[-1].created_at,
        message_count=count,
        first_message_at=began,
    )
    for each in messages:
        talk = replace(talk, recent=with_message(talk.recent, each))
    writes: list[Write] = [Put(conversation_path(tenant, talk.conversation_id), talk.document())]
    writes += [Put(message_path(tenant, talk.conversation_id, each.message_id), each.document()) for each in messages]
    if recorded:
        names = (tenant, talk.conversation_id)
        writes += [outbox.message_entry(*names, each, each.created_at) for each in messages]
    for start in range(0, len(writes), _COMMIT):
        await services.documents.commit(writes[start : start + _COMMIT])
    return talk.conversation_id


def is_summary(call: ModelCall) -> bool:
    return call.agent_name == AGENT


def notes(call: ModelCall) -> str:
    """Notes as an honest model writes them: the facts of the notes so far and of the messages."""
    lines = [json.loads(line) for line in call.messages[1]["content"].splitlines()]
    facts = [
        each for line in lines for each in str(line.get("notes") or line.get("text")).splitlines() if "FACT" in each
    ]
    return "\n".join(facts) or "Nothing of note."


def noting(answer: Callable[[ModelCall], Reply] | None = None) -> Callable[[ModelCall], Reply]:
    """A step of a scripted model that answers, and takes notes where it is asked to."""

    def step(call: ModelCall) -> Reply:
        if is_summary(call):
            return say(notes(call))
        return answer(call) if answer else say("Answer.")

    return step


async def until(holds: Callable[[], bool]) -> None:
    """Wait for a state."""
    async with asyncio.timeout(120):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def summarised(product: Talks, conversation_id: str, through: int) -> None:
    """Wait until the summary stands for the messages up to this one."""
    await until(lambda: (product.conversation(conversation_id)["through_sequence"] or -1) >= through)
