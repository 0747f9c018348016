"""What the product stores, and how it finds it again, alike on both emulators."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from common.conversations.store import Answer, ConversationStore
from common.documents import Create, Delete, Document, DocumentConflict, Documents, Patch, Put, Sort, Where
from common.errors import ConversationBusy, ConversationNotFound
from common.tenant import OrgSlug, Principal, Tenant, UserId
from common.transcript.conversation import Conversation, conversation_of
from common.transcript.message import Message, message_of
from common.transcript.paths import conversation_path, messages_path, purge_path
from tests.contract.firestore.conftest import PROJECT

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
async def documents(host: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Documents]:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", host)
    documents = Documents(PROJECT)
    yield documents
    await documents.close()


@pytest.fixture
def caller() -> Principal:
    """A caller of an organisation that no other test uses."""
    tenant = Tenant(OrgSlug(f"org_{uuid.uuid4().hex[:16]}"), PROJECT, "organizations")
    return Principal(tenant, UserId("u1"), "key-1")


def conversation(caller: Principal, name: str = "c1") -> Conversation:
    return Conversation(name, caller.user_id, "title", "demo", "analyst-1", NOW, NOW)


def question(name: str, at: datetime = NOW) -> Message:
    return Message(name, "user", f"text of {name}", at)


def answer(name: str, at: datetime = NOW) -> Answer:
    return Answer(Message(name, "assistant", f"text of {name}", at), "CostAnalyst", ())


async def read(documents: Documents, path: str) -> Document | None:
    return (await documents.get_all([path]))[path]


async def messages(documents: Documents, caller: Principal, name: str = "c1") -> list[Message]:
    found = await documents.query(messages_path(caller.tenant, name), order=(Sort("sequence"),), limit=100)
    return [message_of(document) for document in found]


async def outbox(documents: Documents, caller: Principal) -> list[str]:
    where = (Where("org_slug", "==", caller.org_slug),)
    return sorted(document.data["table"] for document in await documents.query("outbox", where=where, limit=100))


async def test_a_turn_is_stored_in_order_with_its_outbox(documents: Documents, caller: Principal) -> None:
    store = ConversationStore(documents)
    begun = await store.begin(caller, conversation(caller), question("q1"), "holder")
    # The answer's clock is a minute behind; the order of the two stays.
    await store.finish(caller, begun, answer("a1", NOW - timedelta(minutes=1)))
    said = await messages(documents, caller)
    assert [(one.message_id, one.sequence) for one in said] == [("q1", 0), ("a1", 1)]
    assert said[0].created_at < said[1].created_at
    document = await read(documents, conversation_path(caller.tenant, "c1"))
    assert document is not None
    after = conversation_of(document)
    assert (after.message_count, after.lease, after.last_agent) == (2, None, "CostAnalyst")
    assert [entry["message_id"] for entry in after.recent] == ["q1", "a1"]
    assert await outbox(documents, caller) == ["org_chat_conversations", "org_chat_messages", "org_chat_messages"]


async def test_one_of_many_turns_gets_the_lease(documents: Documents, caller: Principal) -> None:
    store = ConversationStore(documents)
    asked = [store.begin(caller, conversation(caller), question(f"q{index}"), f"holder {index}") for index in range(5)]
    ended = await asyncio.gather(*asked, return_exceptions=True)
    assert sum(isinstance(one, ConversationBusy) for one in ended) == 4
    assert len(await messages(documents, caller)) == 1


async def test_a_rename_during_a_turn_and_the_turn_both_count(documents: Documents, caller: Principal) -> None:
    store = ConversationStore(documents)
    begun = await store.begin(caller, conversation(caller), question("q1"), "holder")
    await store.rename(caller, begun, "another title", NOW)
    await store.finish(caller, begun, answer("a1"))
    document = await read(documents, conversation_path(caller.tenant, "c1"))
    assert document is not None
    after = conversation_of(document)
    assert (after.title, after.message_count) == ("another title", 2)
    assert after.changed_at > begun.changed_at


async def test_a_delete_during_a_turn_ends_it(documents: Documents, caller: Principal) -> None:
    store = ConversationStore(documents)
    begun = await store.begin(caller, conversation(caller), question("q1"), "holder")
    await store.delete(caller, begun, NOW)
    with pytest.raises(ConversationNotFound):
        await store.finish(caller, begun, answer("a1"))
    with pytest.raises(ConversationNotFound):
        await store.rename(caller, begun, "too late", NOW)
    with pytest.raises(ConversationNotFound):
        await store.begin(caller, begun, question("q2"), "holder")
    assert await read(documents, purge_path(caller.tenant, "c1")) is not None


async def test_an_expiry_set_between_read_and_commit_does_not_make_a_turn_busy(
    documents: Documents, caller: Principal
) -> None:
    store = ConversationStore(documents)
    begun = await store.begin(caller, conversation(caller), question("q1"), "holder")
    await store.finish(caller, begun, answer("a1"))
    path = conversation_path(caller.tenant, "c1")
    document = await read(documents, path)
    assert document is not None
    stale = conversation_of(document)
    await documents.commit([Patch(path, {"expire_at": NOW})])
    again = await store.begin(caller, stale, question("q2"), "holder 2")
    assert again.message_count == 3
    other = replace(stale, version=stale.version)
    with pytest.raises(ConversationBusy):
        await store.begin(caller, other, question("q3"), "holder 3")


async def test_pages_go_on_behind_equal_values(documents: Documents, caller: Principal) -> None:
    collection = f"orgs/{caller.org_slug}/conversations"
    await documents.commit(
        [Put(f"{collection}/c{index}", {"at": index // 3, "user": "u1", "more": "x"}) for index in range(10)]
    )
    order = (Sort("at", descending=True), Sort("__name__", descending=True))
    found: list[str] = []
    after: tuple[object, ...] | None = None
    while True:
        where = (Where("user", "==", "u1"),)
        page = await documents.query(collection, where=where, order=order, after=after, fields=("at",), limit=4)
        assert all(document.data.keys() == {"at"} for document in page)
        found += [document.path.rsplit("/", 1)[1] for document in page]
        if len(page) < 4:
            break
        after = (page[-1].data["at"], found[-1])
    assert found == [f"c{index}" for index in range(9, -1, -1)]


async def test_documents_are_counted_and_read_in_part(documents: Documents, caller: Principal) -> None:
    collection = f"orgs/{caller.org_slug}/things"
    await documents.commit([Put(f"{collection}/t{index}", {"n": index, "text": "long"}) for index in range(5)])
    assert await documents.count(collection) == 5
    assert await documents.count(collection, (Where("n", ">", 2),)) == 2
    found = await documents.get_all([f"{collection}/t1", f"{collection}/none"], fields=["n"])
    assert [document.data if document else None for document in found.values()] == [{"n": 1}, None]


async def test_what_changed_since_it_was_read_is_neither_removed_nor_changed(
    documents: Documents, caller: Principal
) -> None:
    path = f"orgs/{caller.org_slug}/things/one"
    (first,) = await documents.commit([Create(path, {"n": 1})])
    (second,) = await documents.commit([Patch(path, {"n": 2}, first)])
    for write in (Delete(path, first), Patch(path, {"n": 3}, first), Create(path, {"n": 4})):
        with pytest.raises(DocumentConflict):
            await documents.commit([write])
    assert (await read(documents, path)).data == {"n": 2}  # type: ignore[union-attr]
    await documents.commit([Delete(path, second)])
    with pytest.raises(DocumentConflict):
        await documents.commit([Delete(path, second)])
    await documents.commit([Delete(path)])
