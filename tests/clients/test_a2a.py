"""The Python A2A resolver and client, as 1.0 and as 0.3, against the function."""

import uuid
from typing import Any

import httpx
import pytest
from a2a.client import A2ACardResolver, ClientConfig, ClientFactory
from a2a.client.errors import A2AClientError
from a2a.compat.v0_3.jsonrpc_transport import CompatJsonRpcTransport
from a2a.helpers import get_message_text, new_text_message
from a2a.types import AgentCard, Message, Role, SendMessageRequest
from a2a.utils.errors import A2AError
from a2a.utils.proto_utils import validate_proto_required_fields

from common.errors import ProviderUnavailable
from tests.clients.conftest import Product, Serving
from tests.fakes.scripted_model import ScriptedModel, call_tool, say

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


async def ask(
    http: httpx.AsyncClient, card: AgentCard, text: str, *, streaming: bool = False, **fields: Any
) -> Message:
    """Ask with the SDK's client, and return the one message of the answer."""
    client = ClientFactory(ClientConfig(streaming=streaming, httpx_client=http)).create(card)
    message = new_text_message(text, role=Role.ROLE_USER)
    for name, value in fields.items():
        setattr(message, name, value)
    answers = [each async for each in client.send_message(SendMessageRequest(message=message))]
    assert len(answers) == 1
    assert answers[0].HasField("message")
    return answers[0].message


@pytest.mark.parametrize("path", [".well-known/agent-card.json", ".well-known/agent.json"])
async def test_the_card_is_resolved_from_both_well_known_paths(serving: Serving, path: str) -> None:
    product: Product = await serving()
    async with httpx.AsyncClient() as http:
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
    async with httpx.AsyncClient() as http:
        body = (await http.get(f"{product.url}/.well-known/agent.json")).json()
    card = OldCard.model_validate(body)
    assert card.url == f"{product.url}/a2a"
    assert card.preferred_transport == "JSONRPC"
    assert card.skills
    assert card.security_schemes


async def test_the_card_names_the_public_address(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBLIC_URL", "https://chat.example.com/")
    product: Product = await serving()
    async with httpx.AsyncClient() as http:
        card = await resolved(http, product.url)
    assert card.supported_interfaces[0].url == "https://chat.example.com/a2a"


async def test_the_card_follows_the_scheme_that_a_proxy_names(serving: Serving) -> None:
    product: Product = await serving()
    for forwarded, scheme in (("https", "https"), ("javascript", "http")):
        async with httpx.AsyncClient(headers={"X-Forwarded-Proto": forwarded}) as http:
            card = await resolved(http, product.url)
        assert card.supported_interfaces[0].url.startswith(f"{scheme}://127.0.0.1:")


@pytest.mark.parametrize("version", ["1.0", "0.3"])
@pytest.mark.parametrize("streaming", [False, True])
async def test_a_question_is_answered_with_one_message(serving: Serving, version: str, streaming: bool) -> None:
    product: Product = await serving(ScriptedModel(QUESTION))
    async with httpx.AsyncClient(headers=product.headers(), timeout=30) as http:
        card = only(await resolved(http, product.url), version)
        answer = await ask(http, card, "What did we spend?", streaming=streaming)
    assert get_message_text(answer) == "Here it is. "
    assert answer.role == Role.ROLE_AGENT
    assert answer.metadata["agent_name"] == "CostAnalyst"
    stored = product.messages(answer.context_id)
    assert [message["content"] for message in stored] == ["What did we spend?", "Here it is. "]
    assert stored[1]["message_id"] == answer.message_id


async def test_version_0_3_is_really_spoken(serving: Serving) -> None:
    product: Product = await serving()
    async with httpx.AsyncClient() as http:
        client = ClientFactory(ClientConfig(httpx_client=http)).create(only(await resolved(http, product.url), "0.3"))
    assert isinstance(client._transport, CompatJsonRpcTransport)  # type: ignore[attr-defined]


@pytest.mark.parametrize("version", ["1.0", "0.3"])
async def test_the_context_is_the_conversation(serving: Serving, version: str) -> None:
    product: Product = await serving(ScriptedModel([say("one"), say("two"), say("three")]))
    chosen = str(uuid.uuid4())
    async with httpx.AsyncClient(headers=product.headers(), timeout=30) as http:
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
    async with httpx.AsyncClient(headers=product.headers(), timeout=30) as http:
        card = await resolved(http, product.url)
        mine = await ask(http, card, "mine", context_id=context_id)
        async with httpx.AsyncClient(headers=product.headers(user="somebody"), timeout=30) as other:
            theirs = await ask(other, card, "theirs", context_id=mine.context_id)
        await ask(http, card, "again", context_id=mine.context_id)
    assert theirs.context_id == mine.context_id
    heard = [[message["content"] for message in call.messages][1:] for call in product.model.calls]
    assert heard == [["mine"], ["theirs"], ["mine", "one ", "again"]]


@pytest.mark.parametrize("context_id", ["a/b", ".", "__x__", "x" * 65, "a\nb"])
async def test_a_context_id_that_could_be_no_conversation_is_refused(serving: Serving, context_id: str) -> None:
    product: Product = await serving()
    async with httpx.AsyncClient(headers=product.headers(), timeout=30) as http:
        card = await resolved(http, product.url)
        with pytest.raises(A2AError, match="contextId: use 1 to 64"):
            await ask(http, card, "hi", context_id=context_id)
    assert product.model.calls == []


async def test_the_same_message_again_is_answered_once(serving: Serving) -> None:
    product: Product = await serving(ScriptedModel([say("one")]))
    message_id = f"any text: {uuid.uuid4()}"
    async with httpx.AsyncClient(headers=product.headers(), timeout=30) as http:
        card = await resolved(http, product.url)
        answers = [await ask(http, card, "once", message_id=message_id) for _ in range(2)]
    assert answers[0] == answers[1]
    assert len(product.model.calls) == 1


@pytest.mark.parametrize("version", ["1.0", "0.3"])
async def test_what_cannot_be_answered_says_why(serving: Serving, version: str) -> None:
    product: Product = await serving(ScriptedModel([ProviderUnavailable()]))
    async with httpx.AsyncClient(headers=product.headers(), timeout=30) as http:
        card = only(await resolved(http, product.url), version)
        with pytest.raises(A2AError, match="provider does not answer"):
            await ask(http, card, "hello")
        with pytest.raises(A2AError, match="message"):
            await ask(http, card, "x" * 10_001)
        with pytest.raises(A2AError, match="no tasks"):
            await ask(http, card, "hello", task_id="t-1")
    assert len(product.model.calls) == 1


@pytest.mark.parametrize("version", ["1.0", "0.3"])
async def test_an_unexpected_failure_keeps_its_text_to_itself(serving: Serving, version: str) -> None:
    product: Product = await serving(ScriptedModel([RuntimeError("planted-secret")]))
    async with httpx.AsyncClient(headers=product.headers(), timeout=30) as http:
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
    async with httpx.AsyncClient(headers=product.headers() | headers) as http:
        response = await http.post(product.address("a2a"), json=body)
    assert response.status_code == status


async def test_a_client_with_a_wrong_key_is_refused(serving: Serving) -> None:
    product: Product = await serving()
    async with httpx.AsyncClient(headers=product.headers() | {"X-API-Key": "wrong"}) as http:
        card = await resolved(http, product.url)
        with pytest.raises(A2AClientError, match="401"):
            await ask(http, card, "hello")
    assert product.model.calls == []
