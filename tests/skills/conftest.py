"""The tools bound to an organisation, over the BigQuery emulator filled with demo, made and sample rows."""

import asyncio
import csv
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from datetime import UTC, date, datetime, time
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from common.focus.calendar import FiscalCalendar
from common.settings import Settings
from common.skills.alerts.tools import TOOLS as ALERT_TOOLS
from common.skills.allocation.tools import TOOLS as ALLOCATION_TOOLS
from common.skills.anomalies.tools import TOOLS as ANOMALY_TOOLS
from common.skills.budgets.tools import TOOLS as BUDGET_TOOLS
from common.skills.commitments.tools import TOOLS as COMMITMENT_TOOLS
from common.skills.costs.tools import TOOLS as COST_TOOLS
from common.skills.forecast.tools import TOOLS as FORECAST_TOOLS
from common.skills.inventory.tools import TOOLS as INVENTORY_TOOLS
from common.skills.unit_costs.tools import TOOLS as UNIT_TOOLS
from common.skills.usage.tools import TOOLS as USAGE_TOOLS
from common.tenant import EVERY_PERMISSION, OrgSlug, Principal, Tenant, UserId
from common.tools.context import ToolContext
from common.tools.registry import BoundTools, Registry
from common.tools.result import ENVELOPE_SCHEMA
from common.warehouse import schema
from common.warehouse.client import QueryResult, Warehouse
from common.warehouse.query import GuardedQuery
from local.data import demo, warehouse
from local.data.catalog.loading import SmallCut
from local.data.focus.loading import load
from local.emulators.process import EmulatorProcess
from tests.fakes.destinations import FakeDestinations
from tests.skills import bills_made, costs_made, operations_made

PROJECT = "local-dev-project"
DEMO_TODAY = date(2026, 3, 31)
NOON = datetime.combine(DEMO_TODAY, time(12), UTC)
MANY_DAY = date(2024, 2, 29)
STEADY_END = date(2024, 12, 31)
SAMPLE = Path(__file__).parents[3] / "shared" / "data" / "focus_1_0_sample.csv"

UTC_YEAR = FiscalCalendar()

Call = Callable[..., Any]


class CountingWarehouse(Warehouse):
    """The warehouse, keeping the queries it ran."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.ran: list[GuardedQuery] = []

    async def run(
        self,
        query: GuardedQuery,
        *,
        labels: Mapping[str, str],
        seconds: float = 60.0,
        own: bool = False,
        fresh: bool = False,
    ) -> QueryResult:
        self.ran.append(query)
        return await super().run(query, labels=labels, seconds=seconds, own=own, fresh=fresh)


@cache
def rows_of(org: str) -> tuple[dict[str, Any], ...]:
    """Every cost row of an organisation, as Python values."""
    match org:
        case "edges_inc":
            return tuple(costs_made.edges())
        case "many_inc":
            return tuple(costs_made.many_services(600, MANY_DAY))
        case "steady_inc":
            return tuple(costs_made.steady(60, STEADY_END))
        case "bill_inc":
            return tuple(bills_made.bill())
        case "empty_inc":
            return ()
        case "focus_inc":
            return tuple(_sample_rows())
        case _:
            return operations_made.demo_costs(org)


def _sample_rows() -> Iterator[dict[str, Any]]:
    """The sample's rows read from the file without the loader: only what the figures need."""
    with SAMPLE.open(encoding="utf-8-sig", newline="") as file:
        for line in csv.DictReader(file):
            known = {name: value for name, value in line.items() if value not in ("", "NULL")}
            yield {
                "ServiceProviderName": known["ProviderName"],
                "ServiceName": known["ServiceName"],
                "ServiceCategory": known["ServiceCategory"],
                "RegionId": known.get("RegionId"),
                "RegionName": known.get("RegionName"),
                "BillingCurrency": known["BillingCurrency"],
                "ChargePeriodStart": datetime.fromisoformat(known["ChargePeriodStart"]).replace(tzinfo=UTC),
                "BilledCost": _numeric(known["BilledCost"]),
                "EffectiveCost": _numeric(known["EffectiveCost"]),
                "x_cloud_provider": "a cloud",
            }


def _numeric(text: str) -> Decimal:
    return Decimal(text).quantize(Decimal("0.000000001"), ROUND_HALF_UP)


