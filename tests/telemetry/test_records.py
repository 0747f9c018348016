"""The records of a function in a process of its own, as the functions-framework serves it: all that it writes."""

import asyncio
import json
import os
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.conftest import free_port
from tests.conftest import Cloud
from tests.fakes.wire_stub import Answer, WireStub, as_a_model, wire_stub
from tests.turn.providers import Customer, bring_keys

ROOT = Path(__file__).parents[2]
PLANTED = "sk-strewn-0123456789abcdef"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@dataclass
class Function:
    """The send function, and everything it writes."""

    http: httpx.AsyncClient
    output: Path
    errors: Path
    stub: WireStub
    customers: list[Customer]

    def records(self) -> list[dict[str, Any]]:
        """Every whole line that was written, each of them a record; the last one may be on its way."""
        whole, _, _ = self.output.read_text().rpartition("\n")
        return [json.loads(line) for line in whole.splitlines()]

    async def finished(self, asked: Collection[str]) -> list[dict[str, Any]]:
        """The records of these requests, once all of them are over: one is written after the answer's last byte."""
        async with asyncio.timeout(120):
            while len(found := self._of("request.finished", asked)) < len(asked):  # noqa: ASYNC110  another process
                await asyncio.sleep(0.02)
        return found

    def turns(self, asked: Collection[str]) -> list[dict[str, Any]]:
        return self._of("turn.finished", asked)

    def _of(self, event: str, asked: Collection[str]) -> list[dict[str, Any]]:
        return [record for record in self.records() if record["message"] == event and record["request_id"] in asked]


@pytest.fixture(scope="module")
def customers(cloud: Cloud) -> list[Customer]:
    return bring_keys(cloud, 4)


@pytest.fixture(scope="module")
async def function(
    cloud: Cloud, customers: list[Customer], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Function]:
    place = tmp_path_factory.mktemp("function")
    async with wire_stub() as stub, served(cloud, stub, place) as http:
        yield Function(http, place / "output", place / "errors", stub, customers)


@asynccontextmanager
async def served(cloud: Cloud, stub: WireStub, place: Path) -> AsyncIterator[httpx.AsyncClient]:
    port = free_port()
    environment = os.environ | cloud.environment | {"MODEL_API_BASES": json.dumps(stub.bases), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "functions_framework", "--target", "send", "--source", "functions/send/main.py"]
    with (place / "output").open("wb") as output, (place / "errors").open("wb") as errors:
        process = subprocess.Popen(  # noqa: ASYNC220  it is waited for below
            [*command, "--host", "127.0.0.1", "--port", str(port)],
            cwd=ROOT, env=environment, stdout=output, stderr=errors,
        )  # fmt: skip
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=120) as http:
            async with asyncio.timeout(240):
                while True:
                    assert process.poll() is None, (place / "errors").read_text()
                    with suppress(httpx.TransportError):
                        await http.options("/")
                        break
                    await asyncio.sleep(0.05)
            yield http
    finally:
        process.terminate()
        process.wait(120)


