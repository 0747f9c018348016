"""Every route and verb, for everybody who may not: the same refusal, nothing shown, nothing changed."""

import uuid
from dataclasses import dataclass

import pytest

from common.tenant import parse_org_slug
from tests.conversations.conftest import Product, Row

SECRET = "a sentence that only its owner may read"
ROUTES: dict[str, tuple[str, str, Row | None]] = {
    "send": ("POST", "/send", {"message": "hello", "conversation_id": "{id}"}),
    "stream": ("POST", "/stream", {"message": "hello", "conversation_id": "{id}"}),
    "send again": ("POST", "/send", {"message": "hello", "conversation_id": "{id}", "message_id": "{asked}"}),
    "list": ("GET", "/conversations", None),
    "rename": ("PATCH", "/conversations/{id}/rename", {"title": "mine"}),
    "delete": ("DELETE", "/conversations/{id}", None),
    "export": ("GET", "/conversations/{id}/export", None),
    "history": ("GET", "/conversations/{id}/messages", None),
    "search": ("GET", "/messages/search?q=sentence", None),
    "feedback": ("POST", "/conversations/{id}/messages/{answer}/feedback", {"rating": "up"}),
}
WITHOUT_ID = {"list", "search"}
REFUSED: dict[str, tuple[Row, int, str]] = {
    "no key": ({"X-API-Key": None}, 401, "invalid_api_key"),
    "wrong key": ({"X-API-Key": "demo-acme-key2"}, 401, "invalid_api_key"),
    "expired key": ({"X-API-Key": "demo-acme-expired-key"}, 401, "invalid_api_key"),
    "inactive key": ({"X-API-Key": "demo-acme-inactive-key"}, 401, "invalid_api_key"),
    "another organisation's key": ({"X-API-Key": "demo-globex-key"}, 403, "org_forbidden"),
    "slug mismatch": ({"X-Org-Slug": "globex_inc"}, 403, "org_forbidden"),
}
MISSING = ("another user", "the key itself", "deleted", "unknown", "no id")


@dataclass
class Talk:
    """A conversation of this test's user, and what is stored of it."""

    conversation_id: str
    answer: str
    asked: str
    before: list[Row]


async def talk(product: Product) -> Talk:
    asked = uuid.uuid4().hex
    said = await product.send(SECRET, message_id=asked)
    return Talk(said["conversation_id"], said["message_id"], asked, product.stored(said["conversation_id"]))


def named(text: str, talk: Talk, conversation_id: str) -> str:
    return text.replace("{id}", conversation_id).replace("{answer}", talk.answer).replace("{asked}", talk.asked)


def body_of(body: Row | None, talk: Talk, conversation_id: str) -> Row | None:
    return None if body is None else {key: named(value, talk, conversation_id) for key, value in body.items()}


@pytest.mark.parametrize("who", REFUSED)
@pytest.mark.parametrize("route", ROUTES)
async def test_a_caller_without_a_valid_key_is_refused(product: Product, route: str, who: str) -> None:
    said = await talk(product)
    method, path, body = ROUTES[route]
    changed, status, code = REFUSED[who]
    headers = {name: value for name, value in (product.headers() | changed).items() if value is not None}
    url = "/api/v1/chat/acme_inc" + named(path, said, said.conversation_id)
    product.firestore.reset()
    response = await product.http.request(method, url, json=body_of(body, said, said.conversation_id), headers=headers)
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert SECRET not in response.text
    calls = product.firestore.calls()
    assert calls["RunQuery"] == 0
    assert (status != 400 and headers.get("X-API-Key")) or not calls
    assert product.stored(said.conversation_id) == said.before


@pytest.mark.parametrize("why", MISSING)
@pytest.mark.parametrize("route", [name for name in ROUTES if name not in WITHOUT_ID])
async def test_what_is_not_the_callers_is_as_if_it_never_existed(product: Product, route: str, why: str) -> None:
    said = await talk(product)
    method, path, body = ROUTES[route]
    headers = product.headers()
    conversation_id = said.conversation_id
    match why:
        case "another user":
            headers["X-User-Id"] = "somebody-else"
        case "the key itself":
            del headers["X-User-Id"]
        case "deleted":
            await product.call("DELETE", f"/conversations/{conversation_id}")
        case "unknown":
            conversation_id = str(uuid.uuid4())
        case "no id":
            conversation_id = "x" * 65
    # An instance asks once an hour when the record begins.
    await product.services.record_start.of(product.services.directory.tenant(parse_org_slug("acme_inc")))
    product.firestore.reset()
    response = await product.http.request(
        method,
        "/api/v1/chat/acme_inc" + named(path, said, conversation_id),
        json=body_of(body, said, conversation_id),
        headers=headers,
    )
    refusal = response.json()
    del refusal["request_id"]
    assert (response.status_code, refusal) == (
        404,
        {
            "detail": "There is no such conversation. Leave conversation_id out to start a new one.",
            "code": "conversation_not_found",
        },
    )
    calls = product.firestore.calls()
    assert (calls["BatchGetDocuments"], calls["RunQuery"], calls["Commit"]) == (1, 0, 0)
    assert product.stored(said.conversation_id) == said.before


@pytest.mark.parametrize("route", sorted(WITHOUT_ID))
@pytest.mark.parametrize("who", ["somebody-else", None])
async def test_lists_and_searches_show_only_what_is_the_callers(product: Product, route: str, who: str | None) -> None:
    said = await talk(product)
    await product.synced()
    _, path, _ = ROUTES[route]
    headers = {name: value for name, value in (product.headers() | {"X-User-Id": who}).items() if value is not None}
    response = await product.http.get(f"/api/v1/chat/acme_inc{path}", headers=headers)
    assert response.status_code == 200
    assert said.conversation_id not in response.text
    assert SECRET not in response.text


async def test_another_users_id_takes_the_same_way_as_one_that_never_existed(product: Product) -> None:
    said = await talk(product)
    asked = []
    for conversation_id, user in ((said.conversation_id, "somebody-else"), (str(uuid.uuid4()), product.user)):
        before = product.services.warehouse
        counted: list[str] = []
        original = before.look_up

        async def counting(query, *, labels, seconds=10.0, original=original, counted=counted):  # type: ignore[no-untyped-def]
            counted.append(query.sql)
            return await original(query, labels=labels, seconds=seconds)

        before.look_up = counting  # type: ignore[method-assign]
        response = await product.call(
            "GET", f"/conversations/{conversation_id}/messages", headers=product.headers(user)
        )
        before.look_up = original  # type: ignore[method-assign]
        assert response.status_code == 404
        asked.append(counted)
    assert asked[0] == asked[1]
    assert len(asked[0]) == 1


async def test_a_key_without_a_user_is_a_user_of_its_own(product: Product) -> None:
    headers = {name: value for name, value in product.headers().items() if name != "X-User-Id"}
    said = (await product.http.post("/api/v1/chat/acme_inc/send", json={"message": "by key"}, headers=headers)).json()
    document = product.reference(said["conversation_id"]).get().to_dict()
    assert document["user_id"].startswith("key:")
    listed = (await product.http.get("/api/v1/chat/acme_inc/conversations", headers=headers)).json()
    assert said["conversation_id"] in {one["conversation_id"] for one in listed["conversations"]}
    mine = await product.get("/conversations")
    assert mine["conversations"] == []
