"""Whatever is said and done in a turn, its documents stay within the limits of the real Firestore."""

import json
import re
import uuid
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from google.api_core.exceptions import InvalidArgument
from google.cloud import firestore
from google.cloud.firestore_v1 import _helpers, types

from common import limits
from common.agents.bounds import Bounds
from common.agents.checkpoint import Checkpoint
from common.agents.events import ToolFinished
from common.agents.exchange import asking
from common.agents.pausing import Paused, Waiting
from common.conversations.kept_steps import KeptSteps, kept_of
from common.conversations.paused_turn import Pending, pending_of
from common.conversations.store import Answer, ConversationStore
from common.documents import Documents, Put, Write
from common.models.completion import Reply, ToolCall, Usage
from common.record import outbox
from common.tenant import OrgSlug, Principal, Tenant, UserId
from common.transcript.conversation import Conversation, conversation_of, title_of
from common.transcript.message import Message, message_of, tool_calls_json, tool_results_json
from common.transcript.paths import conversation_path, message_path, pending_path
from local.emulators.firestore.values import document_size
from tests.contract.firestore.conftest import PROJECT

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TERRAFORM = Path(__file__).parents[3] / "terraform" / "firestore.tf"
MOST_BYTES, MOST_INDEXED, MOST_WRITES = 1_048_576, 1_500, 500
# One, two, three and four bytes a character, and characters that JSON writes as six.
ALPHABETS = {"ascii": "a", "umlauts": "ü", "han": "語", "emoji": "😀", "controls": "\x01", "quotes": '"'}


def unindexed() -> dict[str, set[str]]:
    """The fields that no index is kept of, by collection, as they are deployed."""
    text = TERRAFORM.read_text(encoding="utf-8")
    block = text.split("unindexed = {", 1)[1].split("}", 1)[0]
    return {name: set(re.findall(r'"(\w+)"', fields)) for name, fields in re.findall(r"(\w+)\s*=\s*\[(.*?)\]", block)}


EXEMPT = unindexed()


class Watched(Documents):
    """Documents that keep what was committed."""

    commits: list[list[Write]]

    async def commit(self, writes: Any) -> Any:
        self.commits.append(list(writes))
        return await super().commit(writes)


@pytest.fixture
async def documents(host: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Watched]:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", host)
    documents = Watched(PROJECT)
    documents.commits = []
    yield documents
    await documents.close()


@pytest.fixture
def caller() -> Principal:
    tenant = Tenant(OrgSlug(f"org_{uuid.uuid4().hex}"), PROJECT, "organizations")
    return Principal(tenant, UserId("u" * limits.MAX_USER_ID_CHARS), "key-1")


