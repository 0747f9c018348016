"""Every turn and every call is counted, whatever its end: usage rows, audit rows and counters say the same."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from decimal import Decimal

import pytest

from common.errors import ModelError, ProviderRateLimited, ProviderTimeout, ProviderUnavailable
from common.identity.authenticate import read_credentials
from common.models.call import ModelCall, Reply, Usage
from common.models.token_estimate import tokens_of
from common.turn import SendRequest, open_turn
from tests.fakes.scripted_model import ScriptedModel, call_tool, say, transfer
from tests.metering.filed import HANDED_OVER, LISTING, counted, rows, serve
from tests.organizations.conftest import Serving
from tests.organizations.organizations import Made


async def test_turns_that_spend_and_fail_are_counted_and_the_third_is_refused(serving: Serving, made: Made) -> None:
    """Each spends 60,010 tokens in two model calls. The first fails at its third one; the second is stopped there."""
    model = ScriptedModel([HANDED_OVER, LISTING, ProviderUnavailable(), HANDED_OVER, LISTING, say("never said")])
    product = await serve(serving, made, model, org_tokens_per_day=100_000)
    for code, calls in (("provider_unavailable", 3), ("cost_ceiling", 5)):
        assert (await product.send(made.member)).json()["code"] == code
        assert len(model.calls) == calls
    refused = await product.send(made.member)
    assert (refused.status_code, refused.json()["code"]) == (429, "cost_ceiling")
    assert "120,020 of 100,000" in refused.json()["detail"]
    assert int(refused.headers["retry-after"]) == 12 * 3600 - 15
    assert len(model.calls) == 5
    assert counted(product, made) == 120_020
    usage = rows(product, made)
    assert [(row["finish"], row["input_tokens"] + row["output_tokens"]) for row in usage] == [
        ("cost_ceiling", 60_010),
        ("provider_unavailable", 60_010),
    ]
    assert [(row["model_calls"], row["tool_calls"]) for row in usage] == [(2, 1), (3, 1)]
    assert not any(row["tokens_estimated"] for row in usage)
    audit = rows(product, made, "org_chat_tool_calls")
    assert [(row["tool_name"], row["status"]) for row in audit] == [("list_alerts", "success")] * 2
    assert {row["message_id"] for row in audit} == {row["message_id"] for row in usage}


async def test_usage_is_in_the_commit_of_the_end_and_costs_no_request(serving: Serving, made: Made) -> None:
    product = await serve(serving, made, ScriptedModel([say("OK")]))
    await product.send(made.member)
    product.reset_counts()
    assert (await product.send(made.member)).status_code == 200
    assert product.firestore.calls() == {"BatchGetDocuments": 1, "Commit": 2}
    assert product.kms.calls() == {"Decrypt": 1}
    (first, second) = rows(product, made)
    assert first["usage_id"] != second["usage_id"]
    assert (second["finish"], second["channel"], second["user_id"]) == ("stop", "send", made.member["X-User-Id"])
    assert (second["provider"], second["model_id"], second["agent_name"]) == ("openai", "gpt-4o", "CostAnalyst")
    assert counted(product, made, "turns") == 2


async def test_the_price_is_stored_with_the_row_and_cached_tokens_have_theirs(serving: Serving, made: Made) -> None:
    answer = Reply("Here.", usage=Usage(10_000, 1_000, cached_tokens=9_000))
    product = await serve(serving, made, ScriptedModel([answer]))
    await product.send(made.member)
    (row,) = rows(product, made)
    assert (row["input_price_usd"], row["cached_input_price_usd"], row["output_price_usd"]) == (
        "2.500000000", "1.250000000", "10.000000000",
    )  # fmt: skip
    cost = (1_000 * Decimal("2.5") + 9_000 * Decimal("1.25") + 1_000 * 10) / 1_000_000
    assert Decimal(row["estimated_cost_usd"]) == cost
    assert counted(product, made, "micro_usd") == int(cost * 1_000_000)


@dataclass
class Cut(ScriptedModel):
    """Says so much of its text and then stands still, or fails."""

    text: str = ""
    error: ModelError | None = None
    stands: asyncio.Event | None = None

    async def stream(self, call: ModelCall) -> AsyncGenerator[str | Reply, None]:
        if not self.text:
            async for piece in super().stream(call):
                yield piece
            return
        self.calls.append(call)
        for word in self.text.split(" "):
            yield f"{word} "
        if self.error is not None:
            raise self.error
        assert self.stands is not None
        self.stands.set()
        await asyncio.Event().wait()


WORDS = "You spent 41,234.56 USD on AWS last month, 12.4 % more than the month before. " * 20


@pytest.mark.parametrize("end", ["left", "restart", "failure"])
async def test_a_stream_that_is_cut_in_the_middle_leaves_one_row_with_an_estimate(
    serving: Serving, made: Made, end: str
) -> None:
    model = Cut([say("OK")])
    product = await serve(serving, made, model)
    model.text, model.stands = WORDS, asyncio.Event()
    model.error = ProviderUnavailable() if end == "failure" else None
    credentials = read_credentials({name.lower(): value for name, value in made.member.items()}, None)
    turn = await open_turn(product.services.turns, credentials, SendRequest(message="hello"), channel="stream")
    if end != "failure":
        await asyncio.wait_for(model.stands.wait(), 120)
        turn.stop("left" if end == "left" else "restart")
    await turn.ended()
    (row,) = rows(product, made)
    assert row["finish"] == {"left": "cancelled", "restart": "restarting", "failure": "provider_unavailable"}[end]
    assert (row["channel"], row["tokens_estimated"], row["model_calls"]) == ("stream", True, 1)
    assert row["output_tokens"] == pytest.approx(tokens_of(WORDS), rel=0.01)
    assert row["input_tokens"] > 500
    assert counted(product, made) == row["input_tokens"] + row["output_tokens"]
    assert Decimal(row["estimated_cost_usd"]) > 0


@pytest.mark.parametrize(("error", "estimated"), [(ProviderRateLimited(), False), (ProviderTimeout(), True)])
async def test_what_a_provider_refused_used_nothing_and_what_it_may_have_read_is_estimated(
    serving: Serving, made: Made, error: ModelError, estimated: bool
) -> None:
    product = await serve(serving, made, ScriptedModel([error]))
    assert (await product.send(made.member)).status_code == error.status
    (row,) = rows(product, made)
    assert (row["finish"], row["tokens_estimated"]) == (error.code, estimated)
    assert (row["input_tokens"] > 0) == estimated
    assert row["output_tokens"] == 0


async def test_a_paused_turn_and_the_turn_that_goes_on_have_a_row_each(serving: Serving, made: Made) -> None:
    alert = call_tool("create_alert", name="Too much", threshold=100, currency="USD", severity="warning")
    product = await serve(serving, made, ScriptedModel([transfer("AlertManager"), alert, say("It is set up.")]))
    credentials = read_credentials({name.lower(): value for name, value in made.admin.items()}, None)
    turn = await open_turn(product.services.turns, credentials, SendRequest(message="alert me"), channel="copilotkit")
    finished = await turn.finished()
    (row,) = rows(product, made)
    named = (finished.finish, row["finish"], row["channel"], row["tool_calls"])
    assert named == ("approval", "approval", "copilotkit", 0)
    assert row["message_id"] == finished.message_id
    assert (row["model_calls"], row["input_tokens"], row["output_tokens"]) == (2, 20, 10)
    asked = await product.send(made.admin, "yes", conversation_id=finished.conversation_id)
    assert asked.json()["finish"] == "stop"
    assert [(each["finish"], each["tool_calls"], each["model_calls"]) for each in rows(product, made)] == [
        ("approval", 0, 2),
        ("stop", 1, 1),
    ]


async def test_the_same_message_again_has_one_row_and_each_failed_attempt_its_own(serving: Serving, made: Made) -> None:
    product = await serve(serving, made, ScriptedModel([ProviderUnavailable(), say("OK")]))
    for status in (503, 200, 200):
        assert (await product.send(made.member, message_id="one-and-the-same")).status_code == status
    assert [row["finish"] for row in rows(product, made)] == ["provider_unavailable", "stop"]
    assert counted(product, made) == 15


async def test_a_deleted_conversation_keeps_its_usage(serving: Serving, made: Made) -> None:
    product = await serve(serving, made, ScriptedModel([say("OK")]))
    body = (await product.send(made.member)).json()
    purge = product.services.purge
    tenant = product.services.directory.tenant(made.slug)  # type: ignore[arg-type]

    class Lease:
        async def renew(self) -> None: ...

    await purge.conversations(Lease(), tenant, [body["conversation_id"]])  # type: ignore[arg-type]
    assert [row["message_id"] for row in rows(product, made)] == [body["message_id"]]
    assert rows(product, made, "org_chat_messages") == []
