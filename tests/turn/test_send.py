"""A turn through the send function: what is answered, what is stored, and in which order."""

import asyncio
import json
import re
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from common import limits
from common.errors import (
    ContentRefused,
    ContextTooLong,
    KeyInvalid,
    ModelError,
    ModelNotFound,
    ProviderRateLimited,
    ProviderTimeout,
    ProviderUnavailable,
    ServiceError,
)
from common.organizations.organization import hash_api_key
from common.secret import SecretDropped
from local.data.access import provider_key
from local.data.organizations import DEMO
from tests.fakes.scripted_model import ScriptedModel, call_tool, say
from tests.turn.conftest import ACME, GLOBEX, Product, Serving

COST_QUESTION = [call_tool("query_costs", group_by="provider"), say("Here it is.")]


async def test_an_answer_has_the_documented_shape(serving: Serving) -> None:
    product: Product = await serving(ScriptedModel(COST_QUESTION))
    response = await product.send()
    assert response.status_code == 200, response.text
    body = response.json()
    assert body.keys() == {
        "conversation_id", "message_id", "response", "agent_name", "provider", "model_id", "fallback_from",
        "latency_ms", "finish", "usage", "unverified_figures", "citations",
    }  # fmt: skip
    assert body["response"] == "Here it is. "
    assert body["agent_name"] == "CostAnalyst"
    assert body["model_id"] == "analyst-1"
    assert body["usage"] == {"input_tokens": 20, "output_tokens": 10}
    assert response.headers["x-request-id"]


async def test_question_answer_tool_call_and_outbox_are_stored(serving: Serving) -> None:
    product: Product = await serving(ScriptedModel(COST_QUESTION))
    body = (await product.send("What did we spend per provider?")).json()
    question, answer = product.messages(body["conversation_id"])
    assert (question["role"], question["content"]) == ("user", "What did we spend per provider?")
    assert (answer["role"], answer["content"], answer["status"]) == ("assistant", "Here it is. ", "complete")
    assert answer["message_id"] == body["message_id"]
    assert json.loads(answer["tool_calls_json"])[0]["name"] == "query_costs"
    assert json.loads(answer["tool_results_json"])[0]["result"]["rows"]
    conversation = product.conversation(body["conversation_id"])
    assert re.fullmatch(r"What did we spend per provider\? · \d.* \d{4}", conversation["title"])
    assert (conversation["message_count"], conversation["lease"]) == (2, None)
    entries = [entry for name, entry in product.outbox().items() if body["conversation_id"] in name]
    assert sorted(entry["table"] for entry in entries) == [
        "org_chat_conversations", "org_chat_messages", "org_chat_messages", "org_chat_tool_calls",
        "org_chat_usage",
    ]  # fmt: skip
    call = next(entry["row"] for entry in entries if entry["table"] == "org_chat_tool_calls")
    assert (call["agent_name"], call["tool_domain"], call["status"]) == ("CostAnalyst", "costs", "success")
    assert call["bytes_processed"] > 0


async def test_the_rows_in_the_outbox_are_those_of_the_record(serving: Serving) -> None:
    from common.warehouse import schema

    product: Product = await serving(ScriptedModel(COST_QUESTION))
    body = (await product.send()).json()
    for name, entry in product.outbox().items():
        if body["conversation_id"] in name:
            fields = {field.name: field for field in schema.load("organizations", entry["table"]).fields}
            assert entry["row"].keys() == fields.keys()
            missing = [key for key, value in entry["row"].items() if value is None and fields[key].mode == "REQUIRED"]
            assert not missing


async def test_a_second_message_sees_the_first_and_costs_no_routing(serving: Serving) -> None:
    model = ScriptedModel([*COST_QUESTION, say("Only AWS.")])
    product: Product = await serving(model)
    first = (await product.send("What did we spend?")).json()
    second = (await product.send("and only AWS?", conversation_id=first["conversation_id"])).json()
    assert second["conversation_id"] == first["conversation_id"]
    *before, (asker, asked) = [(message["role"], message["content"]) for message in model.calls[-1].messages][1:]
    assert before == [("user", "What did we spend?"), ("assistant", "Here it is. ")]
    # What the answer before rests on stands before the question.
    assert (asker, asked.partition(" ")[0], asked.rpartition("\n\n")[2]) == ("user", "<earlier_calls", "and only AWS?")
    assert len(model.calls) == len(COST_QUESTION) + 1
    assert product.conversation(first["conversation_id"])["message_count"] == 4


