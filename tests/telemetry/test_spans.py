"""Spans over OTLP, as a receiver gets them: rightly parented, with allowed attributes only, and none by default."""

import asyncio
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from common import settings as settings_module
from common.app import Services
from common.errors import ProviderUnavailable
from common.settings import Settings, load_settings
from common.telemetry import otel as otel_module
from common.telemetry.log import Log
from common.telemetry.otel import OtelTracer
from common.telemetry.tracing import ATTRIBUTES, NO_SPAN, named, span
from tests.clients.conftest import Product, Serving
from tests.fakes.scripted_model import ScriptedModel, call_tool, say
from tests.telemetry.conftest import Receiver

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER = "00f067aa0ba902b7"
SECRET = "planted-secret-0123456789"
TOOL_ANSWER = [call_tool("query_costs", group_by="provider"), say("You spent it.")]


@dataclass
class Traced:
    """The product with a tracer, and what it sends."""

    product: Product
    tracer: OtelTracer
    receiver: Receiver
    logs: io.StringIO

    async def send(self, traceparent: str = f"00-{TRACE}-{CALLER}-01") -> httpx.Response:
        headers = self.product.headers() | {"traceparent": traceparent}
        body = {"message": f"What did we spend? {SECRET}"}
        async with httpx.AsyncClient(timeout=120) as client:
            response = await client.post(self.product.address("send"), json=body, headers=headers)
        # The exporter sends from a thread, to this event loop.
        await asyncio.to_thread(self.tracer.flush)
        return response

    def logged(self, event: str) -> list[dict[str, object]]:
        records = [json.loads(line) for line in self.logs.getvalue().splitlines()]
        return [record for record in records if record["message"] == event]


@asynccontextmanager
async def traced(
    serving: Serving, receiver: Receiver, model: ScriptedModel, **changed: object
) -> AsyncIterator[Traced]:
    logs = io.StringIO()
    log = Log("DEBUG", logs, "a-project")
    settings = load_settings().model_copy(update=changed or {"otel_exporter_otlp_endpoint": receiver.url})
    tracer = OtelTracer(settings, log)
    try:
        yield Traced(await serving(model, tracer=tracer, log=log), tracer, receiver, logs)
    finally:
        await asyncio.to_thread(tracer.close)


async def test_a_turn_is_one_trace_below_its_caller(serving: Serving, receiver: Receiver) -> None:
    async with traced(serving, receiver, ScriptedModel(TOOL_ANSWER)) as stage:
        assert (await stage.send()).status_code == 200
    (request,) = receiver.named("POST /api/v1/chat/{org_slug}/send")
    assert (request.trace_id.hex(), request.parent_span_id.hex()) == (TRACE, CALLER)
    assert request.kind == Span.SPAN_KIND_SERVER
    assert {each.trace_id.hex() for each in receiver.spans} == {TRACE}
    (turn,) = receiver.named("turn")
    (tool,) = receiver.named("tool.call")
    parents = {each.name: {found.parent_span_id for found in receiver.named(each.name)} for each in receiver.spans}
    assert parents["firestore.get_all"] == parents["kms.decrypt"] == parents["turn"] == {request.span_id}
    assert parents["model.call"] == parents["tool.call"] == {turn.span_id}
    # An organisation that is met for the first time is copied to Firestore by the request itself.
    assert {turn.span_id} <= parents["firestore.commit"] <= {turn.span_id, request.span_id}
    assert parents["bigquery.query"] == {tool.span_id}
    assert len(receiver.named("model.call")) == 2
    for each in receiver.spans:
        assert request.start_time_unix_nano <= each.start_time_unix_nano <= each.end_time_unix_nano


async def test_spans_carry_allowed_attributes_only_and_no_text(serving: Serving, receiver: Receiver) -> None:
    async with traced(serving, receiver, ScriptedModel(TOOL_ANSWER)) as stage:
        await stage.send()
    found = {attribute.key for each in receiver.spans for attribute in each.attributes}
    assert found <= set(ATTRIBUTES.values())
    assert {"http.route", "gen_ai.tool.name", "chat.bytes_billed", "gen_ai.usage.input_tokens", "chat.finish"} <= found
    assert not [each.name for each in receiver.spans if each.events or each.links or each.status.message]
    for secret in (SECRET, "demo-acme-key", "You spent it", "SELECT"):
        assert not [body for body in receiver.bodies if secret.encode() in body]


