"""Bad input: the status and stable code of each, a JSON body, and nothing stored."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from google.cloud import firestore

from common import limits
from tests.api.conftest import Product
from tests.conftest import PROJECT

CONVERSATIONS = "/api/v1/chat/acme_inc/conversations"
SEND = "/api/v1/chat/acme_inc/send"
NOBODY = "/api/v1/chat/nobody_inc/send"
ACME = {"X-Org-Slug": "acme_inc", "X-API-Key": "demo-acme-key", "X-User-Id": "u1"}
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def documents(product: Product) -> Iterator[firestore.Client]:
    client = firestore.Client(project=PROJECT)
    yield client
    client.close()


def stored(documents: firestore.Client) -> set[str]:
    return {
        snapshot.reference.path
        for group in ("conversations", "messages", "outbox")
        for snapshot in documents.collection_group(group).stream()
    }


def without(name: str) -> dict[str, str]:
    return {key: value for key, value in ACME.items() if key != name}


CASES: dict[str, tuple[str, str, dict[str, str], Any, int, str]] = {
    "malformed JSON": ("POST", SEND, ACME, "{", 422, "invalid_body"),
    "no body": ("POST", SEND, ACME, "", 422, "invalid_body"),
    "a list": ("POST", SEND, ACME, "[]", 422, "invalid_body"),
    "no message": ("POST", SEND, ACME, {}, 422, "invalid_body"),
    "a number for a message": ("POST", SEND, ACME, {"message": 7}, 422, "invalid_body"),
    "null for a message": ("POST", SEND, ACME, {"message": None}, 422, "invalid_body"),
    "an empty message": ("POST", SEND, ACME, {"message": ""}, 422, "invalid_body"),
    "a blank message": ("POST", SEND, ACME, {"message": " \n"}, 422, "invalid_body"),
    "a lone surrogate": ("POST", SEND, ACME, '{"message": "\\ud800"}', 422, "invalid_body"),
    "10,001 characters": ("POST", SEND, ACME, {"message": "x" * (limits.MAX_MESSAGE_CHARS + 1)}, 422, "invalid_body"),
    "a body that is too large": ("POST", SEND, ACME, "x" * (limits.MAX_BODY_BYTES + 1), 413, "payload_too_large"),
    "a number for a conversation": ("POST", SEND, ACME, {"message": "hi", "conversation_id": 1}, 422, "invalid_body"),
    "an empty conversation id": ("POST", SEND, ACME, {"message": "hi", "conversation_id": ""}, 422, "invalid_body"),
    "an unknown conversation": (
        "POST", SEND, ACME, {"message": "hi", "conversation_id": "nope"}, 404, "conversation_not_found",
    ),
    "a conversation id that is a path": (
        "POST", SEND, ACME, {"message": "hi", "conversation_id": "../../x"}, 404, "conversation_not_found",
    ),
    "a message id that is a path": ("POST", SEND, ACME, {"message": "hi", "message_id": "a/b"}, 422, "invalid_body"),
    "a message id that the store keeps for itself": (
        "POST", SEND, ACME, {"message": "hi", "message_id": "__x__"}, 422, "invalid_body",
    ),
    "a message id that is a dot": ("POST", SEND, ACME, {"message": "hi", "message_id": "."}, 422, "invalid_body"),
    "a message id with a line end": ("POST", SEND, ACME, {"message": "hi", "message_id": "a\n"}, 422, "invalid_body"),
    "a conversation id that the store keeps for itself": (
        "POST", SEND, ACME, {"message": "hi", "conversation_id": "__x__"}, 404, "conversation_not_found",
    ),
    "a history of what the store keeps for itself": (
        "GET", f"{CONVERSATIONS}/__x__/messages", ACME, None, 404, "conversation_not_found",
    ),
    "a history of a path": ("GET", f"{CONVERSATIONS}/a%2Fb/messages", ACME, None, 404, "not_found"),
    "a history of a dot": ("GET", f"{CONVERSATIONS}/%2E/messages", ACME, None, 404, "conversation_not_found"),
    "a history of a null": ("GET", f"{CONVERSATIONS}/%00/messages", ACME, None, 404, "conversation_not_found"),
    "a history of a line end": ("GET", f"{CONVERSATIONS}/%0A/messages", ACME, None, 404, "not_found"),
    "a history of no text": ("GET", f"{CONVERSATIONS}/%FF/messages", ACME, None, 404, "conversation_not_found"),
    "a history of 65 characters": (
        "GET", f"{CONVERSATIONS}/{'x' * 65}/messages", ACME, None, 404, "conversation_not_found",
    ),
    "an export of what the store keeps for itself": (
        "GET", f"{CONVERSATIONS}/__x__/export", ACME, None, 404, "conversation_not_found",
    ),
    "a deletion of what the store keeps for itself": (
        "DELETE", f"{CONVERSATIONS}/__x__", ACME, None, 404, "conversation_not_found",
    ),
    "a new name for what the store keeps for itself": (
        "PATCH", f"{CONVERSATIONS}/__x__/rename", ACME, {"title": "x"}, 404, "conversation_not_found",
    ),
    "an opinion of what the store keeps for itself": (
        "POST", f"{CONVERSATIONS}/a/messages/__x__/feedback", ACME, {"rating": "up"}, 404, "conversation_not_found",
    ),
    "another spelling of a conversation": (
        "POST", SEND, ACME, {"message": "hi", "conversationId": "x"}, 422, "invalid_body",
    ),
    "another spelling of a message": ("POST", SEND, ACME, {"Message": "hi", "message": "hi"}, 422, "invalid_body"),
    "another spelling of a title": (
        "PATCH", f"{CONVERSATIONS}/a/rename", ACME, {"title": "x", "Title": "y"}, 422, "invalid_body",
    ),
    "another spelling of a comment": (
        "POST", f"{CONVERSATIONS}/a/messages/b/feedback", ACME, {"rating": "up", "Comment": "y"}, 422, "invalid_body",
    ),
    "another spelling of a limit": ("GET", f"{CONVERSATIONS}?Limit=1", ACME, None, 400, "invalid_request"),
    "another spelling of a text": (
        "GET", "/api/v1/chat/acme_inc/messages/search?Q=x", ACME, None, 400, "invalid_request",
    ),
    "a packed body": (
        "POST", SEND, ACME | {"Content-Encoding": "gzip"}, {"message": "hi"}, 415, "encoding_not_supported",
    ),
    "a body packed twice": (
        "POST", SEND, ACME | {"Content-Encoding": "identity, br"}, {"message": "hi"}, 415, "encoding_not_supported",
    ),
    "a method that is none": ("FOO", SEND, ACME, None, 400, "invalid_request"),
    "a method of WebDAV at no address": ("PROPFIND", "/nothing", ACME, None, 404, "not_found"),
    "a method of WebDAV": ("PROPFIND", SEND, ACME, None, 405, "method_not_allowed"),
    "TRACE": ("TRACE", SEND, ACME, None, 405, "method_not_allowed"),
    "an icon": ("GET", "/favicon.ico", ACME, None, 404, "not_found"),
    "CopilotKit without an organisation": ("POST", "/copilotkit", without("X-Org-Slug"), {}, 400, "bad_org_slug"),
    "MCP without an organisation": ("POST", "/mcp", without("X-Org-Slug"), {}, 400, "bad_org_slug"),
    "no key": ("POST", SEND, without("X-API-Key"), {"message": "hi"}, 401, "invalid_api_key"),
    "a wrong key": ("POST", SEND, ACME | {"X-API-Key": "wrong"}, {"message": "hi"}, 401, "invalid_api_key"),
    "an expired key": (
        "POST", SEND, ACME | {"X-API-Key": "demo-acme-expired-key"}, {"message": "hi"}, 401, "invalid_api_key",
    ),
    "an inactive key": (
        "POST", SEND, ACME | {"X-API-Key": "demo-acme-inactive-key"}, {"message": "hi"}, 401, "invalid_api_key",
    ),
    "a key of another organisation": (
        "POST", SEND, ACME | {"X-API-Key": "demo-globex-key"}, {"message": "hi"}, 403, "org_forbidden",
    ),
    "an unknown organisation with a valid key": (
        "POST", NOBODY, ACME | {"X-Org-Slug": "nobody_inc"}, {"message": "hi"}, 403, "org_forbidden",
    ),
    "an unknown organisation with a wrong key": (
        "POST", NOBODY, {"X-API-Key": "wrong"}, {"message": "hi"}, 401, "invalid_api_key",
    ),
    "slugs that differ": ("POST", SEND, ACME | {"X-Org-Slug": "globex_inc"}, {"message": "hi"}, 403, "org_forbidden"),
    "a bad slug": ("POST", "/api/v1/chat/Acme-Inc/send", without("X-Org-Slug"), {"message": "hi"}, 400, "bad_org_slug"),
    "a slug with a quote": (
        "POST", "/api/v1/chat/acme'--/send", without("X-Org-Slug"), {"message": "hi"}, 400, "bad_org_slug",
    ),
    "a user id of 129 characters": (
        "POST", SEND, ACME | {"X-User-Id": "u" * (limits.MAX_USER_ID_CHARS + 1)}, {"message": "hi"},
        400, "invalid_request",
    ),
    "a user id that names a key": (
        "POST", SEND, ACME | {"X-User-Id": "key:1"}, {"message": "hi"}, 400, "invalid_request",
    ),
    "the wrong method": ("GET", SEND, ACME, None, 405, "method_not_allowed"),
    "another wrong method": ("DELETE", SEND, ACME, None, 405, "method_not_allowed"),
    "an unknown path": ("POST", "/api/v1/chat/acme_inc/nothing", ACME, {"message": "hi"}, 404, "not_found"),
    "a path with a slash too many": ("POST", "/api/v1/chat//acme_inc/send", ACME, {"message": "hi"}, 404, "not_found"),
    "the root": ("POST", "/", ACME, {"message": "hi"}, 404, "not_found"),
}  # fmt: skip


@pytest.mark.parametrize(("method", "path", "headers", "body", "status", "code"), CASES.values(), ids=CASES)
def test_bad_input_is_a_code_and_stores_nothing(
    product: Product,
    documents: firestore.Client,
    method: str,
    path: str,
    headers: dict[str, str],
    body: Any,
    status: int,
    code: str,
) -> None:
    before = stored(documents)
    if isinstance(body, str):
        response = product.http.request(method, path, content=body.encode(), headers=headers | JSON)
    else:
        response = product.http.request(method, path, json=body, headers=headers)
    assert response.headers["content-type"] == "application/json"
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert response.json().keys() >= {"detail", "code", "request_id"}
    assert "Traceback" not in response.text
    assert stored(documents) == before


def test_another_users_conversation_is_as_if_it_were_not_there(product: Product, documents: firestore.Client) -> None:
    mine = product.send("What did we spend last month?")["conversation_id"]
    before = stored(documents)
    answers = [
        product.http.post(SEND, json={"message": "hi", "conversation_id": conversation}, headers=headers)
        for conversation, headers in (
            (mine, ACME | {"X-User-Id": "somebody-else"}),
            (mine, without("X-User-Id")),
            ("00000000-0000-0000-0000-000000000000", ACME),
        )
    ]
    answers.append(
        product.http.post(
            "/api/v1/chat/globex_inc/send",
            json={"message": "hi", "conversation_id": mine},
            headers=product.headers("globex_inc"),
        )
    )
    assert {answer.status_code for answer in answers} == {404}
    bodies = [{**answer.json(), "request_id": ""} for answer in answers]
    assert all(body == bodies[0] for body in bodies)
    assert stored(documents) == before


def test_a_message_of_exactly_the_greatest_length_is_answered(product: Product) -> None:
    text = "What did we spend last month? " + "please " * 2000
    assert product.send(text[: limits.MAX_MESSAGE_CHARS])["response"]


def test_every_answer_carries_its_request_id(product: Product) -> None:
    response = product.http.post(SEND, json={}, headers=ACME)
    assert response.headers["x-request-id"] == response.json()["request_id"]


def test_a_preflight_is_answered_for_an_allowed_origin_only(product: Product) -> None:
    headers = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-api-key"}
    allowed = product.http.options(SEND, headers=headers | {"Origin": "http://localhost:3000"})
    assert allowed.status_code == 204
    assert allowed.headers["access-control-allow-origin"] == "http://localhost:3000"
    for name in ("Content-Type", "X-Org-Slug", "X-API-Key", "X-User-Id"):
        assert name in allowed.headers["access-control-allow-headers"]
    refused = product.http.options(SEND, headers=headers | {"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in refused.headers


def test_an_error_is_readable_across_origins(product: Product) -> None:
    response = product.http.post(SEND, json={}, headers=ACME | {"Origin": "http://localhost:3000"})
    assert response.status_code == 422
    assert response.headers["access-control-allow-origin"] == "http://localhost:3000"


@pytest.mark.parametrize("name", ["X-Org-Slug", "X-API-Key", "X-User-Id", "Authorization"])
@pytest.mark.parametrize("second", ["the same", "another"])
@pytest.mark.parametrize("path", ["send", "conversations", "copilotkit", "mcp", "a2a", "settings/status"])
def test_a_caller_who_is_named_twice_is_refused(product: Product, name: str, second: str, path: str) -> None:
    value = ACME.get(name, "Bearer x")
    twice = [*without(name).items(), (name, value), (name.lower(), value if second == "the same" else "other")]
    method = "GET" if path in ("conversations", "settings/status") else "POST"
    response = product.http.request(method, f"/api/v1/chat/acme_inc/{path}", headers=twice)
    assert (response.status_code, response.json()["code"]) == (400, "invalid_request")
    assert name in response.json()["detail"]


@pytest.mark.parametrize("encoding", ["identity", "Identity", ""])
def test_a_body_that_is_said_to_be_plain_is_read(product: Product, encoding: str) -> None:
    response = product.http.post(
        SEND, json={"message": "What did we spend?"}, headers=ACME | {"Content-Encoding": encoding}
    )
    assert response.status_code == 200


def test_fields_that_nobody_knows_are_ignored(product: Product) -> None:
    assert product.send("What did we spend?", temperature=1, agentName="x", conversations=[])["response"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/api/v1/chat/acme_inc/send/", {"message": "What did we spend?"}),
        ("GET", "/api/v1/chat/acme_inc/conversations/", None),
        ("GET", "/api/v1/chat/acme_inc/settings/status/", None),
        ("GET", "/health/", None),
        ("GET", "/.well-known/agent-card.json/", None),
        ("POST", "/copilotkit/", {"method": "info"}),
        ("POST", "/copilotkit", {"method": "info"}),
        ("POST", "/mcp", {"jsonrpc": "2.0", "id": 1, "method": "ping"}),
        ("POST", "/mcp/", {"jsonrpc": "2.0", "id": 1, "method": "ping"}),
    ],
)
def test_a_slash_at_the_end_changes_nothing(product: Product, method: str, path: str, body: Any) -> None:
    headers = ACME | {"Accept": "application/json, text/event-stream"}
    assert product.http.request(method, path, json=body, headers=headers if body else ACME).status_code == 200


_LIBRARY = (
    "pydantic",
    "Value error",
    "Field required",
    "Input should",
    "String should",
    "validation error",
    "Traceback",
)
_RPC = {"jsonrpc": "2.0", "id": 1}
WORDED: tuple[tuple[str, Any], ...] = (
    ("send", "{"),
    ("send", "[]"),
    ("send", {"message": [], "message_id": 7, "conversation_id": {}}),
    ("copilotkit", {"threadId": 7, "messages": [{"role": "user", "id": 1, "content": {"a": 1}}]}),
    ("copilotkit", {"threadId": "a", "runId": "b", "messages": [{"role": "nobody"}]}),
    ("a2a", "{"),
    ("a2a", "7"),
    ("a2a", {}),
    ("a2a", _RPC | {"method": "SendMessage", "params": {"message": {"messageId": 7}}}),
    ("a2a", _RPC | {"method": "message/send", "params": {}}),
    ("a2a", _RPC | {"method": "message/send", "params": {"message": {"parts": [{"kind": "x"}]}}}),
    ("mcp", "{"),
    ("mcp", "[]"),
    ("mcp", {}),
    ("mcp", _RPC | {"method": 7}),
    ("mcp", _RPC | {"method": "tools/call", "params": {"name": 7}}),
    ("mcp", _RPC | {"method": "tools/call", "params": {"name": "query_costs", "arguments": {"limit": "x", "n": 1}}}),
)


@pytest.mark.parametrize("version", ["1.0", "0.3"])
@pytest.mark.parametrize(("door", "body"), WORDED)
def test_no_answer_has_the_words_of_a_library(product: Product, door: str, body: Any, version: str) -> None:
    headers = ACME | JSON | {"Accept": "application/json, text/event-stream", "A2A-Version": version}
    content = body if isinstance(body, str) else json.dumps(body)
    response = product.http.post(f"/api/v1/chat/acme_inc/{door}", content=content, headers=headers)
    assert response.status_code < 500
    assert response.headers["content-type"] == "application/json"
    assert not [words for words in _LIBRARY if words.lower() in response.text.lower()]


@pytest.mark.parametrize(
    ("door", "method", "params", "named"),
    [
        ("a2a", "SendMessage", {"message": {"messageId": "m", "contextID": "main"}}, "write contextId, not contextID"),
        ("a2a", "message/send", {"message": {"messageId": "m", "ContextId": "a"}}, "write contextId, not ContextId"),
        ("a2a", "SendMessage", {"Message": {"messageId": "m"}}, "write message, not Message"),
        ("mcp", "tools/call", {"name": "list_org_tables", "Arguments": {}}, "write arguments, not Arguments"),
    ],
)
def test_a_field_of_a_protocol_in_another_spelling_is_named(
    product: Product, door: str, method: str, params: Any, named: str
) -> None:
    headers = ACME | {"Accept": "application/json, text/event-stream"}
    body = _RPC | {"method": method, "params": params}
    error = product.http.post(f"/api/v1/chat/acme_inc/{door}", json=body, headers=headers).json()["error"]
    assert error["code"] == -32602
    assert named.lower() in error["message"].lower()


def test_a_body_of_another_kind_is_a_sentence(product: Product) -> None:
    response = product.http.post("/mcp", content="hi", headers=ACME | {"Content-Type": "text/plain"})
    assert response.status_code == 400
    assert response.headers["content-type"] == "application/json"
