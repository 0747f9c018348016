"""The ledger of a turn: what is told, what is estimated, and at which prices."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from decimal import Decimal

import pytest

from common.errors import ContentRefused, ServiceError
from common.metering.ledger import Ledger, MeteredCompletion
from common.models.call import ModelCall, Reply, Usage
from common.models.catalog import resolve
from common.secret import Secret

SONNET = resolve("anthropic", "claude-sonnet-4-5", deployed=True)
CALL = ModelCall(SONNET, Secret("sk"), [{"role": "user", "content": "how much? " * 400}], (), 0.0, 100)


class Told:
    """A provider that tells its usage first, and is cut off after some text; or that ends without an answer."""

    def __init__(self, usage: Usage, text: str, *, ends: bool = False) -> None:
        self._usage, self._text, self._ends = usage, text, ends

    async def stream(self, call: ModelCall) -> AsyncGenerator[str | Reply, None]:
        call.heard.usage, call.heard.ended = self._usage, self._ends
        call.heard.pieces.append(self._text)
        yield self._text
        if self._ends:
            raise ContentRefused
        raise ServiceError


async def listened(completion: Told, ledger: Ledger, call: ModelCall = CALL) -> None:
    metered = MeteredCompletion(completion, ledger, lambda: None)
    async with aclosing(metered.stream(call)) as pieces:
        async for _ in pieces:
            pass


async def test_what_a_provider_told_before_it_was_cut_off_is_not_estimated_again() -> None:
    ledger = Ledger()
    with pytest.raises(ServiceError):
        await listened(Told(Usage(1_234, 1, cached_tokens=1_000), "Half of it, "), ledger)
    (use,) = ledger.uses.values()
    assert use.usage == Usage(1_234, 4, cached_tokens=1_000)
    assert use.estimated


async def test_a_refused_answer_costs_what_its_provider_told() -> None:
    ledger = Ledger()
    with pytest.raises(ContentRefused):
        await listened(Told(Usage(1_000, 50), "", ends=True), ledger)
    (use,) = ledger.uses.values()
    assert (use.usage, use.estimated, use.cost) == (Usage(1_000, 50), False, Decimal("0.00375"))


async def test_a_prompt_is_measured_by_what_was_told_of_an_earlier_one() -> None:
    ledger = Ledger()
    ledger.add_reply(CALL, Reply("", usage=Usage(2_000, 0)))
    longer = replace(CALL, messages=[*CALL.messages, *CALL.messages])
    ledger.add_cut(longer, "", asyncio.CancelledError())
    assert ledger.usage.input_tokens == pytest.approx(6_000, rel=0.02)


def test_cached_tokens_have_their_own_price() -> None:
    ledger = Ledger()
    ledger.add_reply(CALL, Reply("", usage=Usage(10_000, 0, cached_tokens=9_000)))
    assert ledger.cost == Decimal("0.0057")


def test_a_turn_whose_calls_had_two_prices_has_no_one_price_and_an_exact_cost() -> None:
    ledger, model = Ledger(), resolve("gemini", "gemini-2.5-pro", deployed=True)
    call = replace(CALL, model=model)
    ledger.add_reply(call, Reply("", usage=Usage(100_000, 0)))
    ledger.add_reply(call, Reply("", usage=Usage(300_000, 0)))
    (use,) = ledger.uses.values()
    assert (use.tier, use.cost) == (None, Decimal("0.125") + Decimal("0.75"))


def test_the_cost_of_a_model_without_a_price_is_unknown_and_not_nothing() -> None:
    ledger = Ledger()
    ledger.add_reply(CALL, Reply("", usage=Usage(1_000_000, 0)))
    ledger.add_reply(replace(CALL, model=resolve("openai", "o1-mini", deployed=True)), Reply("", usage=Usage(10, 0)))
    assert [use.cost for use in ledger.uses.values()] == [Decimal(3), None]
    assert (ledger.cost, ledger.known_cost, ledger.calls) == (None, Decimal(3), 2)
