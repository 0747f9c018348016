"""An answer that another request of its person cancels: its stream ends, what was said is kept, on any instance."""

import asyncio
import json
import uuid
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import httpx
import pytest

from common import limits
from common.app import Services
from common.conversations.cancelling import Cancel
from common.errors import NothingToCancel
from common.identity.authenticate import Credentials, read_credentials
from common.models.completion import ModelCall, Reply
from common.settings import load_settings
from common.tenant import Principal
from common.transcript.conversation import Conversation
from common.transcript.message import Message
from common.turn.progress import STOPPED
from tests.clients.conftest import HeldModel, Product, Serving
from tests.fakes.scripted_model import ScriptedModel, call_tool, say

Said = tuple[str, dict[str, Any]]
TOOL = call_tool("query_costs", group_by="provider")


class SilentModel(ScriptedModel):
    """Plays its steps, and then is listened to in vain."""

    async def stream(self, call: ModelCall) -> AsyncGenerator[str | Reply, None]:
        if len(self.calls) >= len(self.steps):
            self.calls.append(call)
            await asyncio.Event().wait()
        async with aclosing(super().stream(call)) as pieces:
            async for piece in pieces:
                yield piece


@asynccontextmanager
async def streaming(product: Product, path: str = "stream", **body: Any) -> AsyncIterator[AsyncIterator[Said]]:
    """The events of an answer, as they come."""
    async with (
        httpx.AsyncClient(timeout=60, headers=product.headers()) as http,
        http.stream("POST", product.address(path), json={"message": "Count.", **body}) as response,
    ):
        yield _events(response)


async def _events(response: httpx.Response) -> AsyncIterator[Said]:
    name = ""
    async for line in response.aiter_lines():
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))


async def until(events: AsyncIterator[Said], name: str) -> dict[str, Any]:
    """Read on to an event of this name."""
    async for each, data in events:
        if each == name:
            return data
    raise AssertionError(f"no {name}")


async def cancel(product: Product, conversation_id: str, user: str = "u1", **body: Any) -> httpx.Response:
    async with httpx.AsyncClient(timeout=60, headers=product.headers(user=user)) as http:
        address = product.address(f"conversations/{conversation_id}/cancel")
        return await http.post(address, json=body or None)


async def test_an_answer_is_cancelled_and_its_stream_ends(serving: Serving) -> None:
    product: Product = await serving(HeldModel([say("one two"), say("fine")]))
    async with streaming(product) as events:
        started = await until(events, "start")
        await until(events, "token")
        answered = await cancel(product, started["conversation_id"])
        done = await until(events, "done")
        rest = [name async for name, _ in events]
    assert answered.status_code == 200
    assert answered.json() == {"status": "cancelled", **started}
    assert (done["finish"], done["message_id"], rest) == ("cancelled", started["message_id"], [])
    _, stored = product.messages(started["conversation_id"])
    assert (stored["content"], stored["status"], stored["finish"]) == ("one ", "cancelled", "cancelled")
    assert product.conversation(started["conversation_id"])["lease"] is None
    late = await cancel(product, started["conversation_id"])
    assert (late.status_code, late.json()["code"]) == (409, "nothing_to_cancel")
    async with streaming(product, conversation_id=started["conversation_id"]) as events:
        assert (await until(events, "done"))["finish"] == "stop"


async def test_only_the_answer_that_is_named_is_cancelled(serving: Serving) -> None:
    product: Product = await serving(HeldModel([say("one two")]))
    question = str(uuid.uuid4())
    async with streaming(product, message_id=question) as events:
        started = await until(events, "start")
        await until(events, "token")
        for named in (str(uuid.uuid4()), "../x", "x" * 3000):
            other = await cancel(product, started["conversation_id"], message_id=named)
            assert (other.status_code, other.json()["code"]) == (409, "nothing_to_cancel")
        wrong = await cancel(product, started["conversation_id"], messageId=question)
        assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid_body")
        assert (await cancel(product, started["conversation_id"], message_id=question)).status_code == 200
        assert (await until(events, "done"))["finish"] == "cancelled"


