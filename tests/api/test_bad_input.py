"""Bad input: the status and stable code of each, a JSON body, and nothing stored."""

from collections.abc import Iterator
from typing import Any

import pytest
from google.cloud import firestore

from common import limits
from tests.api.conftest import Product
from tests.conftest import PROJECT

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
    "slugs that differ": ("POST", SEND, ACME | {"X-Org-Slug": "globex_inc"}, {"message": "hi"}, 400, "bad_org_slug"),
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
