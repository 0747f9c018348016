"""A user's conversations: listed in pages, renamed, deleted, and the same when Firestore has forgotten them."""

import asyncio

import pytest

from common import limits
from tests.conversations.conftest import Product, Serving, until
from tests.fakes.scripted_model import ScriptedModel, say


async def opened(product: Product, count: int) -> list[str]:
    """Conversations of this test's user, the oldest first."""
    ids = []
    for index in range(count):
        product.clock.forward(seconds=1)
        ids.append((await product.send(f"question {index}"))["conversation_id"])
    return ids


async def paged(product: Product, limit: int) -> list[str]:
    """All conversation ids, page by page."""
    found: list[str] = []
    cursor = None
    while True:
        page = await product.get("/conversations", limit=limit, **({"cursor": cursor} if cursor else {}))
        assert len(page["conversations"]) <= limit
        found += [one["conversation_id"] for one in page["conversations"]]
        cursor = page.get("next_cursor")
        if cursor is None:
            return found


async def test_a_list_has_the_documented_shape(product: Product) -> None:
    (conversation_id,) = await opened(product, 1)
    body = await product.get("/conversations")
    assert body.keys() == {"org_slug", "conversations"}
    (listed,) = body["conversations"]
    assert listed.keys() == {
        "conversation_id", "title", "status", "message_count", "provider", "model_id", "created_at", "last_message_at",
        "escalated",
    }  # fmt: skip
    assert (listed["conversation_id"], listed["title"]) == (conversation_id, "question 0")
    assert (listed["status"], listed["message_count"], listed["model_id"]) == ("active", 2, "analyst-1")


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8])
async def test_pages_hold_every_conversation_once_newest_first(product: Product, limit: int) -> None:
    ids = await opened(product, 7)
    assert await paged(product, limit) == ids[::-1]


async def test_a_new_message_brings_its_conversation_to_the_top(product: Product) -> None:
    first, second = await opened(product, 2)
    product.clock.forward(seconds=1)
    await product.send("again", conversation_id=first)
    assert await paged(product, 10) == [first, second]


async def test_a_page_is_one_query_once_the_list_is_known(product: Product) -> None:
    await opened(product, 5)
    first = await product.get("/conversations", limit=2)
    product.firestore.reset()
    await product.get("/conversations", limit=2, cursor=first["next_cursor"])
    assert product.firestore.calls() == {"BatchGetDocuments": 1, "RunQuery": 1}


@pytest.mark.parametrize(
    "damage",
    [lambda text: text[:-1], lambda text: f"{text}A", lambda text: text.swapcase(), lambda _: "!", lambda _: "bnVsbA"],
)
async def test_a_tampered_cursor_is_refused(product: Product, damage: "object") -> None:
    await opened(product, 3)
    page = await product.get("/conversations", limit=1)
    assert callable(damage)
    response = await product.call("GET", "/conversations", params={"cursor": damage(page["next_cursor"])})
    assert (response.status_code, response.json()["code"]) == (400, "invalid_request")


async def test_a_cursor_of_another_user_or_list_is_refused(product: Product) -> None:
    ids = await opened(product, 3)
    page = await product.get("/conversations", limit=1)
    parameters = {"cursor": page["next_cursor"]}
    other = await product.call("GET", "/conversations", params=parameters, headers=product.headers("someone-else"))
    history = await product.call("GET", f"/conversations/{ids[0]}/messages", params=parameters)
    assert (other.status_code, history.status_code) == (400, 400)


@pytest.mark.parametrize("limit", ["0", "-1", "x", str(limits.PAGE_MAX + 1), "1e2", "", "٣"])
async def test_a_limit_out_of_bounds_is_refused(product: Product, limit: str) -> None:
    response = await product.call("GET", "/conversations", params={"limit": limit})
    assert (response.status_code, response.json()["code"]) == (400, "invalid_request")


async def test_a_rename_shows_at_once_and_on_the_record(product: Product) -> None:
    (conversation_id,) = await opened(product, 1)
    await product.synced()
    response = await product.call("PATCH", f"/conversations/{conversation_id}/rename", json={"title": "Costs 💶"})
    assert response.json() == {"status": "renamed", "conversation_id": conversation_id, "title": "Costs 💶"}
    assert (await product.get("/conversations"))["conversations"][0]["title"] == "Costs 💶"
    await product.synced()
    (row,) = product.record("org_chat_conversations", conversation_id)
    assert (row["title"], row["message_count"]) == ("Costs 💶", 2)