async def test_an_answer_is_its_own_persons_to_cancel(serving: Serving) -> None:
    product: Product = await serving(HeldModel([say("one two")]))
    async with streaming(product) as events:
        started = await until(events, "start")
        await until(events, "token")
        refused = await cancel(product, started["conversation_id"], user="somebody")
        assert (refused.status_code, refused.json()["code"]) == (404, "conversation_not_found")
        nothing = await cancel(product, str(uuid.uuid4()))
        assert (nothing.status_code, nothing.json()["code"]) == (404, "conversation_not_found")
        assert not product.conversation(started["conversation_id"])["lease"].get("is_cancelled")
        assert (await cancel(product, started["conversation_id"])).status_code == 200


@pytest.mark.parametrize("steps", [[], [TOOL]], ids=["no word", "a tool"])
async def test_an_answer_without_a_word_is_cancelled_for_good(serving: Serving, steps: list[Reply]) -> None:
    product: Product = await serving(SilentModel(steps))
    question = str(uuid.uuid4())
    async with streaming(product, message_id=question) as events, streaming(product, message_id=question) as joined:
        started = await until(events, "start")
        while len(product.model.calls) <= len(steps):  # noqa: ASYNC110  the model has no event
            await asyncio.sleep(0.01)
        assert (await cancel(product, started["conversation_id"])).status_code == 200
        assert (await until(events, "done"))["finish"] == "cancelled"
        # Who asked for the same answer meanwhile is told too.
        assert (await until(joined, "done"))["finish"] == "cancelled"
    _, stored = product.messages(started["conversation_id"])
    assert (stored["status"], stored["message_id"]) == ("cancelled", started["message_id"])
    assert stored["content"].startswith(STOPPED)
    assert ("query_costs" in stored["content"]) == bool(steps)
    asked = len(product.model.calls)
    async with streaming(product, message_id=question) as events:
        assert (await until(events, "token"))["text"] == stored["content"]
    assert len(product.model.calls) == asked


async def test_the_message_that_waits_for_json_is_told_what_was_said(serving: Serving) -> None:
    product: Product = await serving(HeldModel([say("one two")]))
    async with streaming(product) as events:
        first = await until(events, "start")
        await until(events, "token")
        await cancel(product, first["conversation_id"])
    product.model.calls.clear()
    conversation_id = first["conversation_id"]
    async with httpx.AsyncClient(timeout=60, headers=product.headers()) as http:
        body = {"message": "Count.", "conversation_id": conversation_id}
        sending = asyncio.create_task(http.post(product.address("send"), json=body))
        while (await cancel(product, conversation_id)).status_code == 409:  # noqa: ASYNC110  in another task
            await asyncio.sleep(0.05)
        said = (await sending).json()
    assert said["finish"] == "cancelled"
    assert said["response"] == product.messages(conversation_id)[-1]["content"]


def another_instance() -> Services:
    return Services(load_settings(), model=ScriptedModel([]))


def claim(product: Product) -> Credentials:
    return read_credentials({name.lower(): value for name, value in product.headers().items()}, None)


async def closed(services: Services) -> None:
    await services.documents.close()
    services.warehouse.close()


