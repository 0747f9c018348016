"""The answer as it is written: server-sent events in order, whole, and closed by done."""

import json
from typing import Any

import httpx
import pytest
from google.cloud import firestore
from httpx_sse import EventSource

from tests.api.conftest import Product
from tests.conftest import PROJECT
from tests.skills import drawn


def events(product: Product, path: str, message: str, **headers: str) -> list[tuple[str, dict[str, Any]]]:
    with product.http.stream("POST", path, json={"message": message}, headers=product.headers() | headers) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        return [(event.event, json.loads(event.data)) for event in EventSource(response).iter_sse()]


@pytest.mark.parametrize(
    ("path", "headers"),
    [("/api/v1/chat/acme_inc/stream", {}), ("/api/v1/chat/acme_inc/send", {"Accept": "text/event-stream"})],
)
def test_an_answer_arrives_as_events(product: Product, path: str, headers: dict[str, str]) -> None:
    found = events(product, path, "What did we spend per provider last month?", **headers)
    names = [name for name, _ in found]
    assert names[0] == "start"
    assert names[-1] == "done"
    assert names.count("done") == 1
    agents = [data["agent_name"] for name, data in found if name == "agent"]
    assert agents == ["CostAnalyst"]
    tools = [data for name, data in found if name == "tool"]
    assert [tool["status"] for tool in tools] == ["started", "finished"]
    assert "SELECT" in tools[1]["result"]["sql"]
    assert tools[1]["result"]["bytes_processed"] > 0
    drawn.check(tools[1]["result"]["chart"])
    assert names.index("tool") < names.index("token")
    assert names.count("token") > 5
    done = found[-1][1]
    expected = {"conversation_id", "message_id", "agent_name", "provider", "model_id", "latency_ms", "finish", "usage"}
    assert done.keys() == expected | {"fallback_from", "unverified_figures", "citations"}


def test_the_tokens_add_up_to_the_answer_that_is_stored(product: Product) -> None:
    found = events(product, "/api/v1/chat/acme_inc/stream", "top 3 services last month")
    text = "".join(data["text"] for name, data in found if name == "token")
    done = found[-1][1]
    path = f"orgs/acme_inc/conversations/{done['conversation_id']}/messages/{done['message_id']}"
    client = firestore.Client(project=PROJECT)
    assert client.document(path).get().get("content") == text
    client.close()


def test_frames_end_in_line_feeds_and_are_not_to_be_buffered(product: Product) -> None:
    response = product.http.post(
        "/api/v1/chat/acme_inc/stream", json={"message": "What did we spend last month?"}, headers=product.headers()
    )
    assert "\r" not in response.text
    assert response.text.endswith("\n\n")
    assert "no-cache" in response.headers["cache-control"]
    assert response.headers["x-accel-buffering"] == "no"


def test_what_fails_before_the_first_byte_is_a_status_not_a_stream(product: Product) -> None:
    response = product.http.post(
        "/api/v1/chat/acme_inc/stream",
        json={"message": ""},
        headers=product.headers() | {"Accept": "text/event-stream"},
    )
    assert response.status_code == httpx.codes.UNPROCESSABLE_ENTITY
    assert response.headers["content-type"] == "application/json"
