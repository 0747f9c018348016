"""The Python A2A resolver and client, as 1.0 and as 0.3, against the function."""

import asyncio
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Any

import httpx
import pytest
from a2a.client import A2ACardResolver, ClientConfig, ClientFactory
from a2a.client.errors import A2AClientError
from a2a.compat.v0_3.jsonrpc_transport import CompatJsonRpcTransport
from a2a.helpers import get_data_parts, get_message_text, get_text_parts, new_data_part, new_text_message
from a2a.types import (
    AgentCard,
    CancelTaskRequest,
    GetTaskRequest,
    Message,
    Role,
    SendMessageRequest,
    StreamResponse,
    TaskState,
)
from a2a.utils.errors import A2AError, TaskNotCancelableError, TaskNotFoundError
from a2a.utils.proto_utils import validate_proto_required_fields

from common.errors import ProviderUnavailable
from common.models.completion import ModelCall, Reply
from tests.clients.conftest import HeldModel, Product, Serving
from tests.fakes.scripted_model import ScriptedModel, Step, call_tool, say, transfer
from tests.turn.test_consulting import play as consulting


class TalkedToModel(ScriptedModel):
    """Says when its last answer is asked for, and gives it once that may be heard."""

    def __init__(self, steps: Sequence[Step]) -> None:
        super().__init__(steps)
        self.last_is_asked, self.last_is_heard = asyncio.Event(), asyncio.Event()

    async def stream(self, call: ModelCall) -> AsyncGenerator[str | Reply, None]:
        if len(self.calls) == len(self.steps) - 1:
            self.last_is_asked.set()
            await self.last_is_heard.wait()
        async with aclosing(super().stream(call)) as pieces:
            async for piece in pieces:
                yield piece


QUESTION = [call_tool("query_costs", group_by="provider"), say("Here it is.")]


async def resolved(http: httpx.AsyncClient, url: str, path: str = ".well-known/agent-card.json") -> AgentCard:
    return await A2ACardResolver(http, url, path).get_agent_card()


def only(card: AgentCard, version: str) -> AgentCard:
    """The card as a client sees it that speaks one version."""
    chosen = AgentCard()
    chosen.CopyFrom(card)
    del chosen.supported_interfaces[:]
    chosen.supported_interfaces.extend(each for each in card.supported_interfaces if each.protocol_version == version)
    return chosen


async def told(
    http: httpx.AsyncClient, card: AgentCard, text: str, *, streaming: bool = False, **fields: Any
) -> list[StreamResponse]:
    """Ask with the SDK's client, and return everything it is told."""
    client = ClientFactory(ClientConfig(streaming=streaming, httpx_client=http)).create(card)
    message = new_text_message(text, role=Role.ROLE_USER)
    data = fields.pop("data", None)
    if data is not None:
        message.parts.append(new_data_part(data))
    for name, value in fields.items():
        setattr(message, name, value)
    return [each async for each in client.send_message(SendMessageRequest(message=message))]


async def ask(http: httpx.AsyncClient, card: AgentCard, text: str, **fields: Any) -> Message:
    """Ask, and return the one message of the answer."""
    (answer,) = await told(http, card, text, **fields)
    assert answer.HasField("message")
    return answer.message


@pytest.mark.parametrize("path", [".well-known/agent-card.json", ".well-known/agent.json"])
async def test_the_card_is_resolved_from_both_well_known_paths(serving: Serving, path: str) -> None:
    product: Product = await serving()
    async with httpx.AsyncClient(timeout=120) as http:
        card = await resolved(http, product.url, path)
        own = await resolved(http, product.address("a2a"), path)
    validate_proto_required_fields(card)
    assert {(each.protocol_version, each.url) for each in card.supported_interfaces} == {
        ("1.0", f"{product.url}/a2a"), ("0.3", f"{product.url}/a2a"),
    }  # fmt: skip
    assert {each.url for each in own.supported_interfaces} == {product.address("a2a")}
    roster = product.services.skills.roster
    assert [skill.id for skill in card.skills] == [agent.name for agent in roster.specialists]
    assert card.security_schemes["X-API-Key"].api_key_security_scheme.name == "X-API-Key"
    assert card.capabilities.streaming


async def test_the_card_reads_as_version_0_3_too(serving: Serving) -> None:
    from a2a.compat.v0_3.types import AgentCard as OldCard

    product: Product = await serving()
    async with httpx.AsyncClient(timeout=120) as http:
        body = (await http.get(f"{product.url}/.well-known/agent.json")).json()
    card = OldCard.model_validate(body)
    assert card.url == f"{product.url}/a2a"
    assert card.preferred_transport == "JSONRPC"
    assert card.skills
    assert card.security_schemes


