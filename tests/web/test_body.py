"""Bodies: read only for a caller who is known, within a size, a time and a number of values."""

import asyncio
import json
from contextlib import suppress
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.types import Message, Receive

from common import limits
from common.errors import BodyTimeout, TooLarge
from common.web.body import check_values, read_body
from common.web.routes import ROUTES, Route
from local.gateway import Gateway
from tests.organizations.organizations import Made
from tests.organizations.serving import Product

MOST = limits.MAX_BODY_VALUES
# To read a document again, to test a destination or to give it a new secret needs nothing but its address.
WITH_BODY = [
    route
    for route in ROUTES
    if route.needs is not None
    and route.method in ("POST", "PUT", "PATCH")
    and route.name not in ("reindex", "rotate", "test")
]


def request(receive: Receive) -> Request:
    return Request({"type": "http", "method": "POST", "headers": []}, receive)


def sending(*chunks: bytes) -> Receive:
    parts: list[Message] = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    parts[-1]["more_body"] = False

    async def receive() -> Message:
        return parts.pop(0)

    return receive


async def test_a_body_may_be_as_large_as_its_limit_and_no_larger() -> None:
    assert len(await read_body(request(sending(b"x" * 60, b"x" * 40)), 100)) == 100
    with pytest.raises(TooLarge, match="larger than 100 bytes"):
        await read_body(request(sending(b"x" * 60, b"x" * 41)), 100)


async def test_a_body_of_which_only_a_part_arrives_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BODY_SECONDS", 0.1)
    halves: list[Message] = [{"type": "http.request", "body": b'{"message": ', "more_body": True}]

    async def half() -> Message:
        if not halves:
            await asyncio.Event().wait()
        return halves.pop()

    with pytest.raises(BodyTimeout) as caught:
        await read_body(request(half), 100)
    assert (caught.value.status, caught.value.code) == (408, "body_timeout")


@pytest.mark.parametrize(
    ("begin", "value", "end"),
    [("[", "1,", "1]"), ("[", "{},", "{}]"), ("[", '"a,b",', '"{[,"]'), ('{"a":[', '"\\\\",', '"\\""]}')],
)
def test_a_body_may_have_so_many_values_and_no_more(begin: str, value: str, end: str) -> None:
    per_value = value.count("{") + 1
    opening = begin.count("[") + begin.count("{") + (1 if end.startswith("{") else 0)
    fitting = (MOST - opening) // per_value
    check_values((begin + value * fitting + end).encode())
    with pytest.raises(TooLarge, match=f"more than {MOST} values"):
        check_values((begin + value * (fitting + 1) + end).encode())


@pytest.mark.parametrize("text", ["a, b, [c], {d}", '\\"', "\\\\", "é,", '{"rows": [1, 2, 3]}'])
def test_what_stands_in_a_text_is_no_value(text: str) -> None:
    body = {"messages": [{"content": text * 100_000}], "more": ["x"] * 1_000}
    check_values(json.dumps(body).encode())


@pytest.mark.parametrize(
    "body",
    [
        b'"' * 8_000_000,
        b'"' + b'\\"' * 4_000_000,
        b'","' * 2_600_000,
        b'"\\\\",' * 1_600_000,
        b"\\" * 8_000_000,
        b"," * 8_000_000,
    ],
    ids=["quotes", "escaped quotes", "texts", "backslashes in texts", "backslashes", "commas"],
)
def test_no_body_takes_long_to_look_at(body: bytes) -> None:
    # Quadratic work would not end; what counts is that this does.
    with suppress(TooLarge):
        check_values(body)


@pytest.fixture
async def gateway(product: Product) -> Gateway:
    """All functions, over the product's services."""
    assert product.services is not None
    return Gateway()


async def answered(app: Gateway, route: Route, made: Made, key: str, receive: Receive) -> tuple[int, dict[str, Any]]:
    """The status and the JSON of an answer to a request whose body comes from ``receive``."""
    path = route.path.format(
        org_slug=made.slug,
        conversation_id="c1",
        message_id="m1",
        model="m",
        user_id="u1",
        tool_name="t1",
        document_id="d1",
        destination_id="e1",
        digest_id="g1",
    )
    headers = {"x-org-slug": made.slug, "x-api-key": key, "content-type": "application/json"}
    scope = {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.4"}, "http_version": "1.1",
        "method": route.method, "path": path, "raw_path": path.encode(), "query_string": b"", "scheme": "http",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
    }  # fmt: skip
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    body = b"".join(message.get("body", b"") for message in sent[1:])
    told = json.loads(body)
    return sent[0]["status"], told.get("error", told)


@pytest.mark.parametrize("route", WITH_BODY, ids=[f"{each.function} {each.name} {each.path}" for each in WITH_BODY])
async def test_the_body_of_a_caller_who_is_not_known_is_not_even_received(
    gateway: Gateway,
    made: Made,
    route: Route,
) -> None:

    async def never() -> Message:
        pytest.fail("the body was read")

    status, body = await answered(gateway, route, made, "nonsense", never)
    assert (status, body["code"]) == (401, "invalid_api_key")


async def test_a_run_of_very_many_values_is_refused_before_it_is_parsed(
    gateway: Gateway,
    made: Made,
) -> None:
    run = next(route for route in WITH_BODY if route.function == "copilotkit")
    entry = {"description": "d", "value": "v"}
    body = json.dumps({"threadId": "t", "runId": "r", "messages": [], "context": [entry] * (MOST // 2)}).encode()
    assert len(body) < limits.MAX_RUN_BODY_BYTES
    status, told = await answered(gateway, run, made, made.member["X-API-Key"], sending(body))
    assert (status, told["code"]) == (413, "payload_too_large")
    assert "values" in told["detail"]


async def test_a_half_sent_body_is_answered_with_408_on_every_route(
    gateway: Gateway,
    made: Made,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "BODY_SECONDS", 0.05)
    for route in WITH_BODY:
        halves: list[Message] = [{"type": "http.request", "body": b'{"message": ', "more_body": True}]

        async def half(halves: list[Message] = halves) -> Message:
            if not halves:
                await asyncio.Event().wait()
            return halves.pop()

        status, body = await answered(gateway, route, made, made.admin["X-API-Key"], half)
        assert (status, body["code"]) == (408, "body_timeout"), route


async def test_a_key_that_was_proven_lately_is_read_once_for_a_turn(product: Product, made: Made) -> None:
    assert (await product.put(made, provider="openai", model="gpt-4o", key="sk-body-0123456789")).status_code == 200
    await product.send(made.member)
    product.reset_counts()
    response: httpx.Response = await product.send(made.member)
    assert response.status_code == 200
    assert product.firestore.calls()["BatchGetDocuments"] == 1