@pytest.mark.parametrize("title", ["", "   ", "x" * (limits.NEW_TITLE_CHARS + 1), None, 3])
async def test_a_title_that_is_none_is_refused(product: Product, title: object) -> None:
    (conversation_id,) = await opened(product, 1)
    response = await product.call("PATCH", f"/conversations/{conversation_id}/rename", json={"title": title})
    assert (response.status_code, response.json()["code"]) == (422, "invalid_body")


async def test_a_rename_while_a_turn_runs_keeps_both(serving: Serving) -> None:
    model = ScriptedModel([say("first"), say("second")])
    product = await serving(model)
    conversation_id = (await product.send())["conversation_id"]
    model.gate = asyncio.Event()
    turn = asyncio.create_task(product.send("more", conversation_id=conversation_id))
    await until(lambda: product.reference(conversation_id).get().to_dict()["lease"] is not None)
    await product.call("PATCH", f"/conversations/{conversation_id}/rename", json={"title": "renamed"})
    model.gate.set()
    await turn
    assert product.reference(conversation_id).get().to_dict()["title"] == "renamed"
    assert len(product.stored(conversation_id)) == 4


async def test_a_deleted_conversation_is_nowhere(product: Product) -> None:
    kept, gone = await opened(product, 2)
    await product.synced()
    response = await product.call("DELETE", f"/conversations/{gone}")
    assert response.json() == {"status": "deleted", "conversation_id": gone}
    assert await paged(product, 10) == [kept]
    assert [hit["conversation_id"] for hit in (await product.get("/messages/search", q="question"))["results"]] == [
        kept
    ]
    for method, path, body in (
        ("GET", f"/conversations/{gone}/messages", None),
        ("GET", f"/conversations/{gone}/export", None),
        ("DELETE", f"/conversations/{gone}", None),
        ("PATCH", f"/conversations/{gone}/rename", {"title": "back"}),
        ("POST", "/send", {"message": "hello", "conversation_id": gone}),
    ):
        response = await product.call(method, path, json=body)
        assert (response.status_code, response.json()["code"]) == (404, "conversation_not_found"), path
    await product.synced()
    assert product.record("org_chat_conversations", gone)[0]["status"] == "deleted"


async def test_deleting_ends_the_turn_that_runs(serving: Serving) -> None:
    model = ScriptedModel([say("first"), say("second")])
    product = await serving(model)
    conversation_id = (await product.send())["conversation_id"]
    model.gate = asyncio.Event()
    turn = asyncio.create_task(
        product.call("POST", "/send", json={"message": "more", "conversation_id": conversation_id})
    )
    await until(lambda: product.reference(conversation_id).get().to_dict()["lease"] is not None)
    await product.call("DELETE", f"/conversations/{conversation_id}")
    model.gate.set()
    assert (await turn).json()["code"] == "conversation_not_found"
    assert [message["role"] for message in product.stored(conversation_id)] == ["user", "assistant", "user"]


async def test_a_cold_list_comes_from_the_record_and_is_warm_then(product: Product) -> None:
    ids = await opened(product, 5)
    await product.synced()
    warm = await product.get("/conversations")
    for conversation_id in ids:
        product.forget(conversation_id)
    product.forget_list()
    assert await product.get("/conversations") == warm
    product.firestore.reset()
    assert await product.get("/conversations") == warm
    assert product.firestore.calls() == {"BatchGetDocuments": 1, "RunQuery": 1}


async def test_a_list_longer_than_is_warmed_at_once_pages_to_its_end(
    product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = await opened(product, 7)
    await product.synced()
    for conversation_id in ids:
        product.forget(conversation_id)
    product.forget_list()
    monkeypatch.setattr(limits, "WARMED_CONVERSATIONS", 3)
    assert await paged(product, 2) == ids[::-1]


async def test_a_list_warmed_from_the_record_keeps_newer_states(product: Product) -> None:
    old, renamed, deleted = await opened(product, 3)
    await product.synced()
    await product.call("PATCH", f"/conversations/{renamed}/rename", json={"title": "new title"})
    await product.call("DELETE", f"/conversations/{deleted}")
    product.forget(old)
    product.forget_list()
    page = await product.get("/conversations")
    assert [(one["conversation_id"], one["title"]) for one in page["conversations"]] == [
        (renamed, "new title"),
        (old, "question 0"),
    ]


async def test_a_list_without_the_record_shows_what_is_there_and_says_so(serving: Serving) -> None:
    product = await serving()
    (conversation_id,) = await opened(product, 1)
    down = await serving(bigquery_emulator_host="http://127.0.0.1:9")
    down.user = product.user
    body = await down.get("/conversations")
    assert [one["conversation_id"] for one in body["conversations"]] == [conversation_id]
    assert body["partial"] is True