async def test_the_card_names_the_public_address(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBLIC_URL", "https://chat.example.com/")
    product: Product = await serving()
    async with httpx.AsyncClient(timeout=120) as http:
        card = await resolved(http, product.url)
    assert card.supported_interfaces[0].url == "https://chat.example.com/a2a"


async def test_the_card_follows_the_scheme_that_a_proxy_names(serving: Serving) -> None:
    product: Product = await serving()
    for forwarded, scheme in (("https", "https"), ("javascript", "http")):
        async with httpx.AsyncClient(headers={"X-Forwarded-Proto": forwarded}, timeout=120) as http:
            card = await resolved(http, product.url)
        assert card.supported_interfaces[0].url.startswith(f"{scheme}://127.0.0.1:")


@pytest.mark.parametrize("version", ["1.0", "0.3"])
async def test_a_question_is_answered_with_one_message(serving: Serving, version: str) -> None:
    product: Product = await serving(ScriptedModel(QUESTION))
    async with httpx.AsyncClient(headers=product.headers(), timeout=120) as http:
        card = only(await resolved(http, product.url), version)
        answer = await ask(http, card, "What did we spend?")
    assert get_message_text(answer) == "Here it is. "
    assert answer.role == Role.ROLE_AGENT
    assert answer.metadata["agent_name"] == "CostAnalyst"
    (data,) = get_data_parts(answer.parts)
    assert data["rows"]
    assert "query" not in data
    assert data["sql"].startswith("WITH")
    assert data["chart"]["mark"] or data["chart"]["layer"]
    stored = product.messages(answer.context_id)
    assert [message["content"] for message in stored] == ["What did we spend?", "Here it is. "]
    assert stored[1]["message_id"] == answer.message_id


@pytest.mark.parametrize("version", ["1.0", "0.3"])
async def test_a_stream_brings_text_as_it_comes_and_rows_as_data(serving: Serving, version: str) -> None:
    product: Product = await serving(ScriptedModel([*QUESTION[:1], say("Here it all is.")]))
    async with httpx.AsyncClient(headers=product.headers(), timeout=120) as http:
        card = only(await resolved(http, product.url), version)
        updates = await told(http, card, "What did we spend?", streaming=True)
        first, last = updates[0].task, updates[-1].status_update
        assert first.status.state == TaskState.TASK_STATE_WORKING
        assert last.status.state == TaskState.TASK_STATE_COMPLETED
        assert last.metadata["agent_name"] == "CostAnalyst"
        pieces = [each.artifact_update for each in updates if each.HasField("artifact_update")]
        assert {each.task_id for each in pieces} == {first.id, last.task_id}
        text = [each for each in pieces if each.artifact.artifact_id == "answer"]
        assert [get_text_parts(each.artifact.parts)[0] for each in text] == ["Here ", "it ", "all ", "is. "]
        assert [each.append for each in text] == [False, True, True, True]
        (rows,) = [each.artifact for each in pieces if each.artifact.artifact_id != "answer"]
        assert rows.name == "query_costs"
        (data,) = get_data_parts(rows.parts)
        assert data["rows"]
        assert data["sql"]
        assert data["chart"]
        task = await ClientFactory(ClientConfig(httpx_client=http)).create(card).get_task(GetTaskRequest(id=first.id))
    assert task.status.state == TaskState.TASK_STATE_COMPLETED
    assert [each.name for each in task.artifacts] == ["answer", "query_costs"]
    assert get_text_parts(task.artifacts[0].parts) == ["Here it all is. "]


async def test_a_stream_tells_of_the_specialists_that_are_consulted(serving: Serving) -> None:
    product: Product = await serving(ScriptedModel([consulting]))
    async with httpx.AsyncClient(headers=product.headers(), timeout=120) as http:
        card = only(await resolved(http, product.url), "1.0")
        updates = await told(http, card, "Both, please.", streaming=True)
        task_id = updates[0].task.id
        task = await ClientFactory(ClientConfig(httpx_client=http)).create(card).get_task(GetTaskRequest(id=task_id))
    states = [each.status_update.status for each in updates if each.HasField("status_update")]
    said = [get_text_parts(each.message.parts)[0] for each in states[:-1]]
    assert said[:2] == ["UsageAnalyst was asked.", "AlertManager was asked."]
    assert sorted(said[2:]) == ["AlertManager answered.", "UsageAnalyst answered."]
    assert {each.state for each in states[:-1]} == {TaskState.TASK_STATE_WORKING}
    assert states[-1].state == TaskState.TASK_STATE_COMPLETED
    assert sorted(each.name for each in task.artifacts) == ["answer", "list_alerts", "top_consumers"]


async def cancelled_half_way(
    http: httpx.AsyncClient, card: AgentCard, cancelling: Callable[[str], Awaitable[Any]]
) -> tuple[list[StreamResponse], Any]:
    """Ask as events, cancel at the first word, and return all that the stream said and what the cancelling answered."""
    client = ClientFactory(ClientConfig(streaming=True, httpx_client=http)).create(card)
    request = SendMessageRequest(message=new_text_message("Count.", role=Role.ROLE_USER))
    updates: list[StreamResponse] = []
    answer: asyncio.Task[Any] | None = None
    async for update in client.send_message(request):
        updates.append(update)
        if update.HasField("artifact_update") and answer is None:
            answer = asyncio.ensure_future(cancelling(updates[0].task.id))
    assert answer is not None
    return updates, await answer


@pytest.mark.parametrize("version", ["1.0", "0.3"])
async def test_a_task_at_work_is_cancelled(serving: Serving, version: str) -> None:
    product: Product = await serving(HeldModel([say("one two"), say("fine")]))
    async with httpx.AsyncClient(headers=product.headers(), timeout=60) as http:
        card = only(await resolved(http, product.url), version)
        client = ClientFactory(ClientConfig(httpx_client=http)).create(card)
        seen: list[TaskState] = []

        async def cancel(its_id: str) -> Any:
            seen.append((await client.get_task(GetTaskRequest(id=its_id))).status.state)
            return await client.cancel_task(CancelTaskRequest(id=its_id))

        updates, task = await cancelled_half_way(http, card, cancel)
        assert seen == [TaskState.TASK_STATE_WORKING]
        assert task.status.state == TaskState.TASK_STATE_CANCELED
        assert get_text_parts(task.artifacts[0].parts) == ["one "]
        last = updates[-1].status_update
        assert (last.task_id, last.status.state) == (task.id, TaskState.TASK_STATE_CANCELED)
        again = await client.get_task(GetTaskRequest(id=task.id))
        assert again == task
        with pytest.raises(TaskNotCancelableError):
            await client.cancel_task(CancelTaskRequest(id=task.id))
        await ask(http, card, "and now?", context_id=task.context_id)
    told = [message["content"] for message in product.model.calls[1].messages if message["role"] == "assistant"]
    assert told == ["one \n\n[The user stopped this answer here.]"]
    assert [each["status"] for each in product.messages(task.context_id)[1::2]] == ["cancelled", "complete"]


async def test_a_task_is_cancelled_by_its_own_person_alone(serving: Serving) -> None:
    product: Product = await serving(HeldModel([say("one two")]))
    others = [product.headers(user="somebody"), product.headers("globex_inc")]
    async with httpx.AsyncClient(headers=product.headers(), timeout=60) as http:
        card = await resolved(http, product.url)

        async def cancel(its_id: str) -> Any:
            conversation_id = its_id.partition(".")[0]
            for headers in others:
                async with httpx.AsyncClient(headers=headers, timeout=120) as other:
                    client = ClientFactory(ClientConfig(httpx_client=other)).create(card)
                    for named in (its_id, f"{conversation_id}.{uuid.uuid4()}", "none", "a.b"):
                        with pytest.raises(TaskNotFoundError):
                            await client.cancel_task(CancelTaskRequest(id=named))
            client = ClientFactory(ClientConfig(httpx_client=http)).create(card)
            with pytest.raises(TaskNotFoundError):
                await client.cancel_task(CancelTaskRequest(id=f"{conversation_id}.{uuid.uuid4()}"))
            assert product.conversation(conversation_id)["lease"].get("is_cancelled") is None
            return await client.cancel_task(CancelTaskRequest(id=its_id))

        updates, task = await cancelled_half_way(http, card, cancel)
    assert task.status.state == updates[-1].status_update.status.state == TaskState.TASK_STATE_CANCELED


async def test_a_task_that_ended_cannot_be_cancelled(serving: Serving) -> None:
    product: Product = await serving(ScriptedModel([say("one")]))
    async with httpx.AsyncClient(headers=product.headers(), timeout=120) as http:
        card = await resolved(http, product.url)
        updates = await told(http, card, "Count.", streaming=True)
        client = ClientFactory(ClientConfig(httpx_client=http)).create(card)
        with pytest.raises(TaskNotCancelableError):
            await client.cancel_task(CancelTaskRequest(id=updates[0].task.id))
        task = await client.get_task(GetTaskRequest(id=updates[0].task.id))
    assert task.status.state == TaskState.TASK_STATE_COMPLETED


ALERT = call_tool("create_alert", "call_2", name="Too much", threshold=100, currency="USD")
CHANGE = [transfer("AlertManager"), ALERT, say("As you said.")]


def changes(product: Product, context_id: str) -> list[str]:
    return [row["status"] for row in product.audited() if row["conversation_id"] == context_id]


@pytest.mark.parametrize("version", ["1.0", "0.3"])
@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize(("answer", "status"), [("yes", "success"), ("no", "error"), ("data", "success")])
async def test_a_change_needs_input(serving: Serving, version: str, streaming: bool, answer: str, status: str) -> None:
    product: Product = await serving(ScriptedModel(CHANGE))
    async with httpx.AsyncClient(headers=product.headers(), timeout=120) as http:
        card = only(await resolved(http, product.url), version)
        updates = await told(http, card, "Watch my costs", streaming=streaming)
        last: Any = updates[-1].status_update if streaming else updates[-1].task
        assert last.status.state == TaskState.TASK_STATE_INPUT_REQUIRED
        assert 'Create alert: name "Too much", threshold 100' in get_message_text(last.status.message)
        (data,) = get_data_parts(last.status.message.parts)
        its_id, context_id = last.task_id if streaming else last.id, last.context_id
        client = ClientFactory(ClientConfig(httpx_client=http)).create(card)
        task = await client.get_task(GetTaskRequest(id=its_id))
        assert task.status.state == TaskState.TASK_STATE_INPUT_REQUIRED
        assert changes(product, context_id) == []
        decided = {"approvals": [{"id": each["id"], "approved": True} for each in data["approvals"]]}
        said: dict[str, Any] = {"data": decided} if answer == "data" else {}
        (done,) = await told(http, card, answer, task_id=its_id, context_id=context_id, **said)
        assert get_message_text(done.message) == "As you said. "
        assert changes(product, context_id) == [status]
        assert (await client.get_task(GetTaskRequest(id=its_id))).status.state == TaskState.TASK_STATE_COMPLETED
        with pytest.raises(A2AError, match="Nothing waits"):
            await told(http, card, "yes", task_id=its_id, context_id=context_id)
    assert changes(product, context_id) == [status]


async def test_a_task_that_waits_takes_a_yes_or_a_no_of_its_person_alone(serving: Serving) -> None:
    product: Product = await serving(ScriptedModel(CHANGE))
    async with httpx.AsyncClient(headers=product.headers(), timeout=120) as http:
        card = await resolved(http, product.url)
        task = (await told(http, card, "Watch my costs"))[-1].task
        with pytest.raises(A2AError, match="a yes or a no"):
            await told(http, card, "yes, and another one", task_id=task.id)
    async with httpx.AsyncClient(headers=product.headers(user="somebody"), timeout=120) as http:
        client = ClientFactory(ClientConfig(httpx_client=http)).create(card)
        with pytest.raises(TaskNotFoundError):
            await client.get_task(GetTaskRequest(id=task.id))
        with pytest.raises(TaskNotFoundError):
            await told(http, card, "yes", task_id=task.id)
    assert changes(product, task.context_id) == []


@pytest.mark.parametrize("version", ["1.0", "0.3"])
async def test_a_task_that_waits_for_a_yes_is_cancelled(serving: Serving, version: str) -> None:
    product: Product = await serving(ScriptedModel([*CHANGE[:2], say("Anything else?")]))
    async with httpx.AsyncClient(headers=product.headers(), timeout=120) as http:
        card = only(await resolved(http, product.url), version)
        waiting = (await told(http, card, "Watch my costs"))[-1].task
        client = ClientFactory(ClientConfig(httpx_client=http)).create(card)
        async with httpx.AsyncClient(headers=product.headers(user="somebody"), timeout=120) as other:
            with pytest.raises(TaskNotFoundError):
                await (
                    ClientFactory(ClientConfig(httpx_client=other))
                    .create(card)
                    .cancel_task(CancelTaskRequest(id=waiting.id))
                )
        task = await client.cancel_task(CancelTaskRequest(id=waiting.id))
        assert task.status.state == TaskState.TASK_STATE_CANCELED
        with pytest.raises(A2AError, match="Nothing waits"):
            await told(http, card, "yes", task_id=task.id)
        with pytest.raises(TaskNotCancelableError):
            await client.cancel_task(CancelTaskRequest(id=task.id))
        said = [(message["role"], message["status"]) for message in product.messages(waiting.context_id)]
        assert said == [("user", "complete"), ("assistant", "complete"), ("assistant", "cancelled")]
        assert changes(product, waiting.context_id) == ["error"]
        assert (await told(http, card, "yes", context_id=waiting.context_id))[0].HasField("message")
        await product.forget(waiting.context_id)
        again = await client.get_task(GetTaskRequest(id=task.id))
        assert again.status.state == TaskState.TASK_STATE_CANCELED
    assert [call.messages[-1]["content"] for call in product.model.calls[2:]] == ["yes"]


async def test_a_change_that_is_being_made_is_not_withdrawn(serving: Serving) -> None:
    model = TalkedToModel(CHANGE)
    product: Product = await serving(model)
    async with httpx.AsyncClient(headers=product.headers(), timeout=60) as http:
        card = await resolved(http, product.url)
        waiting = (await told(http, card, "Watch my costs"))[-1].task
        client = ClientFactory(ClientConfig(httpx_client=http)).create(card)
        yes = asyncio.create_task(told(http, card, "yes", task_id=waiting.id))
        await asyncio.wait_for(model.last_is_asked.wait(), 60)
        with pytest.raises(A2AError, match="being answered"):
            await client.cancel_task(CancelTaskRequest(id=waiting.id))
        model.last_is_heard.set()
        assert get_message_text((await yes)[0].message) == "As you said. "
    assert changes(product, waiting.context_id) == ["success"]


async def test_a_yes_and_a_cancellation_at_once_are_one_of_them(serving: Serving) -> None:
    product: Product = await serving(ScriptedModel(CHANGE))
    async with httpx.AsyncClient(headers=product.headers(), timeout=60) as http:
        card = await resolved(http, product.url)
        waiting = (await told(http, card, "Watch my costs"))[-1].task
        client = ClientFactory(ClientConfig(httpx_client=http)).create(card)
        yes, cancelled = await asyncio.gather(
            told(http, card, "yes", task_id=waiting.id),
            client.cancel_task(CancelTaskRequest(id=waiting.id)),
            return_exceptions=True,
        )
        state = (await client.get_task(GetTaskRequest(id=waiting.id))).status.state
    if isinstance(cancelled, BaseException):
        assert not isinstance(yes, BaseException)
        assert (state, changes(product, waiting.context_id)) == (TaskState.TASK_STATE_COMPLETED, ["success"])
    else:
        assert isinstance(yes, A2AError)
        assert (state, changes(product, waiting.context_id)) == (TaskState.TASK_STATE_CANCELED, ["error"])


async def test_a_stream_that_fails_half_way_says_so_in_its_last_status(serving: Serving) -> None:
    product: Product = await serving(ScriptedModel([*QUESTION[:1], ProviderUnavailable()]))
    async with httpx.AsyncClient(headers=product.headers(), timeout=120) as http:
        updates = await told(http, await resolved(http, product.url), "What did we spend?", streaming=True)
    assert updates[-1].status_update.status.state == TaskState.TASK_STATE_FAILED
    assert "provider does not answer" in get_message_text(updates[-1].status_update.status.message)
    assert updates[-1].status_update.metadata["code"] == "provider_unavailable"


async def test_version_0_3_is_really_spoken(serving: Serving) -> None:
    product: Product = await serving()
    async with httpx.AsyncClient(timeout=120) as http:
        client = ClientFactory(ClientConfig(httpx_client=http)).create(only(await resolved(http, product.url), "0.3"))
    assert isinstance(client._transport, CompatJsonRpcTransport)  # type: ignore[attr-defined]


@pytest.mark.parametrize("version", ["1.0", "0.3"])
async def test_the_context_is_the_conversation(serving: Serving, version: str) -> None:
    product: Product = await serving(ScriptedModel([say("one"), say("two"), say("three")]))
    chosen = str(uuid.uuid4())
    async with httpx.AsyncClient(headers=product.headers(), timeout=120) as http:
        card = only(await resolved(http, product.url), version)
        first = await ask(http, card, "first")
        second = await ask(http, card, "second", context_id=first.context_id)
        own = await ask(http, card, "third", context_id=chosen)
    assert second.context_id == first.context_id
    assert own.context_id == chosen
    assert len(product.messages(first.context_id)) == 4
    assert [message["role"] for message in product.model.calls[1].messages] == ["system", "user", "assistant", "user"]


@pytest.mark.parametrize("context_id", ["", f"main-{uuid.uuid4().hex}"], ids=["given", "chosen"])
async def test_two_people_use_one_context_id_each_for_themselves(serving: Serving, context_id: str) -> None:
    product: Product = await serving(ScriptedModel([say("one"), say("two"), say("three")]))
    async with httpx.AsyncClient(headers=product.headers(), timeout=120) as http:
        card = await resolved(http, product.url)
        mine = await ask(http, card, "mine", context_id=context_id)
        async with httpx.AsyncClient(headers=product.headers(user="somebody"), timeout=120) as other:
            theirs = await ask(other, card, "theirs", context_id=mine.context_id)
        await ask(http, card, "again", context_id=mine.context_id)
    assert theirs.context_id == mine.context_id
    heard = [[message["content"] for message in call.messages][1:] for call in product.model.calls]
    assert heard == [["mine"], ["theirs"], ["mine", "one ", "again"]]


@pytest.mark.parametrize("context_id", ["a/b", ".", "__x__", "x" * 65, "a\nb"])
async def test_a_context_id_that_could_be_no_conversation_is_refused(serving: Serving, context_id: str) -> None:
    product: Product = await serving()
    async with httpx.AsyncClient(headers=product.headers(), timeout=120) as http:
        card = await resolved(http, product.url)
        with pytest.raises(A2AError, match="contextId: use 1 to 64"):
            await ask(http, card, "hi", context_id=context_id)
    assert product.model.calls == []


async def test_the_same_message_again_is_answered_once(serving: Serving) -> None:
    product: Product = await serving(ScriptedModel([say("one")]))
    message_id = f"any text: {uuid.uuid4()}"
    async with httpx.AsyncClient(headers=product.headers(), timeout=120) as http:
        card = await resolved(http, product.url)
        answers = [await ask(http, card, "once", message_id=message_id) for _ in range(2)]
    assert answers[0] == answers[1]
    assert len(product.model.calls) == 1


@pytest.mark.parametrize("version", ["1.0", "0.3"])
async def test_what_cannot_be_answered_says_why(serving: Serving, version: str) -> None:
    product: Product = await serving(ScriptedModel([ProviderUnavailable()]))
    async with httpx.AsyncClient(headers=product.headers(), timeout=120) as http:
        card = only(await resolved(http, product.url), version)
        with pytest.raises(A2AError, match="provider does not answer"):
            await ask(http, card, "hello")
        with pytest.raises(A2AError, match="message"):
            await ask(http, card, "x" * 10_001)
        with pytest.raises(A2AError, match=r"(?i)task"):
            await ask(http, card, "hello", task_id="t-1")
    assert len(product.model.calls) == 1


@pytest.mark.parametrize("version", ["1.0", "0.3"])
async def test_an_unexpected_failure_keeps_its_text_to_itself(serving: Serving, version: str) -> None:
    product: Product = await serving(ScriptedModel([RuntimeError("planted-secret")]))
    async with httpx.AsyncClient(headers=product.headers(), timeout=120) as http:
        card = only(await resolved(http, product.url), version)
        with pytest.raises(A2AError) as caught:
            await ask(http, card, "hello")
    assert "planted-secret" not in str(caught.value) + product.logs.getvalue()


@pytest.mark.parametrize("method", ["SendMessage", "SendStreamingMessage", "GetTask", "message/send", "message/stream"])
@pytest.mark.parametrize(
    ("headers", "status"), [({"X-API-Key": "wrong"}, 401), ({"X-API-Key": "demo-globex-key"}, 403)]
)
async def test_a_wrong_key_is_refused_as_a_status(
    serving: Serving, method: str, headers: dict[str, str], status: int
) -> None:
    product: Product = await serving()
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {}}
    async with httpx.AsyncClient(headers=product.headers() | headers, timeout=120) as http:
        response = await http.post(product.address("a2a"), json=body)
    assert response.status_code == status


async def test_a_client_with_a_wrong_key_is_refused(serving: Serving) -> None:
    product: Product = await serving()
    async with httpx.AsyncClient(headers=product.headers() | {"X-API-Key": "wrong"}, timeout=120) as http:
        card = await resolved(http, product.url)
        with pytest.raises(A2AClientError, match="401"):
            await ask(http, card, "hello")
    assert product.model.calls == []