def texts(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for each in value.values():
                yield from texts(each)
        case list():
            for each in value:
                yield from texts(each)


def check(client: firestore.Client, commits: list[list[Write]]) -> int:
    """Hold every committed document, as it is stored, against the limits; return how many there were."""
    paths = set()
    for writes in commits:
        assert len(writes) <= MOST_WRITES
        paths |= {write.path for write in writes}
    for path in paths:
        data = client.document(path).get().to_dict() or {}
        collection, name = path.split("/")[-2:]
        assert len(name.encode()) <= MOST_INDEXED
        assert size_of(path, data) <= MOST_BYTES
        for field, value in data.items():
            if field not in EXEMPT.get(collection, set()):
                assert all(len(text.encode()) <= MOST_INDEXED for text in texts(value)), (path, field)
    return len(paths)


def size_of(path: str, data: dict[str, Any]) -> int:
    """The bytes that a document is charged."""
    name = f"projects/{PROJECT}/databases/(default)/documents/{path}"
    return document_size(types.Document(name=name, fields=_helpers.encode_dict(data))._pb)


def calls(count: int, text: str) -> tuple[ToolFinished, ...]:
    found: dict[str, Any] = {"rows": [{"n": text}] * 50, "summary": {"total": text}, "truncated": False}
    failed: dict[str, Any] = {"error": {"code": "invalid_arguments", "message": text}}
    return tuple(
        ToolFinished(
            f"call {index} {text[:200]}", "CostAnalyst", text, "costs", text, found if index % 2 else failed, 1
        )
        for index in range(count)
    )


LONG = [(letter, *size) for size in ((600_000, 3), (1_100_000, 0)) for letter in ALPHABETS.values()]
MANY = [("a", 2_000, 520), ("😀", 20_000, 120)]


@pytest.mark.parametrize(("letter", "length", "count"), [*LONG, *MANY])
async def test_a_turn_of_any_length_is_stored_within_the_limits(
    documents: Watched, client: firestore.Client, caller: Principal, letter: str, length: int, count: int
) -> None:
    store, text = ConversationStore(documents), letter * length
    title = title_of(letter * limits.MAX_MESSAGE_CHARS)
    name = "c" * limits.MAX_ID_CHARS
    conversation = Conversation(name, caller.user_id, title, "demo", "m" * limits.MODEL_ID_CHARS, NOW, NOW)
    for turn in range(2):
        asked = Message(f"q{turn}", "user", letter * limits.MAX_MESSAGE_CHARS, NOW)
        begun = await store.begin(caller, conversation, asked, f"holder {turn}")
        tools = calls(count, text)
        message = Message(
            message_id=f"a{turn}",
            role="assistant",
            content=text,
            created_at=NOW,
            tool_calls_json=tool_calls_json(tools),
            tool_results_json=tool_results_json(tools),
        )
        await store.finish(caller, begun, Answer(message, "CostAnalyst", tools))
        read = (await documents.get_all([conversation_path(caller.tenant, name)])).popitem()[1]
        assert read is not None
        conversation = conversation_of(read)
    said = {
        "rating": "up",
        "reason": letter * limits.FEEDBACK_REASON_CHARS,
        "comment": letter * limits.FEEDBACK_COMMENT_CHARS,
        "updated_at": NOW,
    }
    path = message_path(caller.tenant, name, "a1")
    held = (await documents.get_all([path]))[path]
    assert held is not None
    await documents.commit(
        [outbox.feedback_entry(caller, name, message_of(held), said), Put(path, held.data | {"feedback": said})]
    )
    # The conversation and its entry; two messages a turn and their entries; the calls of both; the opinion.
    assert check(client, documents.commits) == 2 + 8 + 2 * count + 1


@pytest.mark.parametrize("letter", ALPHABETS.values(), ids=ALPHABETS)
@pytest.mark.parametrize(("length", "fits"), [(100, True), (18_000, True), (400_000, False)])
async def test_what_waits_for_a_client_is_kept_where_it_fits(
    documents: Watched, client: firestore.Client, caller: Principal, letter: str, length: int, fits: bool
) -> None:
    waiting = Waiting("w1", "client", ToolCall("call_0", "pick", json.dumps({"text": letter * length})))
    asked = [ToolCall(f"call_{index}", "query", json.dumps({"text": letter * length})) for index in range(16)]
    exchange: list[dict[str, Any]] = [
        {
            "role": "assistant",
            "content": letter * 300_000,
            "tool_calls": [
                {"id": call.call_id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
                for call in (waiting.call, *asked[1:])
            ],
        },
        *[
            {"role": "tool", "tool_call_id": call.call_id, "content": json.dumps({"rows": [letter * 60_000]})}
            for call in asked[1:]
        ],
    ]
    question = letter * limits.MAX_MESSAGE_CHARS
    pending = Pending("q1", question, ("a1",), 2, Paused(tuple(exchange), (waiting,), 16))
    write = pending.write(caller.tenant, "c1", NOW)
    if write is None:
        assert not fits
        return
    await documents.commit([write])
    assert check(client, documents.commits) == 1
    path = pending_path(caller.tenant, "c1")
    read = (await documents.get_all([path]))[path]
    assert read is not None
    kept = pending_of(read)
    assert (kept.question, kept.paused.waiting) == (question, (waiting,))
    assert [message["role"] for message in kept.paused.exchange] == [message["role"] for message in exchange]


@pytest.mark.parametrize("letter", ALPHABETS.values(), ids=ALPHABETS)
@pytest.mark.parametrize(("length", "fits"), [(100, True), (2_000, True), (60_000, False)])
async def test_the_steps_of_an_answer_are_kept_where_they_fit(
    documents: Watched, client: firestore.Client, caller: Principal, letter: str, length: int, fits: bool
) -> None:
    tools, text, bounds = calls(16, letter * length), letter * length, Bounds(Usage(1, 2))
    exchange: list[dict[str, Any]] = []
    for call in tools:
        asked = ToolCall(call.call_id, "query", json.dumps({"text": text}))
        bounds.count_call(asked)
        exchange += [
            dict(asking(Reply(text, (asked,)))),
            {"role": "tool", "tool_call_id": call.call_id, "content": text},
        ]
    question = letter * limits.MAX_MESSAGE_CHARS
    place = Checkpoint("CostAnalyst", text, tuple(exchange), bounds)
    steps = KeptSteps("a1", question, tools, place, Usage(1, 2), 0)
    write = steps.write(caller.tenant, "c1", NOW)
    assert (write is not None) == fits
    if write is None:
        return
    await documents.commit([write])
    assert check(client, documents.commits) == 1
    read = kept_of((await documents.get_all([write.path]))[write.path], "a1", question, NOW)
    assert read is not None
    assert [call.arguments for call in read.tools] == [call.arguments for call in tools]
    assert [message["role"] for message in read.checkpoint.exchange] == [message["role"] for message in exchange]
    assert read.checkpoint.bounds == bounds


async def test_more_writes_than_firestore_takes_are_refused(ours: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", ours)
    client = firestore.Client(project=PROJECT)
    batch = client.batch()
    for index in range(MOST_WRITES + 1):
        batch.set(client.document(f"many/{index}"), {"n": index})
    with pytest.raises(InvalidArgument, match="maximum 500 writes"):
        batch.commit()
    client.close()


def test_the_fields_without_an_index_are_read_from_where_they_are_deployed() -> None:
    assert EXEMPT["messages"] >= {"content", "feedback", "tool_calls_json", "tool_results_json"}
    assert EXEMPT["outbox"] == {"created_at", "next_try_at", "row"}
