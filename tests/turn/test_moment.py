"""A turn has one moment: its prompt, its tools and its counters name the same day, whatever the clock says later."""

import json
from datetime import UTC, date, datetime, timedelta

import pytest

from common.models.completion import ModelCall, Reply
from tests.fakes.scripted_model import ScriptedModel, call_tool, say
from tests.turn.conftest import Product, Serving

LAST_SECONDS = {
    "a month": datetime(2026, 4, 30, 23, 59, 59, tzinfo=UTC),
    "a year": datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC),
    "29 February": datetime(2028, 2, 29, 23, 59, 59, tzinfo=UTC),
    # Clocks go forward and back in this night, in Europe and then in America.
    "before summer time": datetime(2026, 3, 29, 0, 59, 59, tzinfo=UTC),
    "before winter time": datetime(2026, 10, 25, 0, 59, 59, tzinfo=UTC),
    "before summer time in America": datetime(2026, 3, 8, 6, 59, 59, tzinfo=UTC),
    "before winter time in America": datetime(2026, 11, 1, 5, 59, 59, tzinfo=UTC),
}


@pytest.mark.parametrize("moment", LAST_SECONDS.values(), ids=LAST_SECONDS)
async def test_what_a_turn_says_of_today_is_the_day_on_which_it_began(serving: Serving, moment: datetime) -> None:
    def later(reply: Reply) -> object:
        def step(_: ModelCall) -> Reply:
            product.clock.forward(seconds=1)
            return reply

        return step

    steps = [
        call_tool("compare_periods", "call_1", period_type="MTD"),
        call_tool("query_costs", "call_2", group_by="provider"),
        say("Here it is."),
    ]
    model = ScriptedModel([later(step) for step in steps])  # type: ignore[misc]
    product: Product = await serving(model, org_tokens_per_day=10**12, user_messages_per_minute=1_000_000)
    product.clock.now = moment
    # What is copied from BigQuery for a while is copied at the time of the machine.
    answer = await product.send("What did we spend this month, compared?")
    assert answer.status_code == 200, answer.text
    assert product.clock.now == moment + timedelta(seconds=len(steps))
    today = moment.date()
    for call in model.calls:
        assert f"Today is {today.isoformat()} (UTC)." in call.messages[0]["content"]
    results = [json.loads(each["content"]) for each in model.calls[-1].messages if each["role"] == "tool"]
    compared, costs = results[-2]["summary"], results[-1]["summary"]
    assert date.fromisoformat(compared["current"]["end_date"]) == today
    assert date.fromisoformat(compared["current"]["start_date"]) == today.replace(day=1)
    assert date.fromisoformat(costs["period"]["end_date"]) == today
    assert counted(product, today) >= 15 * len(steps)
    tomorrow = product.clock.now.date()
    assert today == tomorrow or counted(product, tomorrow) == 0


def counted(product: Product, day: date) -> int:
    """The tokens counted for the organisation on a day: an addition goes to any part of its month's counter."""
    counters = product.documents.collection("orgs/acme_inc/counters").list_documents()
    parts = [part.get().to_dict() or {} for part in counters if part.id.startswith(f"tokens-{day:%Y%m}.")]
    return sum(part.get(f"day_{day:%d}", 0) for part in parts)
