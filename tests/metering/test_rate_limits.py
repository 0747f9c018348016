"""How often may be asked: messages a minute per user, across instances."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from common import limits
from common.app import Services
from common.errors import ProviderRateLimited, RateLimited
from common.identity.authenticate import read_credentials
from common.metering import rate_limits
from common.metering.counters import next_month
from common.settings import InvalidSettings, load_settings
from common.turn import SendRequest, open_turn
from tests.fakes.clock import Clock
from tests.fakes.scripted_model import ScriptedModel, say
from tests.organizations.conftest import Serving
from tests.organizations.organizations import Made
from tests.organizations.serving import Product, close

FIRST = {"provider": "openai", "model": "gpt-4o", "key": "sk-limits-0123456789"}
# Two days ago: what is written then is due for the record, which these tests share with others.
MIDDAY = datetime.now(UTC).replace(hour=12, minute=0, second=15, microsecond=0) - timedelta(days=2)


async def limited(serving: Serving, made: Made, **settings: Any) -> Product:
    product: Product = await serving(ScriptedModel([say("OK")]), **settings)
    assert (await product.put(made, **FIRST)).status_code == 200
    product.clock.now = MIDDAY
    return product


def test_fifteen_messages_a_minute_and_no_ceiling_are_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("USER_MESSAGES_PER_MINUTE", raising=False)
    assert load_settings().user_messages_per_minute == limits.MESSAGES_PER_MINUTE == 15
    assert load_settings().org_tokens_per_day is None
    assert load_settings().org_cost_per_month_usd is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("USER_MESSAGES_PER_MINUTE", "-1"),
        ("ORG_TOKENS_PER_DAY", "0"),
        ("ORG_TOKENS_PER_DAY", "x"),
        ("ORG_COST_PER_MONTH_USD", "-1"),
        ("USER_TOKENS_PER_DAY", "0"),
        ("USER_COST_PER_MONTH_USD", "NaN"),
    ],
)
def test_a_limit_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(InvalidSettings, match=name):
        load_settings()


async def test_a_user_may_send_so_many_messages_a_minute(serving: Serving, made: Made) -> None:
    product = await limited(serving, made, user_messages_per_minute=3)
    for _ in range(3):
        assert (await product.send(made.member)).status_code == 200
    calls = len(product.model.calls)
    refused = await product.send(made.member)
    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
    assert refused.headers["retry-after"] == "45"
    streamed = await product.chat.post("/stream", json={"message": "hello"}, headers=made.member)
    assert streamed.status_code == 429
    assert len(product.model.calls) == calls
    product.clock.now += timedelta(seconds=44)
    assert (await product.send(made.member)).headers["retry-after"] == "1"
    product.clock.now += timedelta(seconds=1)
    assert (await product.send(made.member)).status_code == 200


async def test_users_keys_and_organisations_are_counted_apart(serving: Serving, made: Made) -> None:
    product = await limited(serving, made, user_messages_per_minute=1)
    other = product.rows.make()
    assert (await product.put(other, **FIRST)).status_code == 200
    key_alone = {name: value for name, value in made.member.items() if name != "X-User-Id"}
    other_key = {name: value for name, value in made.admin.items() if name != "X-User-Id"}
    for caller in (made.member, made.member | {"X-User-Id": "eve"}, key_alone, other_key, other.member):
        assert (await product.send(caller)).status_code == 200
        assert (await product.send(caller)).status_code == 429
    # One user is one user, whichever of the organisation's keys is used.
    assert (await product.send(made.admin | {"X-User-Id": "ben"})).status_code == 429


async def test_a_limit_of_zero_is_no_limit_and_counts_nothing(serving: Serving, made: Made) -> None:
    product = await limited(serving, made, user_messages_per_minute=0)
    for _ in range(limits.MESSAGES_PER_MINUTE + 1):
        assert (await product.send(made.member)).status_code == 200
    assert counters(product, made) == {}


async def test_counting_costs_no_request_of_its_own(serving: Serving, made: Made) -> None:
    product = await limited(serving, made, user_messages_per_minute=5, org_tokens_per_day=1_000)
    await product.send(made.member)
    product.reset_counts()
    assert (await product.send(made.member)).status_code == 200
    assert product.firestore.calls() == {"BatchGetDocuments": 1, "Commit": 2}
    assert product.bigquery_calls() == 0
    assert sorted(counters(product, made).values()) == [2]


async def test_a_refused_or_replayed_message_is_not_counted(serving: Serving, made: Made) -> None:
    product = await limited(serving, made, user_messages_per_minute=2)
    message_id = "a-client-made-id"
    for _ in range(4):
        assert (await product.send(made.member, message_id=message_id)).status_code == 200
    assert (await product.send(made.member, message="")).status_code == 422
    assert list(counters(product, made).values()) == [1]
    assert (await product.send(made.member)).status_code == 200
    assert (await product.send(made.member)).status_code == 429
    assert list(counters(product, made).values()) == [2]


async def test_what_the_provider_limits_is_told_apart(serving: Serving, made: Made) -> None:
    product = await limited(serving, made, user_messages_per_minute=1)
    product.model.steps = [ProviderRateLimited(retry_after=7)]
    theirs = await product.send(made.member)
    ours = await product.send(made.member)
    assert (theirs.status_code, theirs.json()["code"]) == (429, "rate_limited_by_provider")
    assert (ours.status_code, ours.json()["code"]) == (429, "rate_limited")
    assert (theirs.headers["retry-after"], ours.headers["retry-after"]) == ("7", "45")


async def test_counters_say_when_they_may_be_removed(serving: Serving, made: Made) -> None:
    product = await limited(serving, made, user_messages_per_minute=5, org_tokens_per_day=1_000)
    await product.send(made.member)
    found = [entry.to_dict() or {} for entry in product.documents.collection(f"orgs/{made.slug}/counters").stream()]
    assert sorted(entry["expire_at"] for entry in found) == [
        MIDDAY + timedelta(hours=rate_limits.COUNTER_RETENTION_HOURS),
        next_month(MIDDAY) + timedelta(days=2),
    ]


async def test_a_burst_at_one_instance_asks_the_model_no_more_often_than_the_limit(
    serving: Serving, made: Made
) -> None:
    product = await limited(serving, made, user_messages_per_minute=5)
    before = len(product.model.calls)
    answers = await asyncio.gather(*(product.send(made.member) for _ in range(20)))
    assert Counter(answer.status_code for answer in answers) == {200: 5, 429: 15}
    assert len(product.model.calls) == before + 5
    assert list(counters(product, made).values()) == [5]


async def until_waiting(product: Product, count: int) -> None:
    """Wait until so many turns wait for a place."""
    async with asyncio.timeout(60):
        while product.services.turns.admission.waiting != count:  # noqa: ASYNC110  the queue has no event
            await asyncio.sleep(0.005)


async def test_a_message_that_waits_for_its_place_counts_once(
    serving: Serving, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "QUEUE_SECONDS", 600.0)
    product = await limited(serving, made, user_messages_per_minute=3, turns_per_org=1)
    product.model.gate = asyncio.Event()
    let_in = [asyncio.create_task(product.send(made.member)) for _ in range(3)]
    await until_waiting(product, 2)
    # It counts while it waits: nobody passes the limit meanwhile.
    assert (await product.send(made.member)).status_code == 429
    product.model.gate.set()
    assert [answer.status_code for answer in await asyncio.gather(*let_in)] == [200] * 3
    assert (await product.send(made.member)).status_code == 429
    assert list(counters(product, made).values()) == [3]


async def test_a_message_that_finds_no_place_is_not_counted(
    serving: Serving, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    product = await limited(serving, made, user_messages_per_minute=2, turns_per_org=1)
    product.model.gate = asyncio.Event()
    before = len(product.model.calls)
    first = asyncio.create_task(product.send(made.member))
    async with asyncio.timeout(60):
        while len(product.model.calls) == before:  # noqa: ASYNC110  the model has no event
            await asyncio.sleep(0.005)
    with monkeypatch.context() as impatient:
        impatient.setattr(limits, "QUEUE_SECONDS", 0.0)
        for _ in range(3):
            assert (await product.send(made.member)).json()["code"] == "too_many_turns"
    product.model.gate.set()
    assert (await first).status_code == 200
    assert (await product.send(made.member)).status_code == 200
    assert (await product.send(made.member)).json()["code"] == "rate_limited"


async def test_the_limit_holds_across_three_instances_asked_at_the_same_moment(serving: Serving, made: Made) -> None:
    product = await limited(serving, made, user_messages_per_minute=15)
    clock, model = Clock(), ScriptedModel([say("OK")])
    clock.now = MIDDAY
    settings = product.services.settings
    instances = [Services(settings, clock, model) for _ in range(3)]
    for instance in instances:
        instance.__dict__["log"] = product.services.log
    credentials = read_credentials({name.lower(): value for name, value in made.member.items()}, None)

    async def ask(instance: Services) -> str:
        try:
            turn = await open_turn(instance.turns, credentials, SendRequest(message="hello"))
            return (await turn.finished()).text
        except RateLimited as refused:
            return f"{refused.code}, retry after {refused.retry_after}"

    refused = "rate_limited, retry after 45"
    try:
        outcomes = Counter(await asyncio.gather(*(ask(instances[number % 3]) for number in range(36))))
        assert outcomes == {"OK ": 15, refused: 21}
        # Now that it is known, nothing more is let in, on any instance.
        calls = len(model.calls)
        assert {await ask(instance) for instance in instances} == {refused}
        assert len(model.calls) == calls
    finally:
        for instance in instances:
            await close(instance)
    conversations = [
        entry.to_dict() or {} for entry in product.documents.collection(f"orgs/{made.slug}/conversations").stream()
    ]
    assert all(conversation["lease"] is None for conversation in conversations)
    assert sum(conversation["message_count"] == 2 for conversation in conversations) == 15


def counters(product: Product, made: Made) -> dict[str, int]:
    found = product.documents.collection(f"orgs/{made.slug}/counters").stream()
    return {entry.id: (entry.to_dict() or {})["total"] for entry in found if "tokens" not in entry.id}
