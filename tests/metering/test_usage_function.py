"""The usage function: whose figures, of which month, exact to the last digit, and beside the providers' own bills."""

import csv
import io
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest

from common import limits
from common.metering.ledger import Ledger
from common.metering.statement import _compared
from common.metering.usage_queries import MonthQuery, StatementQuery, UsageQuery
from common.metering.usage_rows import Channel, EndedTurn, tool_call_row, turn_rows
from common.models.call import ModelCall, Reply, Usage
from common.models.catalog import Model, resolve
from common.record.writer import RecordWriter
from common.secret import Secret
from common.tenant import OrgSlug, Principal, UserId
from common.web.contracts import contract_of
from common.web.routes import ROUTES
from local.gateway import function_app
from tests.fakes.scripted_model import ScriptedModel, say
from tests.organizations.conftest import Serving
from tests.organizations.organizations import Made
from tests.organizations.serving import Product

FIRST = {"provider": "openai", "model": "gpt-4o", "key": "sk-usage-0123456789"}
NAMES = (("openai", "gpt-4o"), ("anthropic", "claude-sonnet-4-5"), ("gemini", "gemini-2.5-pro"), ("openai", "o1-mini"))
MODELS = tuple(resolve(*name, deployed=True) for name in NAMES)
CHANNELS: tuple[Channel, ...] = ("send", "stream", "copilotkit", "a2a")
FINISHES: tuple[str, ...] = ("stop", "length", "cancelled", "provider_unavailable", "waiting")
# A month that is over and one that touches it; what was used in the second must not be in the first's statement.
MONTH = date(2026, 9, 1)


@dataclass
class Asking:
    """The usage function, asked as callers of organisations."""

    product: Product
    http: httpx.AsyncClient

    async def get(self, path: str, headers: dict[str, str], **query: Any) -> httpx.Response:
        return await self.http.get(path, params=query, headers=headers)


@pytest.fixture
async def asking(serving: Serving) -> AsyncIterator[Asking]:
    product: Product = await serving(
        ScriptedModel([say("OK")]),
        user_messages_per_minute=0, org_messages_per_minute=0, user_searches_per_minute=0, org_searches_per_minute=0,
    )  # fmt: skip
    transport = httpx.ASGITransport(function_app("usage"))
    async with httpx.AsyncClient(transport=transport, base_url="http://usage", timeout=60) as http:
        yield Asking(product, http)


def reader(product: Product, made: Made) -> dict[str, str]:
    """Headers of a key that may read everybody's usage."""
    product.rows.add_key(made.slug, "reader", ["chat:read", "usage:read"])
    return made.key("reader")


def generated(product: Product, made: Made, count: int, chance: random.Random) -> list[dict[str, Any]]:
    """Rows of so many turns: some with two models, cached tokens, long prompts, estimates; some are tool calls."""
    tenant = product.services.directory.tenant(OrgSlug(made.slug))
    rows: list[dict[str, Any]] = []
    for number in range(count):
        at = datetime(2026, 9, 1, tzinfo=UTC) + timedelta(seconds=chance.randrange(32 * 86_400))
        name = f"{made.slug}-{number}"
        turn = EndedTurn(
            principal=Principal(tenant, UserId(f"user-{chance.randrange(40)}"), "key"),
            conversation_id=f"conversation-{number % 300}",
            message_id=name,
            attempt_id=name,
            agent_name=chance.choice(("CostAnalyst", "Explorer")),
            channel=chance.choice(CHANNELS),
            finish=chance.choice(FINISHES),
            tool_calls=chance.randrange(4),
            bytes_billed=chance.randrange(10**8),
            at=at,
        )
        if number % 50 == 0:
            rows.append(tool_call_row(EndedTurn(**{**_fields(turn), "channel": "mcp"})))
            continue
        ledger = Ledger()
        for model in chance.sample(MODELS, chance.choice((1, 1, 1, 2))):
            for _ in range(chance.randrange(1, 4)):
                ledger.add_reply(_call(model), _reply(chance))
        rows += turn_rows(turn, ledger, MODELS[0])
    return rows


