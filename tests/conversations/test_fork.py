"""A branch of a conversation: what was said before a message, in a new conversation; the old one stays as it is."""

import asyncio
from typing import Any

import pytest

from common import limits
from common.record import outbox
from tests.conversations.conftest import Product, Row, Serving
from tests.conversations.test_messages import exported, read, talked
from tests.fakes.scripted_model import ScriptedModel, call_tool, say, transfer

SAME = (
    "role", "content", "status", "agent_name", "tool_calls_json", "tool_results_json", "model_id", "finish",
    "created_at", "latency_ms",
)  # fmt: skip


async def forked(product: Product, conversation_id: str, status: int = 200, **body: Any) -> Row:
    response = await product.call("POST", f"/conversations/{conversation_id}/fork", json=body)
    assert response.status_code == status, response.text
    found: Row = response.json()
    return found


def shown(messages: list[Row]) -> list[Row]:
    return [{name: message[name] for name in SAME} for message in messages]


async def test_a_branch_begins_with_what_was_said_before_a_message(serving: Serving) -> None:
    steps = [
        transfer("UsageAnalyst"),
        call_tool("top_consumers", dimension="provider"),
        say("one"),
        say("two"),
        say("new"),
    ]
    model = ScriptedModel(steps)
    product: Product = await serving(model)
    conversation_id = await talked(product, 2)
    old = await read(product, conversation_id, 50)
    branch = await forked(product, conversation_id, before_message_id=old[2]["message_id"], title="Only AWS")
    assert (branch["status"], branch["forked_from"], branch["title"], branch["message_count"]) == (
        "forked", conversation_id, "Only AWS", 2,
    )  # fmt: skip
    copied = await read(product, branch["conversation_id"], 50)
    assert shown(copied) == shown(old[:2])
    assert not {each["message_id"] for each in copied} & {each["message_id"] for each in old}
    assert [each["input_tokens"] for each in copied] == [None, None]
    await product.send("and only AWS?", conversation_id=branch["conversation_id"])
    *before, asked = [(each["role"], each["content"]) for each in model.calls[-1].messages[1:]]
    assert before == [("user", "question 0"), ("assistant", "one ")]
    assert (asked[0], asked[1].rpartition("\n\n")[2]) == ("user", "and only AWS?")
    assert [tool["function"]["name"] for tool in model.calls[-1].tools].count("top_consumers") == 1
    assert shown(await read(product, conversation_id, 50)) == shown(old)
    listed = (await product.get("/conversations"))["conversations"]
    assert {each["conversation_id"] for each in listed} == {branch["conversation_id"], conversation_id}


async def test_a_branch_of_everything_has_everything(product: Product) -> None:
    conversation_id = await talked(product, 2)
    branch = await forked(product, conversation_id)
    assert branch["title"] == "question 0 (branch)"
    copied, old = await exported(product, branch["conversation_id"]), await exported(product, conversation_id)
    assert [each["content"] for each in copied["messages"]] == [each["content"] for each in old["messages"]]


async def test_a_branch_reaches_the_record_and_is_read_from_there(product: Product) -> None:
    conversation_id = await talked(product, 3)
    branch = (await forked(product, conversation_id))["conversation_id"]
    before = await read(product, branch, 50)
    await product.services.sync.run()
    place = product.documents.document(f"orgs/acme_inc/conversations/{branch}")
    for message in place.collection("messages").list_documents():
        message.delete()
    place.delete()
    assert shown(await read(product, branch, 2)) == shown(before)
    assert (await product.send("more", conversation_id=branch))["conversation_id"] == branch
    again = await forked(product, branch)
    assert again["message_count"] == 8


async def test_a_branch_of_what_only_the_record_has(product: Product) -> None:
    conversation_id = await talked(product, 2)
    old = await read(product, conversation_id, 50)
    await product.services.sync.run()
    place = product.documents.document(f"orgs/acme_inc/conversations/{conversation_id}")
    for message in place.collection("messages").list_documents():
        message.delete()
    place.delete()
    branch = await forked(product, conversation_id, before_message_id=old[2]["message_id"])
    assert shown(await read(product, branch["conversation_id"], 50)) == shown(old[:2])