@pytest.fixture(scope="session")
def bigquery_url() -> Iterator[str]:
    """An emulator that holds every organisation's costs."""
    with EmulatorProcess(PROJECT, services=["bigquery"]) as emulator:
        url = emulator.environment["BIGQUERY_EMULATOR_HOST"]
        _load(url)
        yield url


def _load(url: str) -> None:
    client = bigquery.Client(project=PROJECT, credentials=AnonymousCredentials(), client_options={"api_endpoint": url})
    catalog = SmallCut(client)
    made = ["edges_inc", "many_inc", "steady_inc", "bill_inc", "empty_inc"]
    orgs = [*demo.ORGS, *made, *(["focus_inc"] if SAMPLE.exists() else [])]
    warehouse.create(client, orgs)
    catalog.start()
    catalog.finish()
    table = schema.load("tenant", warehouse.COSTS)
    for org in orgs:
        name = f"{PROJECT}.{warehouse.tenant_dataset(org)}.{warehouse.COSTS}"
        if org != "focus_inc":
            warehouse.wait_for(warehouse.replace_rows(client, name, table, rows_of(org)))
            continue
        load(client, org, [SAMPLE], DEMO_TODAY)
    client.close()


@pytest.fixture(scope="session")
async def counting(bigquery_url: str) -> AsyncIterator[CountingWarehouse]:
    opened = CountingWarehouse(Settings(bigquery_emulator_host=bigquery_url, gcp_project_id=PROJECT))
    yield opened
    opened.close()
    await asyncio.sleep(0)  # Its connections close while there is an event loop.


@pytest.fixture
def call(counting: CountingWarehouse) -> Call:
    """Call a tool as an organisation's model does: ``await call(org, today, name, **arguments)`` -> envelope."""

    async def calling(
        org: str, today: date, tool_name: str, /, *, _calendar: FiscalCalendar = UTC_YEAR, **arguments: object
    ) -> dict[str, Any]:
        if org == "focus_inc" and not SAMPLE.exists():
            pytest.skip("the FOCUS sample is not there")
        tenant = Tenant(OrgSlug(org), PROJECT, "organizations")
        principal = Principal(tenant, UserId("u1"), "key-1", EVERY_PERMISSION)
        noon = datetime.combine(today, time(12), UTC)
        context = ToolContext({"org": org}, noon, "answer-1", calendar=_calendar)
        every = (
            *COST_TOOLS,
            *INVENTORY_TOOLS,
            *FORECAST_TOOLS,
            *COMMITMENT_TOOLS,
            *ANOMALY_TOOLS,
            *UNIT_TOOLS,
            *ALLOCATION_TOOLS,
        )
        tools = BoundTools(every, principal, context, {"warehouse": counting})
        return held(await tools.call(tool_name, json.dumps(arguments, default=str), agent_name="CostAnalyst"))

    return calling


def held(answer: dict[str, Any]) -> dict[str, Any]:
    """The answer, held to the schema that clients are told."""
    jsonschema.validate(answer, ENVELOPE_SCHEMA)
    return answer


@pytest.fixture(scope="session")
def operated(bigquery_url: str) -> Iterator[bigquery.Client]:
    """A client of the same emulator, once it holds what happened besides costs: usage, runs, quotas, alerts, teams."""
    client = operations_made.client_of(bigquery_url, PROJECT)
    operations_made.load(client)
    yield client
    client.close()


@pytest.fixture
def ask(operated: bigquery.Client, counting: CountingWarehouse) -> Call:
    """Call an alert or usage tool as a user's model does: ``await ask(org, name, **arguments)`` -> envelope.

    ``_user``, ``_scope`` and ``_now`` say who, in which answer and when.
    """
    registry = Registry((*ALERT_TOOLS, *USAGE_TOOLS, *BUDGET_TOOLS, *UNIT_TOOLS, *ALLOCATION_TOOLS))

    async def asking(
        org: str,
        tool_name: str,
        /,
        *,
        _user: str = "u1",
        _scope: str = "answer-1",
        _now: datetime = NOON,
        **arguments: object,
    ) -> dict[str, Any]:
        principal = Principal(Tenant(OrgSlug(org), PROJECT, "organizations"), UserId(_user), "key-1", EVERY_PERMISSION)
        resources = {"warehouse": counting, "destinations": FakeDestinations("Ops", "Finance")}
        tools = registry.bind(principal, ToolContext({"org": org}, _now, _scope), [tool_name], resources)
        given = json.dumps(arguments, default=str)
        return held(await tools.call(tool_name, given, agent_name="Tester", approved=True))

    return asking
