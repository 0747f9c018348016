"""A branch of a conversation: a new one that begins with what was said before a message. The old one stays."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from common import limits
from common.conversations.bodies import Fork
from common.conversations.conversations import summary
from common.conversations.lookup import ConversationLookup, Found
from common.conversations.messages import MAX_BYTES_PER_COMMIT, Messages
from common.documents import Create, Delete, Documents, Put, Write
from common.errors import NotFound, Unprocessable
from common.identity.authenticate import Credentials
from common.record import outbox
from common.tenant import Principal, Tenant
from common.transcript.conversation import Conversation
from common.transcript.ids import new_id
from common.transcript.message import Message, bytes_of
from common.transcript.paths import conversation_path, message_path, purge_path
from common.transcript.window import with_message

_WRITES_PER_MESSAGE = 2
# A copy that was never completed is purged no sooner, as if it had been deleted then.
_COMPLETED_WITHIN = timedelta(days=1)
_NOTHING_BEFORE = "Nothing was said before this message. Ask in a new conversation instead."
_NO_MESSAGE = "There is no such message in this conversation."
_TOO_LONG = f"This is too long for a branch: at most {limits.MAX_FORK_MESSAGES} messages are copied."


class Forks:
    """Copies a caller's own conversation, message by message, into a new one of the same caller."""

    def __init__(
        self, lookup: ConversationLookup, messages: Messages, documents: Documents, clock: Callable[[], datetime]
    ) -> None:
        self._lookup = lookup
        self._messages = messages
        self._documents = documents
        self._clock = clock

    async def add(self, credentials: Credentials, conversation_id: str, body: Fork) -> dict[str, Any]:
        """Add a branch and answer with it. Raises ConversationNotFound, NotFound or Unprocessable."""
        found = await self._lookup.find(credentials, conversation_id)
        copied = [_copy(message, index) for index, message in enumerate(await self._before(found, body))]
        branch = self._branch(found.conversation, found.principal, copied, body.title)
        await self._store(found.principal.tenant, branch, copied)
        return {**summary(branch), "status": "forked", "forked_from": conversation_id}

    async def _before(self, found: Found, body: Fork) -> list[Message]:
        """The messages before the named one, or all of them."""
        before: list[Message] = []
        async for page in self._messages.pages(found):
            ids = [message.message_id for message in page]
            ends = body.before_message_id in ids
            before += page[: ids.index(str(body.before_message_id))] if ends else page
            if len(before) > limits.MAX_FORK_MESSAGES:
                raise Unprocessable(_TOO_LONG)
            if ends:
                break
        else:
            if body.before_message_id is not None:
                raise NotFound(_NO_MESSAGE)
        if not before:
            raise Unprocessable(_NOTHING_BEFORE)
        return before

    def _branch(
        self, old: Conversation, principal: Principal, copied: Sequence[Message], title: str | None
    ) -> Conversation:
        now = max(self._clock(), copied[-1].created_at)
        branch = Conversation(
            conversation_id=new_id(),
            user_id=principal.user_id,
            title=title or f"{old.title[: limits.NEW_TITLE_CHARS - 9]} (branch)",
            provider=old.provider,
            model_id=old.model_id,
            created_at=now,
            last_message_at=now,
            first_message_at=min(message.created_at for message in copied),
            message_count=len(copied),
            last_agent=next((each.agent_name for each in reversed(copied) if each.agent_name), None),
        )
        for message in copied:
            branch = replace(branch, recent=with_message(branch.recent, message))
        # A summary that also tells of what the branch leaves out is none of its own.
        if old.summarised <= len(copied):
            branch = replace(branch, summary=old.summary, through_sequence=old.through_sequence)
        return branch

    async def _store(self, tenant: Tenant, branch: Conversation, copied: Sequence[Message]) -> None:
        """Store the messages, then the conversation that makes them visible.

        A note to purge it stands meanwhile, so that nothing is left of a copy that stopped half-way.
        """
        unfinished = purge_path(tenant, branch.conversation_id)
        due = branch.created_at + _COMPLETED_WITHIN
        note = {"org_slug": tenant.org_slug, "conversation_id": branch.conversation_id, "deleted_at": due}
        await self._documents.commit([Put(unfinished, note)])
        for part in _parts(copied):
            await self._documents.commit([write for message in part for write in _writes(tenant, branch, message)])
        path = conversation_path(tenant, branch.conversation_id)
        entry = outbox.conversation_entry(tenant, branch, branch.created_at)
        await self._documents.commit([Create(path, branch.document()), entry, Delete(unfinished)])


def _copy(message: Message, sequence: int) -> Message:
    """The message as it was said, under an id of its own; it took no tokens again, and nobody has rated it."""
    return replace(
        message, message_id=new_id(), sequence=sequence, input_tokens=None, output_tokens=None, feedback=None
    )


def _writes(tenant: Tenant, branch: Conversation, message: Message) -> list[Write]:
    path = message_path(tenant, branch.conversation_id, message.message_id)
    entry = outbox.message_entry(tenant, branch.conversation_id, message, branch.created_at)
    return [Create(path, message.document()), entry]


def _parts(messages: Sequence[Message]) -> Iterator[list[Message]]:
    """The messages in parts that one commit takes."""
    part: list[Message] = []
    size = 0
    for message in messages:
        size += _WRITES_PER_MESSAGE * bytes_of(message)
        if part and (size > MAX_BYTES_PER_COMMIT or len(part) >= limits.MAX_WRITES_PER_COMMIT // _WRITES_PER_MESSAGE):
            yield part
            part, size = [], _WRITES_PER_MESSAGE * bytes_of(message)
        part.append(message)
    if part:
        yield part