async def test_nothing_before_the_first_message_is_no_branch(product: Product) -> None:
    conversation_id = await talked(product, 1)
    first = (await read(product, conversation_id, 50))[0]["message_id"]
    refused = await forked(product, conversation_id, 422, before_message_id=first)
    assert refused["code"] == "invalid_body"
    assert "Nothing was said before" in refused["detail"]


@pytest.mark.parametrize("message_id", ["unknown", "../x", "__x__", "x" * 2000])
async def test_a_message_that_is_not_there_is_not_found(product: Product, message_id: str) -> None:
    conversation_id = await talked(product, 1)
    assert (await forked(product, conversation_id, 404, before_message_id=message_id))["code"] == "not_found"


@pytest.mark.parametrize("body", [{"title": ""}, {"title": " "}, {"title": "x" * 101}, {"before_message_id": ""}])
async def test_a_body_that_is_wrong_is_refused(product: Product, body: Row) -> None:
    conversation_id = await talked(product, 1)
    assert (await forked(product, conversation_id, 422, **body))["code"] == "invalid_body"


async def test_only_its_owner_branches_a_conversation(product: Product) -> None:
    conversation_id = await talked(product, 1)
    for headers in ({"X-User-Id": "somebody-else"}, {"X-Org-Slug": "acme_inc", "X-User-Id": "u9"}):
        response = await product.call("POST", f"/conversations/{conversation_id}/fork", json={}, headers=headers)
        assert (response.status_code, response.json()["code"]) == (404, "conversation_not_found")
    await product.call("DELETE", f"/conversations/{conversation_id}")
    await forked(product, conversation_id, 404)


async def test_the_most_messages_are_copied_and_one_more_is_not(
    product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation_id = await talked(product, 2)
    monkeypatch.setattr(limits, "MAX_FORK_MESSAGES", 4)
    await forked(product, conversation_id)
    monkeypatch.setattr(limits, "MAX_FORK_MESSAGES", 3)
    refused = await forked(product, conversation_id, 422)
    assert "too long for a branch" in refused["detail"]


async def test_many_messages_are_stored_in_several_commits(product: Product, monkeypatch: pytest.MonkeyPatch) -> None:
    conversation_id = await talked(product, 4)
    monkeypatch.setattr(limits, "MAX_WRITES_PER_COMMIT", 4)
    branch = (await forked(product, conversation_id))["conversation_id"]
    assert shown(await read(product, branch, 50)) == shown(await read(product, conversation_id, 50))
    assert not product.documents.document(f"purges/acme_inc:{branch}").get().exists


async def test_a_copy_that_stops_half_way_is_seen_by_nobody_and_purged(
    product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation_id = await talked(product, 2)
    before = {each["conversation_id"] for each in (await product.get("/conversations"))["conversations"]}

    def stopped(*_: Any) -> Any:
        raise asyncio.CancelledError

    with monkeypatch.context() as patch:
        patch.setattr(outbox, "conversation_entry", stopped)
        with pytest.raises(BaseException):  # noqa: B017  as a killed process, it answers nothing
            await product.call("POST", f"/conversations/{conversation_id}/fork", json={})
    listed = {each["conversation_id"] for each in (await product.get("/conversations"))["conversations"]}
    assert listed == before
    notes = [entry.to_dict() or {} for entry in product.documents.collection("purges").stream()]
    left = [note["conversation_id"] for note in notes if note["deleted_at"] > product.clock()]
    assert left
    place = product.documents.document(f"orgs/acme_inc/conversations/{left[-1]}")
    assert list(place.collection("messages").list_documents())
    product.clock.forward(days=60)
    await product.services.sync.run()
    assert not list(place.collection("messages").list_documents())