async def test_a_failure_is_marked_by_its_code_and_never_by_its_text(serving: Serving, receiver: Receiver) -> None:
    async with traced(serving, receiver, ScriptedModel([ProviderUnavailable(SECRET)])) as stage:
        assert (await stage.send()).status_code == 503
    (call,) = receiver.named("model.call")
    assert call.status.code == Status.STATUS_CODE_ERROR
    assert {each.key: each.value.string_value for each in call.attributes}["error.type"] == "provider_unavailable"
    (request,) = receiver.named("POST /api/v1/chat/{org_slug}/send")
    assert request.status.code == Status.STATUS_CODE_ERROR
    assert not [body for body in receiver.bodies if SECRET.encode() in body]


async def test_the_records_of_a_traced_request_name_its_span(serving: Serving, receiver: Receiver) -> None:
    async with traced(serving, receiver, ScriptedModel([say("ok")])) as stage:
        await stage.send()
        (record,) = stage.logged("request.finished")
    (request,) = receiver.named("POST /api/v1/chat/{org_slug}/send")
    assert record["logging.googleapis.com/trace"] == f"projects/a-project/traces/{TRACE}"
    assert record["logging.googleapis.com/spanId"] == request.span_id.hex()


async def test_what_the_caller_does_not_sample_is_not_sent(serving: Serving, receiver: Receiver) -> None:
    async with traced(serving, receiver, ScriptedModel([say("ok")])) as stage:
        assert (await stage.send(f"00-{TRACE}-{CALLER}-00")).status_code == 200
        assert receiver.bodies == []
        await stage.send()
    assert len(receiver.named("turn")) == 1


async def test_a_request_without_a_trace_begins_one(serving: Serving, receiver: Receiver) -> None:
    async with traced(serving, receiver, ScriptedModel([say("ok")])) as stage:
        await stage.send("00-not-a-trace-01")
    (request,) = receiver.named("POST /api/v1/chat/{org_slug}/send")
    assert request.parent_span_id == b""
    assert {each.trace_id for each in receiver.spans} == {request.trace_id}


async def test_a_receiver_that_refuses_costs_no_answer_and_is_told_of_once(
    serving: Serving, receiver: Receiver
) -> None:
    receiver.status = 400
    async with traced(serving, receiver, ScriptedModel([say("ok")])) as stage:
        assert (await stage.send()).status_code == 200
        assert (await stage.send()).status_code == 200
        assert len(stage.logged("tracing.failed")) == 1
        receiver.status = 200
        await stage.send()
        assert len(stage.logged("tracing.recovered")) == 1


async def test_cloud_trace_gets_spans_as_the_functions_own_account(
    serving: Serving, receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Cloud Trace's address is the one thing that is not as it will be.
    for module in (settings_module, otel_module):
        monkeypatch.setattr(module, "CLOUD_TRACE", f"{receiver.url}/v1/traces")
    private_key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    account = {
        "type": "service_account",
        "client_email": "send@a-project.iam.gserviceaccount.com",
        "private_key": private_key.decode(),
        "token_uri": f"{receiver.url}/token",
    }
    (tmp_path / "account.json").write_text(json.dumps(account))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "account.json"))
    async with traced(serving, receiver, ScriptedModel([say("ok")]), tracing="cloud") as stage:
        assert (await stage.send()).status_code == 200
    assert receiver.authorizations == {"Bearer granted"}
    (resource,) = {each.resource.SerializeToString() for each in receiver.resources}
    assert b"gcp.project_id" in resource
    assert b"local-dev-project" in resource


async def test_without_credentials_only_the_spans_are_lost(
    serving: Serving, receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    async with traced(serving, receiver, ScriptedModel([say("ok")]), tracing="cloud") as stage:
        assert (await stage.send()).status_code == 200
        (failed,) = stage.logged("tracing.failed")
    assert (failed["severity"], failed["error_class"]) == ("WARNING", "DefaultCredentialsError")


def test_without_a_receiver_a_span_is_one_shared_object() -> None:
    with span("turn", org="acme_inc") as first, span("tool.call", leaf=True) as second:
        assert first is second is NO_SPAN


def test_an_attribute_that_is_not_allowed_is_refused() -> None:
    with pytest.raises(ValueError, match="api_key"):
        named({"api_key": "sk-secret"})


def test_without_a_receiver_there_is_no_tracer() -> None:
    assert Services(Settings()).tracer is None
