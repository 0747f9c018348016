"""A turn whose provider says nothing lends its place, so that a provider that hangs holds up nobody else."""

import asyncio

import httpx
import pytest

from common.models import breaker, deadline
from common.models.breaker import Breakers
from common.models.completion import Providers
from common.tenant import OrgSlug, parse_org_slug
from common.turn import silence
from common.turn.admission import Admission, Slot
from tests.conftest import Cloud
from tests.fakes.wire_stub import Answer, Received, wire_stub
from tests.turn.conftest import Product, Serving
from tests.turn.providers import Customer, bring_keys

# litellm still reads pydantic's fields from instances.
pytestmark = pytest.mark.filterwarnings("ignore:Accessing the 'model_.*fields' attribute:DeprecationWarning")
ACME, GLOBEX, INITECH = (parse_org_slug(name) for name in ("acme_inc", "globex_inc", "initech"))


def entered(admission: Admission, org: OrgSlug) -> Slot:
    place = admission.enter(org)
    assert place is not None
    return place


def test_a_lent_place_is_free_for_others_and_still_its_organisations() -> None:
    admission = Admission(of_one=1, of_all=1)
    place = entered(admission, ACME)
    assert admission.enter(GLOBEX) is None
    place.lend()
    assert admission.enter(ACME) is None
    entered(admission, GLOBEX)
    assert admission.enter(INITECH) is None


async def test_who_waits_gets_a_place_as_soon_as_one_is_lent() -> None:
    admission = Admission(of_one=1, of_all=1)
    place = entered(admission, ACME)
    waiting = asyncio.create_task(admission.wait(GLOBEX))
    await asyncio.sleep(0)
    assert admission.waiting == 1
    place.lend()
    assert await waiting
    assert admission.waiting == 0


def test_a_place_that_is_taken_back_counts_again_and_whoever_came_meanwhile_stays() -> None:
    admission = Admission(of_one=2, of_all=1)
    place = entered(admission, ACME)
    place.lend()
    guest = entered(admission, GLOBEX)
    place.take_back()
    guest.leave()
    assert admission.enter(INITECH) is None
    place.leave()
    entered(admission, INITECH)


def test_lending_and_taking_back_twice_is_lending_and_taking_back_once() -> None:
    admission = Admission(of_one=5, of_all=1)
    place = entered(admission, ACME)
    place.take_back()
    place.lend()
    place.lend()
    entered(admission, GLOBEX)
    assert admission.enter(GLOBEX) is None
    place.take_back()
    place.take_back()
    place.leave()
    assert admission.enter(INITECH) is None


def test_a_lent_place_that_is_left_leaves_none_behind() -> None:
    admission = Admission(of_one=5, of_all=1)
    place = entered(admission, ACME)
    place.lend()
    place.leave()
    place.lend()
    entered(admission, GLOBEX)
    assert admission.enter(GLOBEX) is None


def test_at_most_as_many_are_lent_as_there_are() -> None:
    admission = Admission(of_one=9, of_all=2)
    for _ in range(4):
        place = admission.enter(ACME)
        if place is None:
            break
        place.lend()
    # Two lent, two that could not lend theirs any more.
    assert admission.enter(GLOBEX) is None


@pytest.fixture(scope="module")
def customers(cloud: Cloud) -> list[Customer]:
    return bring_keys(cloud)


async def test_a_provider_that_hangs_holds_up_no_turn_of_another_organisation(
    customers: list[Customer], serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All places of the instance are taken by turns of one provider that says nothing; another's are answered."""
    monkeypatch.setattr(silence, "MODEL_SILENT_SECONDS", 0.2)
    hanging = [customer for customer in customers if customer.provider == "openai"]
    other = next(customer for customer in customers if customer.provider == "anthropic")

    def play(request: Received) -> Answer:
        return Answer(fault="stall", after=0) if request.provider == "openai" else Answer("I am here.")

    async with wire_stub() as stub:
        stub.play(play)
        llm = Providers(stub.bases)
        await llm.load()
        product: Product = await serving(llm, turns_per_instance=4, turns_per_org=2, user_messages_per_minute=100_000)
        stuck = [
            asyncio.create_task(product.send("hello", customer.headers)) for customer in hanging[:2] for _ in range(2)
        ]
        for count in range(1, 5):
            await stub.request(count)
        for _ in range(3):
            answered = await product.send("hello", other.headers)
            assert answered.json()["response"] == "I am here.", answered.text
        assert not [task for task in stuck if task.done()]
        # An organisation that hangs has no more turns for that, and its own wait.
        assert product.services.turns.admission.enter(parse_org_slug(hanging[0].slug)) is None
        for task in stuck:
            task.cancel()
        await asyncio.gather(*stuck, return_exceptions=True)
        await llm.close()


async def test_a_provider_that_hung_five_times_holds_no_place_at_all(
    customers: list[Customer], serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadline, "MODEL_FIRST_TOKEN_SECONDS", 1.0)
    customer = next(customer for customer in customers if customer.provider == "openai")
    async with wire_stub() as stub:
        stub.play([Answer(fault="stall", after=0)])
        llm = Providers(stub.bases)
        llm.breakers = Breakers(lambda: 0.0)
        product: Product = await serving(llm, user_messages_per_minute=100_000)
        hung = await asyncio.gather(*(product.send("hello", customer.headers) for _ in range(breaker.BREAKER_FAILURES)))
        assert {response.json()["code"] for response in hung} == {"provider_timeout"}
        refused = await product.send("hello", customer.headers)
        assert (refused.status_code, refused.json()["code"]) == (
            httpx.codes.SERVICE_UNAVAILABLE,
            "provider_unavailable",
        )
        assert refused.headers["retry-after"] == str(int(breaker.BREAKER_OPEN_SECONDS))
        assert len(stub.received) <= breaker.BREAKER_FAILURES
        await llm.close()