def _fields(turn: EndedTurn) -> dict[str, Any]:
    return {name: getattr(turn, name) for name in EndedTurn.__dataclass_fields__}


def _call(model: Model) -> ModelCall:
    return ModelCall(model, Secret("sk"), (), (), 0.0, 100)


def _reply(chance: random.Random) -> Reply:
    read = chance.randrange(300_000)
    cached = chance.randrange(read + 1)
    usage = Usage(read, chance.randrange(4_000), cached, chance.randrange(read - cached + 1))
    return Reply("", usage=usage, usage_is_estimated=chance.random() < 0.1)


async def written(product: Product, made: Made, rows: list[dict[str, Any]]) -> None:
    writer = RecordWriter(product.services.warehouse, product.services.directory.nobody)
    for start in range(0, len(rows), 400):
        await writer.merge("org_chat_usage", [(OrgSlug(made.slug), row) for row in rows[start : start + 400]])


async def test_the_statement_of_ten_thousand_turns_equals_a_sum_to_the_last_digit(
    asking: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The lines of a statement are all there, however many pages they fill.
    monkeypatch.setattr(limits, "MAX_USAGE_ROWS", 2)
    product, chance = asking.product, random.Random(16)
    made = [product.rows.make() for _ in range(3)]
    everything = {each.slug: generated(product, each, 10_000 // 3 + 1, chance) for each in made}
    for each in made:
        await written(product, each, everything[each.slug])
        # Written once more: nothing is doubled.
        await written(product, each, everything[each.slug][:400])
    for each in made:
        headers = reader(product, each)
        mine = [row for row in everything[each.slug] if row["created_at"].startswith("2026-09")]
        assert len(mine) < len(everything[each.slug])
        answer = await asking.get("/statement", headers, month="2026-09", format="csv")
        assert answer.headers["content-type"].startswith("text/csv")
        lines = list(csv.DictReader(io.StringIO(answer.text)))
        costs = [Decimal(row["estimated_cost_usd"]) for row in mine if row["estimated_cost_usd"] is not None]
        assert sum(Decimal(line["estimated_cost_usd"] or 0) for line in lines) == sum(costs)
        body = (await asking.get("/statement", headers, month="2026-09")).json()
        assert Decimal(str(body["totals"]["estimated_cost_usd"])) == sum(costs)
        for name in ("model_calls", "tool_calls", "input_tokens", "cached_tokens", "output_tokens", "bytes_billed"):
            assert sum(int(line[name]) for line in lines) == body["totals"][name] == sum(row[name] for row in mine)
        assert body["totals"]["turns"] == len({row["message_id"] for row in mine if row["channel"] != "mcp"})
        unpriced = [row for row in mine if row["model_id"] == "o1-mini"]
        (unknown,) = [line for line in body["lines"] if line["model_id"] == "o1-mini"]
        assert unknown["estimated_cost_usd"] is None
        assert unknown["unpriced_tokens"] == sum(row["input_tokens"] + row["output_tokens"] for row in unpriced)
        estimated = sum(row["input_tokens"] + row["output_tokens"] for row in mine if row["tokens_estimated"])
        assert body["totals"]["estimated_tokens"] == estimated
        await grouped_alike(asking, headers, mine, sum(costs))


async def grouped_alike(
    asking: Asking, headers: dict[str, str], mine: list[dict[str, Any]], cost: Decimal | int
) -> None:
    """Every grouping has the same sum, and a row for each of its values."""
    for by, key in (("model", "model_id"), ("user", "user_id"), ("agent", "agent_name"), ("channel", "channel")):
        body = (await asking.get("/", headers, month="2026-09", by=by)).json()
        assert {row[key] for row in body["rows"]} == {row[key] for row in mine}
        assert sum(Decimal(str(row["estimated_cost_usd"] or 0)) for row in body["rows"]) == cost
    days = (await asking.get("/", headers, month="2026-09", by="day")).json()["rows"]
    assert [row["day"] for row in days] == [f"2026-09-{day:02}" for day in range(1, 31)]


async def test_what_was_asked_is_in_the_usage_once_sync_has_carried_it(asking: Asking, made: Made) -> None:
    product = asking.product
    assert (await product.put(made, **FIRST)).status_code == 200
    for user in ("ben", "eve", "eve"):
        assert (await product.send(made.member | {"X-User-Id": user})).status_code == 200
    assert (await product.services.sync.run())["status"] == "ok"
    own = (await asking.get("/usage", made.member)).json()
    assert (own["scope"], own["user_id"], own["bill"]) == ("own", "ben", None)
    assert (own["totals"]["turns"], own["totals"]["input_tokens"], own["totals"]["output_tokens"]) == (1, 10, 5)
    everybody = (await asking.get("/usage", reader(product, made), by="user")).json()
    assert everybody["scope"] == "organization"
    assert [(row["user_id"], row["turns"], row["total_tokens"]) for row in everybody["rows"]] == [
        ("eve", 2, 30),
        ("ben", 1, 15),
    ]
    assert everybody["totals"]["estimated_cost_usd"] == pytest.approx(3 * (10 * 2.5 + 5 * 10) / 1e6)
    cut = (await asking.get("/usage", made.key("reader"), by="user", limit=1)).json()
    assert (len(cut["rows"]), cut["truncated"], cut["totals"]["turns"]) == (1, True, 3)
    rest = (await asking.get("/usage", made.key("reader"), by="user", limit=1, cursor=cut["next_cursor"])).json()
    assert [*cut["rows"], *rest["rows"]] == everybody["rows"]
    assert (rest["truncated"], rest["totals"], "next_cursor" in rest) == (False, everybody["totals"], False)
    # A cursor is of its list alone.
    refused = await asking.get("/usage", made.key("reader"), by="agent", cursor=cut["next_cursor"])
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_request")


async def test_ceilings_are_told_as_they_stand_now(asking: Asking, made: Made) -> None:
    product = asking.product
    limits = {"daily_token_limit": 100, "user_monthly_cost_limit_usd": 2}
    assert (await product.put(made, **FIRST, **limits)).status_code == 200
    assert (await product.send(made.member)).status_code == 200
    own = (await asking.get("/", made.member)).json()["ceilings"]
    assert [(each["whose"], each["of"], each["limit"]) for each in own] == [("person", "usd_per_month", 2)]
    assert own[0]["used"] == pytest.approx(0.000075)
    product.rows.add_key(made.slug, "reader", ["chat:read", "usage:read"])
    everybody = (await asking.get("/", made.key("reader"))).json()["ceilings"]
    assert (everybody[0]["of"], everybody[0]["used"], everybody[0]["percent"]) == ("tokens_per_day", 15, 15)


async def test_the_providers_own_bill_stands_beside_the_estimate(asking: Asking) -> None:
    """The demo organisation's cost data has bills of OpenAI and Anthropic."""
    product, chance = asking.product, random.Random(3)
    acme = Made("acme_inc", product.rows)
    last = datetime.now(UTC).replace(day=1) - timedelta(days=1)
    rows = [{**row, "created_at": last.isoformat()} for row in generated(product, acme, 60, chance)]
    await written(product, acme, rows)
    headers = {"X-Org-Slug": "acme_inc", "X-API-Key": "demo-acme-key", "X-User-Id": "u1"}
    body = (await asking.get("/statement", headers, month=f"{last:%Y-%m}")).json()
    assert body["scope"] == "organization"
    beside = {each["provider"]: each for each in body["bill"]}
    assert {"openai", "anthropic"} <= beside.keys() <= {"openai", "anthropic", "gemini"}
    known = [Decimal(row["estimated_cost_usd"]) for row in rows if row["provider"] == "anthropic"]
    mine = beside["anthropic"]
    assert Decimal(str(mine["estimated_cost_usd"])) == sum(known)
    assert mine["billed_cost"] > 0
    assert mine["difference_usd"] == pytest.approx(mine["billed_cost"] - mine["estimated_cost_usd"])
    assert mine["last_day"][:7] == body["month"]
    # A page of the models is not all of them, and what is billed stands beside all of them.
    page = (await asking.get("/usage", headers, month=f"{last:%Y-%m}", limit=1)).json()
    assert (page["truncated"], page["bill"]) == (True, body["bill"])


@pytest.mark.parametrize(
    ("name", "value", "paths"),
    [
        *(
            ("month", value, ("/usage", "/usage/statement"))
            for value in ("2026-13", "2026-1", "last", "20\u0661\u0662-11", "2099-01")
        ),
        ("by", "org", ("/usage",)),
        *(("limit", value, ("/usage",)) for value in ("-1", "0", "100000", "1.5", "1e999")),
        ("format", "xml", ("/usage/statement",)),
    ],
)
async def test_what_cannot_be_asked_is_refused_with_a_sentence(
    asking: Asking, made: Made, name: str, value: str, paths: tuple[str, ...]
) -> None:
    query = {name: value}
    for path in paths:
        refused = await asking.get(path, made.member, **query)
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid_body")
        assert refused.json()["detail"].startswith(f"{name}: ")


async def test_a_month_without_use_has_zeros_and_no_rows(asking: Asking, made: Made) -> None:
    body = (await asking.get("/", made.member, month="2020-02")).json()
    assert (body["rows"], body["totals"]["turns"], body["totals"]["input_tokens"]) == ([], 0, 0)
    assert body["totals"]["estimated_cost_usd"] == 0
    statement = (await asking.get("/statement", made.member, month="2020-02")).json()
    assert statement["lines"] == []


async def test_what_is_left_empty_is_left_out(asking: Asking, made: Made) -> None:
    body = (await asking.get("/", made.member, month="", by="", limit="")).json()
    assert (body["month"], body["by"]) == (f"{asking.product.clock.now:%Y-%m}", "model")


@pytest.mark.parametrize(("name", "query"), [("figures", UsageQuery), ("statement", StatementQuery)])
def test_the_document_has_the_parameters_that_are_checked(name: str, query: type[MonthQuery]) -> None:
    (route,) = [each for each in ROUTES if (each.function, each.name) == ("usage", name)]
    documented = {each.name: each.schema for each in contract_of(route).query}
    checked = query.model_json_schema()["properties"]
    assert documented.keys() == checked.keys()
    for each, schema in documented.items():
        kinds = checked[each].get("anyOf", [checked[each]])
        assert schema.items() <= {**checked[each], **kinds[0]}.items(), each


async def test_neither_another_organisation_nor_a_key_without_scopes_for_it_sees_anything(
    asking: Asking, made: Made
) -> None:
    other = asking.product.rows.make()
    foreign = made.member | {"X-API-Key": other.member["X-API-Key"]}
    assert (await asking.get("/", foreign)).status_code == 403
    asking.product.rows.add_key(made.slug, "settings", ["settings:write"])
    assert (await asking.get("/", made.key("settings"))).json()["code"] == "scope_missing"
    assert (await asking.get("/", made.member | {"X-API-Key": "nonsense"})).status_code == 401


async def test_csv_is_what_a_client_gets_that_names_it(asking: Asking, made: Made) -> None:
    found = await asking.http.get("/statement", headers=made.member | {"Accept": "text/csv, application/json;q=0.5"})
    assert found.headers["content-type"] == "text/csv; charset=utf-8"
    assert 'filename="usage-' in found.headers["content-disposition"]
    assert found.text.startswith("month,provider,model_id,input_price_usd,")


def test_an_estimate_and_a_bill_differ_only_in_one_currency() -> None:
    billed = {"provider": "openai", "billed_cost": Decimal("12.50"), "currency": "USD", "last_day": MONTH}
    assert _compared(billed, Decimal("10.25"))["difference_usd"] == Decimal("2.25")
    assert _compared({**billed, "currency": "EUR"}, Decimal("10.25"))["difference_usd"] is None
    assert _compared(billed, None)["difference_usd"] is None


def test_the_query_has_the_months_of_this_century_only() -> None:
    assert UsageQuery(month="").month is None
    assert UsageQuery(month="2026-11").first_day(date(2026, 11, 1)) == date(2026, 11, 1)
