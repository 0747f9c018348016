"""A request's one record, for answers that end as they should not."""

import io
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.types import Message, Send

from common.telemetry.log import Log
from common.telemetry.request import CurrentRequest, current
from common.web.access_record import Recorded


async def sent(response: Response, method: str = "POST", send: Send | None = None) -> tuple[list[Message], list[Any]]:
    """What reaches the client, and what is written."""
    messages: list[Message] = []
    logs = io.StringIO()
    recorded = Recorded(CurrentRequest("r1", "send"), Log("DEBUG", logs), None, method).of(response)

    async def keep(message: Message) -> None:
        messages.append(message)

    async def nothing() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    await recorded({"type": "http", "asgi": {"spec_version": "2.4"}}, nothing, send or keep)
    assert current.get() is None
    return messages, [json.loads(line) for line in logs.getvalue().splitlines()]


async def test_an_answer_is_passed_on_as_it_is_and_measured() -> None:
    messages, (record,) = await sent(PlainTextResponse("four", 201, headers={"X-Own": "1"}))
    assert messages[0]["status"] == 201
    assert (b"x-own", b"1") in messages[0]["headers"]
    assert (record["status"], record["finish"], record["httpRequest"]["responseSize"]) == (201, "ok", "4")


async def test_a_stream_that_breaks_is_cut_and_says_where_but_not_what() -> None:
    async def broken() -> AsyncIterator[str]:
        yield "half"
        raise RuntimeError("sk-planted")

    messages, records = await sent(StreamingResponse(broken()))
    assert messages[-1]["more_body"] is True
    assert [record["message"] for record in records] == ["request.crashed", "request.finished"]
    assert records[0]["error_class"] == "RuntimeError"
    assert records[0]["stage"].startswith("broken:")
    assert records[1]["finish"] == "crashed"
    assert "sk-planted" not in json.dumps(records)


@pytest.mark.parametrize("error", [OSError("gone"), ClientDisconnect()])
async def test_a_client_that_cannot_be_reached_has_left(error: Exception) -> None:
    async def words() -> AsyncIterator[str]:
        yield "half"
        yield "whole"

    async def refuse(message: Message) -> None:
        if message["type"] == "http.response.body":
            raise error

    _, (record,) = await sent(StreamingResponse(words()), send=refuse)
    assert (record["message"], record["finish"]) == ("request.finished", "left")


async def test_a_method_that_nobody_knows_is_not_repeated() -> None:
    _, (record,) = await sent(PlainTextResponse(""), "SK-PLANTED")
    assert record["method"] == record["httpRequest"]["requestMethod"] == "OTHER"
