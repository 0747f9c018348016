"""Ceilings on tokens and on cost: at the limit, one past it, whose is lower, and what a caller is told."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from common.models.call import Reply, Usage
from tests.fakes.scripted_model import ScriptedModel, say
from tests.metering.filed import FIRST, counted, rows, serve
from tests.organizations.conftest import Serving
from tests.organizations.organizations import Made

# gpt-4o: 2.50 USD for a million tokens read, 10 for a million written.
DOLLAR = Reply("OK", usage=Usage(400_000, 0))


@pytest.mark.parametrize(
    ("operator", "own", "lower"),
    [(45, None, 45), (None, 45, 45), (1_000, 45, 45), (45, 1_000, 45)],
)
async def test_the_lower_of_both_ceilings_counts(
    serving: Serving, made: Made, operator: int | None, own: int | None, lower: int
) -> None:
    model = ScriptedModel([say("OK")])
    product = await serve(serving, made, model, org_tokens_per_day=operator)
    assert (await product.put(made, daily_token_limit=own)).status_code == 200
    product.clock.now = product.clock.now.replace(hour=12)
    for user in ("a", "b", "c"):
        assert (await product.send(made.member | {"X-User-Id": user})).status_code == 200
    refused = await product.send(made.member | {"X-User-Id": "d"})
    assert (refused.status_code, refused.json()["code"]) == (429, "cost_ceiling")
    assert f"45 of {lower} model tokens" in refused.json()["detail"]
    assert counted(product, made) == 45


async def test_one_token_less_than_the_ceiling_is_served(serving: Serving, made: Made) -> None:
    product = await serve(serving, made, ScriptedModel([say("OK")]), org_tokens_per_day=46)
    assert [(await product.send(made.member)).status_code for _ in range(5)] == [200, 200, 200, 200, 429]


@pytest.mark.parametrize(
    ("used", "warning"),
    [(8_000, "80 %: The organisation has used 8,000 of 10,000 model tokens of today (UTC)."), (7_999, None)],
)
async def test_80_percent_of_a_ceiling_warns_and_one_token_less_does_not(
    serving: Serving, made: Made, used: int, warning: str | None
) -> None:
    model = ScriptedModel([Reply("OK", usage=Usage(used, 0))])
    product = await serve(serving, made, model, org_tokens_per_day=10_000)
    assert (await product.send(made.member)).json().get("usage_warning") == warning


async def test_a_months_dollars_run_out_and_come_back_with_the_next_month(serving: Serving, made: Made) -> None:
    product = await serve(serving, made, ScriptedModel([DOLLAR]))
    assert (await product.put(made, monthly_cost_limit_usd=2.5)).status_code == 200
    product.clock.now = datetime(2026, 10, 31, 23, 59, 30, tzinfo=UTC)
    done = [(await product.send(made.member)).json() for _ in range(3)]
    assert [body.get("usage_warning") for body in done] == [
        None,
        "80 %: The organisation has used 2.00 of 2.50 USD for models this month (UTC).",
        "120 %: The organisation has used 3.00 of 2.50 USD for models this month (UTC).",
    ]
    refused = await product.send(made.member)
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "30")
    assert refused.json()["detail"] == (
        "The organisation has used 3.00 of 2.50 USD for models this month (UTC). "
        "Ask again next month, or have the monthly limit raised."
    )
    product.clock.now = datetime(2026, 11, 1, tzinfo=UTC)
    assert (await product.send(made.member)).status_code == 200


async def test_a_person_has_a_ceiling_of_their_own(serving: Serving, made: Made) -> None:
    product = await serve(serving, made, ScriptedModel([say("OK")]))
    assert (await product.put(made, user_daily_token_limit=30)).status_code == 200
    statuses = [(await product.send(made.member | {"X-User-Id": user})).status_code for user in "aaabb"]
    assert statuses == [200, 200, 429, 200, 200]
    refused = await product.send(made.member | {"X-User-Id": "a"})
    assert refused.json()["detail"].startswith("You have used 30 of 30 model tokens of today (UTC).")


async def test_a_ceiling_that_is_reached_in_a_turn_stops_its_next_model_call(serving: Serving, made: Made) -> None:
    from tests.metering.filed import HANDED_OVER

    model = ScriptedModel([HANDED_OVER, say("never said")])
    product = await serve(serving, made, model, org_tokens_per_day=30_000)
    refused = await product.send(made.member)
    assert (refused.status_code, refused.json()["code"], len(model.calls)) == (429, "cost_ceiling", 1)
    assert [(row["finish"], row["model_calls"]) for row in rows(product, made)] == [("cost_ceiling", 1)]


async def test_a_ceiling_that_is_changed_or_cleared_holds_at_once(serving: Serving, made: Made) -> None:
    product = await serve(serving, made, ScriptedModel([say("OK")]))
    assert (await product.send(made.member)).status_code == 200
    changed = await product.put(made, daily_token_limit=15)
    assert changed.json()["settings"]["daily_token_limit"] == 15
    assert (await product.send(made.member)).status_code == 429
    assert (await product.put(made, daily_token_limit=None)).json()["settings"]["daily_token_limit"] is None
    assert (await product.send(made.member)).status_code == 200


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"monthly_cost_limit_usd": 10, "model": "o1-mini"}, "price_unknown"),
        ({"monthly_cost_limit_usd": 0}, "invalid_body"),
        ({"monthly_cost_limit_usd": 0.001}, "invalid_body"),
        ({"daily_token_limit": 0}, "invalid_body"),
        ({"daily_token_limit": 1.5}, "invalid_body"),
        ({"user_monthly_cost_limit_usd": "much"}, "invalid_body"),
    ],
)
async def test_a_limit_that_cannot_hold_is_refused(
    serving: Serving, made: Made, change: dict[str, Any], code: str
) -> None:
    product = await serve(serving, made, ScriptedModel([say("OK")]))
    refused = await product.put(made, **change)
    assert (refused.status_code, refused.json()["code"]) == (422, code)


async def test_a_model_without_a_price_is_refused_while_its_cost_is_limited(serving: Serving, made: Made) -> None:
    product = await serve(serving, made, ScriptedModel([say("OK")]))
    limited = await product.put(made, monthly_cost_limit_usd=12.34)
    assert limited.json()["settings"]["monthly_cost_limit_usd"] == 12.34
    refused = await product.put(made, **{**FIRST, "model": "o1-mini"})
    assert (refused.status_code, refused.json()["code"]) == (422, "price_unknown")
    assert "daily_token_limit" in refused.json()["detail"]


def test_millionths_of_a_dollar_are_exact() -> None:
    from common.metering.ceilings import Ceiling

    ceiling = Ceiling("organization", "cost", int(Decimal("12.34") * 1_000_000), 12_339_999)
    assert (ceiling.percent(0), ceiling.percent(1)) == (99, 100)