async def test_another_instance_cancels(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LEASE_RENEW_SECONDS", 0.5)
    product: Product = await serving(HeldModel([say("one two")]))
    other = another_instance()
    async with streaming(product) as events:
        started = await until(events, "start")
        await until(events, "token")
        answered = await other.cancellations.cancel(claim(product), started["conversation_id"], Cancel())
        assert (await until(events, "done"))["finish"] == "cancelled"
    assert answered == {"status": "cancelled", **started}
    await closed(other)


async def test_an_instance_that_is_gone_holds_nobody_up(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    product: Product = await serving(ScriptedModel([say("one"), say("two")]))
    async with streaming(product) as events:
        conversation_id = (await until(events, "done"))["conversation_id"]
    services = product.services
    found = await services.lookup.find(claim(product), conversation_id)
    await _begun(services, found.principal, found.conversation)
    other = another_instance()
    cancelling = asyncio.create_task(other.cancellations.cancel(claim(product), conversation_id, Cancel()))
    async with asyncio.timeout(60):
        while not product.conversation(conversation_id)["lease"].get("is_cancelled"):  # noqa: ASYNC110  another task's
            await asyncio.sleep(0.01)
    # Now the time is over that the lease has from one word of its instance to the next.
    monkeypatch.setattr(limits, "LEASE_SECONDS", 0.0)
    answered = await cancelling
    assert (answered["status"], answered["message_id"]) == ("cancelled", "a-1")
    assert product.conversation(conversation_id)["lease"] is None
    with pytest.raises(NothingToCancel):
        await other.cancellations.cancel(claim(product), conversation_id, Cancel())
    monkeypatch.undo()
    async with streaming(product, conversation_id=conversation_id) as events:
        assert (await until(events, "done"))["finish"] == "stop"
    await closed(other)


async def _begun(services: Services, principal: Principal, conversation: Conversation) -> None:
    """A turn begins, and nothing is heard of it any more."""
    question = Message("q-1", "user", "Count.", services.clock(), sequence=conversation.message_count)
    await services.store.begin(principal, conversation, question, "gone", answer_id="a-1")


async def test_a_cancelled_answer_that_was_renamed_meanwhile_is_still_cancelled(serving: Serving) -> None:
    product: Product = await serving(HeldModel([say("one two")]))
    other = another_instance()
    async with streaming(product) as events:
        started = await until(events, "start")
        await until(events, "token")
        conversation_id = started["conversation_id"]
        found = await other.lookup.find(claim(product), conversation_id)
        await other.store.cancel(found.principal, found.conversation)
        async with httpx.AsyncClient(headers=product.headers(), timeout=120) as http:
            await http.patch(product.address(f"conversations/{conversation_id}/rename"), json={"title": "Counting"})
        # The lease is renewed in its own time, and the mark is still there.
        assert (await until(events, "done"))["finish"] == "cancelled"
    assert product.conversation(conversation_id)["title"] == "Counting"
    await closed(other)


async def test_a_run_over_copilotkits_endpoint_is_stopped(serving: Serving) -> None:
    product: Product = await serving(HeldModel([say("one two")]))
    thread, run = f"t-{uuid.uuid4().hex[:8]}", str(uuid.uuid4())
    asked = {"threadId": thread, "runId": run, "messages": [{"id": "m", "role": "user", "content": "Count."}]}
    async with (
        httpx.AsyncClient(timeout=60, headers=product.headers()) as http,
        http.stream("POST", product.address("copilotkit"), json=asked) as response,
    ):

        async def stop(headers: dict[str, str] | None = None, **more: Any) -> Any:
            params = {"agentId": "default", "threadId": thread}
            body = {"method": "agent/stop", "params": params, **more}
            return (await http.post(product.address("copilotkit"), json=body, headers=headers or {})).json()

        seen: list[dict[str, Any]] = []
        async for line in response.aiter_lines():
            if not line.startswith("data: "):
                continue
            seen.append(json.loads(line.removeprefix("data: ")))
            if seen[-1]["type"] == "TEXT_MESSAGE_CONTENT":
                assert (await stop({"X-User-Id": "somebody"}))["stopped"] is False
                assert (await stop(body={"runId": "another"}))["stopped"] is False
                assert (await stop(body={"runId": run})) == {"stopped": True}
        assert (await stop())["stopped"] is False
        assert (await http.post(product.address("copilotkit"), json={"method": "agent/stop"})).status_code == 422
    assert seen[-1]["type"] == "RUN_FINISHED"
    assert seen[-1]["result"]["finish"] == "cancelled"