async def test_a_warm_turn_reads_once_opens_the_key_once_and_asks_bigquery_nothing(serving: Serving) -> None:
    model = ScriptedModel([say("hello")])
    product: Product = await serving(model)
    first = (await product.send()).json()
    product.firestore.reset()
    product.kms.reset()
    await product.send(conversation_id=first["conversation_id"])
    # One read; one commit for the question and one for the answer.
    assert product.firestore.calls() == {"BatchGetDocuments": 1, "Commit": 2}
    assert product.kms.calls() == {"Decrypt": 1}


async def test_nothing_is_said_before_the_question_is_stored(serving: Serving) -> None:
    product: Product = await serving(ScriptedModel([say("said too early")]))
    await product.send()
    product.firestore.fail("Commit", "DATA_LOSS", times=100)
    response = await product.client.post("/stream", json={"message": "hello"}, headers=ACME)
    assert "said too early" not in response.text
    assert [line for line in response.text.splitlines() if line.startswith("event:")] == ["event: error"]
    assert '"code": "session_store_unavailable"' in response.text


async def test_an_answer_that_cannot_be_stored_is_not_done(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LEASE_SECONDS", 3.0)
    model = ScriptedModel([say("hello")])
    product: Product = await serving(model)
    first = (await product.send()).json()
    model.gate = asyncio.Event()
    sending = asyncio.create_task(product.send(conversation_id=first["conversation_id"]))
    await product.leased(first["conversation_id"])
    product.firestore.fail("Commit", "DATA_LOSS", times=100)
    model.gate.set()
    response = await sending
    assert (response.status_code, response.json()["code"]) == (503, "session_store_unavailable")
    assert [message["role"] for message in product.messages(first["conversation_id"])] == ["user", "assistant", "user"]


@pytest.mark.parametrize(
    "error",
    [
        KeyInvalid, ModelNotFound, ContextTooLong, ContentRefused, ProviderRateLimited, ProviderUnavailable,
        ProviderTimeout, ModelError,
    ],
)  # fmt: skip
async def test_a_failing_model_is_a_code_a_stored_question_and_a_next_turn_that_works(
    serving: Serving, error: type[ServiceError]
) -> None:
    product: Product = await serving(ScriptedModel([error(), say("better now")]))
    message_id = uuid.uuid4().hex
    failed = await product.send("first try", message_id=message_id)
    assert (failed.status_code, failed.json()["code"]) == (error.status, error.code)
    entry = next(entry for name, entry in product.outbox().items() if name.endswith(message_id))
    conversation_id = entry["row"]["conversation_id"]
    assert [message["content"] for message in product.messages(conversation_id)] == ["first try"]
    again = await product.send("second try", conversation_id=conversation_id)
    assert again.json()["response"] == "better now "
    assert [message["role"] for message in product.messages(conversation_id)] == ["user", "user", "assistant"]


async def test_an_unexpected_failure_is_a_500_without_its_text(serving: Serving) -> None:
    product: Product = await serving(ScriptedModel([RuntimeError("boom sk-planted")]))
    response = await product.send()
    assert (response.status_code, response.json()["code"]) == (500, "internal")
    assert "planted" not in response.text + product.logs.getvalue()
    assert '"error_class": "RuntimeError"' in product.logs.getvalue()


async def test_a_retry_with_the_same_message_id_gets_the_stored_answer(serving: Serving) -> None:
    model = ScriptedModel([say("once")])
    product: Product = await serving(model)
    message_id = uuid.uuid4().hex
    first = (await product.send(message_id=message_id)).json()
    again = (await product.send(message_id=message_id)).json()
    assert again == first
    assert len(model.calls) == 1
    assert len(product.messages(first["conversation_id"])) == 2


async def test_the_same_message_id_of_another_user_or_organisation_is_another_message(serving: Serving) -> None:
    model = ScriptedModel([say("mine")])
    product: Product = await serving(model)
    message_id = uuid.uuid4().hex
    answers = [
        (await product.send(message_id=message_id, headers=headers)).json()
        for headers in (ACME, ACME | {"X-User-Id": "u2"}, GLOBEX)
    ]
    assert len({answer["conversation_id"] for answer in answers}) == 3
    assert len(model.calls) == 3
    assert sum(name.endswith(f":{message_id}") for name in product.outbox()) == 3


async def test_a_retry_after_a_failed_turn_answers_without_storing_the_question_twice(serving: Serving) -> None:
    product: Product = await serving(ScriptedModel([ProviderUnavailable(), say("answered")]))
    message_id = uuid.uuid4().hex
    assert (await product.send(message_id=message_id)).status_code == 503
    again = await product.send(message_id=message_id)
    assert again.json()["response"] == "answered "
    messages = product.messages(again.json()["conversation_id"])
    assert [(message["role"], message["sequence"]) for message in messages] == [("user", 0), ("assistant", 1)]
    assert product.conversation(again.json()["conversation_id"])["message_count"] == 2


async def test_one_turn_at_a_time_in_a_conversation(serving: Serving) -> None:
    model = ScriptedModel([say("first"), say("slow"), say("after")])
    product: Product = await serving(model)
    conversation_id = (await product.send()).json()["conversation_id"]
    model.gate = asyncio.Event()
    slow = asyncio.create_task(product.send("slow", conversation_id=conversation_id))
    await product.leased(conversation_id)
    busy = await product.send("at once", conversation_id=conversation_id)
    assert (busy.status_code, busy.json()["code"]) == (409, "conversation_busy")
    assert int(busy.headers["retry-after"]) >= 1
    model.gate.set()
    assert (await slow).status_code == 200
    assert (await product.send("now", conversation_id=conversation_id)).status_code == 200
    assert [message["content"] for message in product.messages(conversation_id)][2:5] == ["slow", "slow ", "now"]


async def test_two_sends_at_the_same_moment_store_one_question(serving: Serving) -> None:
    model = ScriptedModel([say("first"), say("one"), say("other")])
    product: Product = await serving(model)
    conversation_id = (await product.send()).json()["conversation_id"]
    model.gate = asyncio.Event()
    both = [asyncio.create_task(product.send(f"q{i}", conversation_id=conversation_id)) for i in range(2)]
    await product.leased(conversation_id)
    model.gate.set()
    responses = await asyncio.gather(*both)
    assert sorted(response.status_code for response in responses) == [200, 409]
    assert product.conversation(conversation_id)["message_count"] == 4


async def test_a_lease_that_ran_out_does_not_block_for_ever(serving: Serving) -> None:
    product: Product = await serving(ScriptedModel([say("first")]))
    conversation_id = (await product.send()).json()["conversation_id"]
    reference = product.documents.document(f"orgs/acme_inc/conversations/{conversation_id}")
    since = datetime.now(UTC) - timedelta(seconds=limits.LEASE_SECONDS + 1)
    reference.update({"lease": {"message_id": "gone", "holder": "gone"}, "leased_at": since})
    assert (await product.send(conversation_id=conversation_id)).status_code == 200


async def test_a_reader_that_leaves_cancels_the_turn_and_keeps_what_was_said(serving: Serving) -> None:
    from common.agents.events import TextDelta
    from common.identity.authenticate import read_credentials
    from common.turn import SendRequest, open_turn

    holding = asyncio.Event()

    class Holding(ScriptedModel):
        async def stream(self, call):  # type: ignore[no-untyped-def]
            self.open_streams += 1
            try:
                yield "half an "
                await holding.wait()
            finally:
                self.open_streams -= 1

    model = Holding([])
    product: Product = await serving(model)
    credentials = read_credentials({name.lower(): value for name, value in ACME.items()}, None)
    turn = await open_turn(
        product.services.turns, credentials, SendRequest(message="a question", message_id=uuid.uuid4().hex)
    )
    batches = turn.batches()
    async for batch in batches:
        if any(isinstance(event, TextDelta) for event in batch):
            break
    await batches.aclose()
    await turn.ended()
    assert model.open_streams == 0
    started = [json.loads(line) for line in product.logs.getvalue().splitlines()]
    finished = next(line for line in started if line["message"] == "turn.finished")
    assert finished["finish"] == "cancelled"
    _, answer = product.messages(finished["conversation_id"])
    assert (answer["content"], answer["status"]) == ("half an ", "cancelled")
    assert product.conversation(finished["conversation_id"])["lease"] is None


async def test_a_tool_that_fails_is_told_to_the_model_and_audited(serving: Serving) -> None:
    bad = call_tool("query_costs", group_by="planet")
    model = ScriptedModel([bad, say("That is not possible.")])
    product: Product = await serving(model)
    body = (await product.send()).json()
    told = json.loads(model.calls[-1].messages[-1]["content"])
    assert told["error"]["code"] == "unknown_dimension"
    assert "'planet'" in told["error"]["message"]
    row = next(
        entry["row"]
        for name, entry in product.outbox().items()
        if body["conversation_id"] in name and entry["table"] == "org_chat_tool_calls"
    )
    assert row["status"] == "error"
    assert row["error_message"].startswith("unknown_dimension")


async def test_a_message_of_the_greatest_length_survives_unchanged(serving: Serving) -> None:
    product: Product = await serving(ScriptedModel([say("ok")]))
    text = ('é\u202e😀\t`SELECT` {"a": 1}\n' * 1000)[: limits.MAX_MESSAGE_CHARS]
    body = (await product.send(text)).json()
    assert product.messages(body["conversation_id"])[0]["content"] == text


async def forget_copies(product: Product) -> None:
    """Drop the Firestore copies of key and organisation, so that BigQuery is asked again."""
    for collection in ("api_keys", "orgs"):
        for reference in product.documents.collection(collection).list_documents():
            reference.delete()


async def test_a_cold_cache_is_filled_from_bigquery_and_the_next_turn_is_warm(serving: Serving) -> None:
    product: Product = await serving(ScriptedModel([say("hello")]))
    await forget_copies(product)
    assert (await product.send()).status_code == 200
    copies = product.documents.document("orgs/acme_inc").get().to_dict() or {}
    assert copies["settings"]["provider"] == "demo"
    assert b"sk-" not in copies["credential"]["encrypted_credential"]


async def test_a_revoked_key_serves_no_longer_than_the_cache_may_hold_it(serving: Serving) -> None:
    product: Product = await serving(ScriptedModel([say("hello")]))
    assert (await product.send()).status_code == 200
    hashed = product.documents.document(f"api_keys/{hash_api_key(ACME['X-API-Key'])}")
    hashed.update({"is_active": False})
    assert (await product.send()).json()["code"] == "invalid_api_key"
    age = product.services.settings.cache_ttl_seconds + 1
    hashed.update({"cached_at": datetime.now(UTC) - timedelta(seconds=age)})
    assert (await product.send()).status_code == 200


async def test_bigquery_down_with_a_cold_cache_is_a_503_and_with_a_warm_one_an_answer(serving: Serving) -> None:
    warming: Product = await serving(ScriptedModel([say("hello")]))
    await warming.send()
    model = ScriptedModel([call_tool("query_costs", group_by="provider"), say("No data now.")])
    product: Product = await serving(model, bigquery_emulator_host="http://127.0.0.1:9")
    warm = await product.send()
    assert warm.json()["response"] == "No data now. "
    assert json.loads(model.calls[-1].messages[-1]["content"])["error"]["code"] == "warehouse_unavailable"
    await forget_copies(product)
    cold = await product.send()
    assert (cold.status_code, cold.json()["code"]) == (503, "warehouse_unavailable")
    assert cold.headers["retry-after"]


async def test_kms_down_is_a_503_and_nothing_is_stored(serving: Serving) -> None:
    product: Product = await serving(ScriptedModel([say("hello")]))
    before = product.outbox()
    product.kms.fail("Decrypt", "INTERNAL", times=100)
    response = await product.send()
    assert (response.status_code, response.json()["code"]) == (503, "key_service_unavailable")
    assert product.outbox() == before


async def test_a_moment_of_kms_being_away_is_not_noticed(serving: Serving) -> None:
    product: Product = await serving(ScriptedModel([say("hello")]))
    product.kms.fail("Decrypt", "UNAVAILABLE", times=2)
    assert (await product.send()).status_code == 200


async def test_a_ciphertext_copied_from_another_organisation_does_not_open(serving: Serving) -> None:
    model = ScriptedModel([say("hello")])
    product: Product = await serving(model)
    await product.send(headers=GLOBEX)
    await product.send()
    acme, globex = (
        product.documents.document(f"orgs/{org}").get().to_dict() or {} for org in ("acme_inc", "globex_inc")
    )
    stolen = globex["credential"]["encrypted_credential"]
    product.documents.document("orgs/acme_inc").update({"credential.encrypted_credential": stolen})
    response = await product.send()
    assert (response.status_code, response.json()["code"]) == (422, "key_invalid")
    assert response.json()["status"] == "key_invalid"
    product.documents.document("orgs/acme_inc").set(acme)


async def test_firestore_down_is_a_503(serving: Serving) -> None:
    product: Product = await serving(ScriptedModel([say("hello")]))
    product.firestore.fail("BatchGetDocuments", "DATA_LOSS", times=100)
    response = await product.send()
    assert (response.status_code, response.json()["code"]) == (503, "session_store_unavailable")


async def test_every_call_carries_its_own_organisations_key(serving: Serving) -> None:
    model = ScriptedModel([say("hello")])
    product: Product = await serving(model)
    for headers in (ACME, GLOBEX):
        await product.send(headers=headers)
    assert model.keys == [provider_key(DEMO["acme_inc"]), provider_key(DEMO["globex_inc"])]
    with pytest.raises(SecretDropped):
        model.calls[0].key.reveal()