async def test_a_hundred_requests_at_once_are_a_hundred_records_and_none_is_merged(function: Function) -> None:
    function.stub.play([Answer("ok")])

    async def ask(number: int) -> tuple[str, int]:
        customer = function.customers[number % len(function.customers)]
        name, body = (
            ("send", {"message": f"question {number}"}),
            ("stream", {"message": f"question {number}"}),
            ("send", {"message": ""}),
            ("nowhere", {}),
        )[number // 4 % 4]
        path = f"/api/v1/chat/{customer.slug}/{name}"
        response = await function.http.post(path, json=body, headers=customer.headers)
        return response.headers["x-request-id"], response.status_code

    # Warm, so that the wave is not taken for guesses at API keys.
    for number in range(4):
        assert (await ask(number))[1] == 200
    asked = dict(await asyncio.gather(*(ask(number) for number in range(100))))
    assert len(asked) == 100
    assert set(asked.values()) == {200, 422, 404}
    finished = await function.finished(asked)
    assert {record["request_id"]: record["status"] for record in finished} == asked
    assert len(finished) == 100
    turns = function.turns(asked)
    assert len(turns) == len({record["request_id"] for record in turns}) == 52
    slugs = {customer.slug for customer in function.customers}
    assert {record["logging.googleapis.com/labels"]["org"] for record in turns} == slugs


async def test_a_planted_secret_is_in_no_record(function: Function) -> None:
    customer = function.customers[0]
    slug, headers = customer.slug, customer.headers
    base = f"/api/v1/chat/{slug}"

    asked: list[str] = []

    async def post(path: str, body: Any, extra: dict[str, str] | None = None) -> int:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        response = await function.http.post(path, content=content, headers=headers | (extra or {}))
        asked.append(response.headers["x-request-id"])
        return response.status_code

    question = {"message": f"What is {PLANTED}?"}
    function.stub.play(as_a_model)
    assert await post(f"{base}/send", question) == 200
    function.stub.play([Answer(f"It is {PLANTED}.")])
    assert await post(f"{base}/stream", question) == 200
    for answer in (Answer(status=401, error=PLANTED), Answer(status=500, error=PLANTED), Answer(fault="malformed")):
        function.stub.play([answer])
        assert await post(f"{base}/send", question) >= 422
    function.stub.play([Answer("ok")])
    for name in ("traceparent", "X-Cloud-Trace-Context", "User-Agent", "Referer", "X-Request-Id", "Authorization",
                 "Function-Execution-Id", "Cookie", "X-Forwarded-For", "tracestate", "Accept", "Origin"):  # fmt: skip
        assert await post(f"{base}/send", question, {name: PLANTED}) == 200, name
        assert await post(f"{base}/send", question, {name: f"00-{TRACE}-{PLANTED}-01"}) == 200, name
    assert await post(f"{base}/send", question, {"X-API-Key": PLANTED}) == 401
    for body in (
        b"{" + PLANTED.encode(),
        [PLANTED],
        {"message": {PLANTED: 1}},
        {"message": "hi", "message_id": PLANTED},
    ):
        await post(f"{base}/send", body)
    assert await post(f"{base}/send", {"message": "hi", "conversation_id": PLANTED}) == 404
    assert await post(f"{base}/send?key={PLANTED}", question) == 200
    assert await post(f"/{PLANTED}", question) == 404
    assert await post(f"{base}/{PLANTED}", question) == 404
    planted_slug = PLANTED.replace("-", "_")
    assert await post(f"/api/v1/chat/{planted_slug}/send", question, {"X-Org-Slug": planted_slug}) == 403
    assert (await function.http.request("PURGE", f"{base}/send")).status_code == 405
    assert len(await function.finished(asked)) == len(asked) > 30
    written = function.output.read_text() + function.errors.read_text()
    for secret in (PLANTED, planted_slug, customer.key, headers["X-API-Key"], "planted"):
        assert secret not in written, next(line for line in written.splitlines() if secret in line)
    assert "Traceback" not in written


async def test_a_request_and_its_turn_are_told_in_full(function: Function) -> None:
    customer = next(each for each in function.customers if each.provider == "openai")
    headers = customer.headers | {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
    path = f"/api/v1/chat/{customer.slug}/send"
    function.stub.play(as_a_model)
    response = await function.http.post(path, json={"message": f"hello {uuid.uuid4()}"}, headers=headers)
    assert response.status_code == 200
    asked = [response.headers["x-request-id"]]
    (request,) = await function.finished(asked)
    assert request["httpRequest"] == {
        "requestMethod": "POST",
        "requestUrl": "/api/v1/chat/{org_slug}/send",
        "status": 200,
        "latency": request["httpRequest"]["latency"],
        "responseSize": str(len(response.content)),
    }
    assert (request["route"], request["finish"], request["org"]) == ("send", "ok", customer.slug)
    (turn,) = function.turns(asked)
    for record in (request, turn):
        assert record["severity"] == "INFO"
        assert record["request_id"] == response.headers["x-request-id"]
        assert record["logging.googleapis.com/trace"] == f"projects/local-dev-project/traces/{TRACE}"
        assert record["logging.googleapis.com/spanId"] == "00f067aa0ba902b7"
        assert record["logging.googleapis.com/labels"] == {"org": customer.slug, "function": "send"}
    assert (turn["finish"], turn["model_calls"], turn["tool_calls"]) == ("ok", 3, 1)
    assert (turn["input_tokens"], turn["output_tokens"]) == (21, 9)
    # gpt-4o-mini: 0.15 and 0.60 dollars for a million tokens.
    assert turn["estimated_cost_usd"] == pytest.approx(21 * 0.15e-6 + 9 * 0.6e-6, abs=1e-6)
    stages = [turn[name] for name in ("read_ms", "key_ms", "question_ms", "model_ms", "tools_ms", "answer_ms")]
    assert all(stage >= 0 for stage in stages)
    assert turn["read_ms"] + turn["key_ms"] <= turn["first_token_ms"] + 2
    assert turn["first_token_ms"] <= turn["latency_ms"] <= request["duration_ms"]
