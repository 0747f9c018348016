"""Questions in plain words, and figures that equal sums computed from the rows by nothing but Python."""

from collections import defaultdict
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

import pytest

from local.data import demo
from tests.api.conftest import Product
from tests.days import lasting_day

Row = dict[str, Any]
Wanted = Callable[[Row], bool]


@cache
def rows(org: str, loaded: date) -> tuple[Row, ...]:
    return tuple(demo.cost_rows(org, loaded))


def billed(
    org: str, loaded: date, first: date, last: date, by: str | None = None, wanted: Wanted | None = None
) -> defaultdict[str, Decimal]:
    """Billed cost of the inclusive days by a column, in the organisation's main currency."""
    currency = {"acme_inc": "USD", "globex_inc": "EUR"}[org]
    sums: defaultdict[str, Decimal] = defaultdict(Decimal)
    for row in rows(org, loaded):
        day = row["ChargePeriodStart"].date()
        if first <= day <= last and row["BillingCurrency"] == currency and (wanted is None or wanted(row)):
            sums[str(row[by]) if by else "total"] += row["BilledCost"]
    return sums


def months_back(today: date, months: int) -> tuple[date, date]:
    """First and last day of the calendar month so many months ago."""
    index = today.year * 12 + today.month - 1 - months
    first = date(index // 12, index % 12 + 1, 1)
    following = date((index + 1) // 12, (index + 1) % 12 + 1, 1)
    return first, following - timedelta(days=1)


def money(amount: Decimal) -> str:
    return f"{amount:,.2f}"


@pytest.fixture
def today() -> date:
    return lasting_day()


@pytest.mark.parametrize("org", ["acme_inc", "globex_inc"])
def test_spend_per_provider_last_month(product: Product, today: date, org: str) -> None:
    answer = product.send("What did we spend per provider last month?", org)
    sums = billed(org, product.loaded, *months_back(today, 1), by="ServiceProviderName")
    assert answer["agent_name"] == "CostAnalyst"
    for provider, amount in sums.items():
        assert provider in answer["response"]
        assert money(amount) in answer["response"]
    assert money(sum(sums.values(), Decimal())) in answer["response"]


def test_the_other_organisation_gets_other_figures(product: Product, today: date) -> None:
    question = "What did we spend per provider last month?"
    acme, globex = (product.send(question, org)["response"] for org in ("acme_inc", "globex_inc"))
    theirs = billed("globex_inc", product.loaded, *months_back(today, 1), by="ServiceProviderName")
    assert not any(money(amount) in acme for amount in theirs.values() if amount > 1)
    assert "EUR" in globex
    assert "EUR" not in acme


def test_the_top_services_of_a_named_month(product: Product, today: date) -> None:
    first, last = months_back(today, 2)
    answer = product.send(f"Top 3 services by cost in {first:%B %Y}")
    sums = sorted(billed("acme_inc", product.loaded, first, last, by="ServiceName").items(), key=lambda item: -item[1])
    for service, amount in sums[:3]:
        assert f"{service} | USD {money(amount)}" in answer["response"]
    assert sums[3][0] not in answer["response"]


def test_spend_by_team_in_a_quarter(product: Product, today: date) -> None:
    quarter = (today.month - 1) // 3
    year, number = (today.year, quarter) if quarter else (today.year - 1, 4)
    answer = product.send(f"spend by team in Q{number} {year}")
    first = date(year, 3 * number - 2, 1)
    last = (date(year + number // 4, 3 * number % 12 + 1, 1)) - timedelta(days=1)
    for team, amount in billed("acme_inc", product.loaded, first, last, by="x_hierarchy_entity_name").items():
        assert ("Unallocated" if team == "None" else team) in answer["response"]
        assert money(amount) in answer["response"]


def test_genai_spend_by_model_in_the_last_seven_days(product: Product, today: date) -> None:
    answer = product.send("GenAI spend by model for the last 7 days")
    sums = billed(
        "acme_inc",
        product.loaded,
        today - timedelta(days=6),
        today,
        "x_genai_model",
        lambda row: row["x_genai_provider"] is not None,
    )
    assert len(sums) > 1
    for model, amount in sums.items():
        if amount:
            assert model in answer["response"]
            assert money(amount) in answer["response"]


def test_spend_in_a_range_of_days_includes_its_last_day(product: Product, today: date) -> None:
    first, _ = months_back(today, 1)
    answer = product.send(f"How much did we spend from {first} to {first + timedelta(days=2)}?")
    assert money(billed("acme_inc", product.loaded, first, first + timedelta(days=2))["total"]) in answer["response"]


def test_this_month_by_service_category(product: Product, today: date) -> None:
    answer = product.send("this month by service category")
    for category, amount in billed(
        "acme_inc", product.loaded, today.replace(day=1), today, by="ServiceCategory"
    ).items():
        if amount:
            assert category in answer["response"]
            assert money(amount) in answer["response"]


def test_month_to_date_against_the_same_days_of_last_month(product: Product, today: date) -> None:
    answer = product.send("How does this month to date compare with last month?")
    first, last = months_back(today, 1)
    same_days = min(first + timedelta(days=today.day - 1), last)
    current = billed("acme_inc", product.loaded, today.replace(day=1), today)["total"]
    previous = billed("acme_inc", product.loaded, first, same_days)["total"]
    assert money(current) in answer["response"]
    assert money(previous) in answer["response"]


def test_last_month_against_the_month_before(product: Product, today: date) -> None:
    answer = product.send("compare last month with the month before")
    for months in (1, 2):
        assert money(billed("acme_inc", product.loaded, *months_back(today, months))["total"]) in answer["response"]


def test_the_same_month_a_year_earlier(product: Product, today: date) -> None:
    answer = product.send("Compare year over year")
    for months in (1, 13):
        assert money(billed("acme_inc", product.loaded, *months_back(today, months))["total"]) in answer["response"]


def is_used(row: Any) -> bool:
    """Whether a charge is for what was used, and no fee."""
    return row["ChargeCategory"] not in ("Purchase", "Tax") and row.get("ChargeFrequency") not in (
        "Recurring",
        "One-Time",
    )


def test_what_changed_in_the_last_fortnight(product: Product, today: date) -> None:
    answer = product.send("What were the top cost drivers over the last 14 days?")
    # The last complete days, and the same days of the week before; fees fall on single days and are set apart.
    last = today - timedelta(days=1)
    current = billed("acme_inc", product.loaded, last - timedelta(days=13), last, "ServiceName", is_used)
    previous = billed(
        "acme_inc", product.loaded, last - timedelta(days=27), last - timedelta(days=14), "ServiceName", is_used
    )
    services = current.keys() | previous.keys()
    biggest = max(services, key=lambda name: abs(current.get(name, Decimal()) - previous.get(name, Decimal())))
    assert biggest in answer["response"]
    assert money(current.get(biggest, Decimal())) in answer["response"]


def test_a_forecast_names_its_total_and_interval(product: Product, today: date) -> None:
    answer = product.send("forecast the next 14 days")
    recent = billed("acme_inc", product.loaded, today - timedelta(days=28), today - timedelta(days=1))["total"]
    assert "USD" in answer["response"]
    assert answer["agent_name"] == "CostAnalyst"
    events = product.http.post(
        "/api/v1/chat/acme_inc/stream", json={"message": "forecast the next 14 days"}, headers=product.headers()
    )
    assert '"projected_total"' in events.text
    assert recent > 0


def test_a_follow_up_narrows_the_question_before(product: Product, today: date) -> None:
    first = product.send("What did we spend per service last month?")
    second = product.send("and only AWS?", conversation_id=first["conversation_id"])
    sums = billed(
        "acme_inc",
        product.loaded,
        *months_back(today, 1),
        "ServiceName",
        lambda row: row["ServiceProviderName"] == "AWS",
    )
    assert money(sum(sums.values(), Decimal())) in second["response"]
    for service in sums:
        assert service in second["response"]
    assert "OpenAI" not in second["response"]
    assert second["conversation_id"] == first["conversation_id"]


def test_a_question_it_does_not_understand_is_answered_with_what_it_can_do(product: Product) -> None:
    answer = product.send("Sing me a song about the sea")
    assert "spend" in answer["response"].lower()
    assert answer["response"].strip()
