"""Each cost tool beside its own queries: the call as an agent makes it, and the same texts through the bare SDK."""

import json
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from google.cloud import bigquery
from rich.console import Console

from common.app import Services
from common.settings import load_settings
from common.tenant import OrgSlug, Principal, Tenant, UserId
from common.tools.context import ToolContext
from common.tools.registry import BoundTools
from common.warehouse.client import Warehouse
from common.warehouse.query import GuardedQuery, Parameter
from common.warehouse.result import QueryResult
from local.data.__main__ import emulated_bigquery
from tests.bench.results import Results, Table, Verdict, ratio, shown
from tests.bench.stage import AT_ONCE, DATA_LATENCY, PROJECT, Stage, replayed

ORG = OrgSlug("acme_inc")
MONTH = {"period": "last_month"}
AWS = [{"dimension": "provider", "values": ["AWS"]}]
CALLS: Mapping[str, Mapping[str, Any]] = {
    "query_costs": MONTH | {"group_by": ["service", "region"], "filters": AWS},
    "compare_periods": {"period_type": "MoM"},
    "cost_breakdown": MONTH | {"dimension": "team"},
    "top_cost_drivers": {"days": 30},
    "cost_forecast": {"until": "end_of_month"},
    "find_anomalies": MONTH,
    "commitment_summary": MONTH,
    "unit_costs": MONTH,
    "allocate_shared_costs": MONTH,
    "list_values": {"dimension": "service"},
    "data_status": {},
}


@dataclass(frozen=True, slots=True)
class Measured:
    """The medians of a tool: its number of queries, they alone, and the call, in milliseconds."""

    queries: int
    alone: float
    called: float

    @property
    def times(self) -> float:
        return ratio(self.called, self.alone)


class Recorder(Warehouse):
    """A warehouse that keeps the queries it is asked, and remembers no answer."""

    asked: list[GuardedQuery]

    async def run(self, query: GuardedQuery, **more: Any) -> QueryResult:
        self.asked.append(query)
        result = await super().run(query, **more)
        self._cache.clear(query.tenant)
        return result


async def run(console: Console, stage: Stage, results: Results) -> None:
    """Call each tool and then its own queries, in turn, on the emulator and as slow as BigQuery is, and compare."""
    emulated = await _measure(stage.environment, quick=stage.quick)
    stage.pace(AT_ONCE, DATA_LATENCY)
    paced = await _measure(replayed(stage), quick=stage.quick)
    stage.pace(AT_ONCE)
    rows = []
    for name, measured in emulated.items():
        times = (f for each in (measured, paced[name]) for f in (each.alone, each.called, each.times))
        rows.append((name, str(measured.queries), *(shown(figure) for figure in times)))
    table = Table(
        "Cost tools, ms",
        ("tool", "queries", "emulator: SDK", "tool", "x", "query 400 ms: SDK", "tool", "x"),
        tuple(rows),
        "x: the tool against the same texts and values through the bare SDK.",
    )
    table.show(console)
    slowest = max(each.times for each in paced.values())
    results.add("cost_tools", table, verdicts=[Verdict("The slowest cost tool against its own queries", slowest, 1.2)])


async def _measure(environment: Mapping[str, str], *, quick: bool) -> dict[str, Measured]:
    settings = load_settings().model_copy(update={"bigquery_emulator_host": environment["BIGQUERY_EMULATOR_HOST"]})
    services, warehouse, client = Services(settings), Recorder(settings), emulated_bigquery(environment)
    vars(services)["warehouse"] = warehouse
    principal = Principal(Tenant(ORG, PROJECT, "organizations"), UserId("bench"), "key")
    context = ToolContext({"org": ORG}, services.clock(), "bench")
    tools = services.registry.bind(principal, context, tuple(CALLS), services.tool_resources)
    missing = {tool.name for tool in services.registry.tools if tool.domain == "costs"} - CALLS.keys()
    assert not missing, f"cost tools without a call: {sorted(missing)}"
    measured = {}
    for name, arguments in CALLS.items():
        called, alone = [], []
        for _ in range(6 if quick else 16):
            warehouse.asked = []
            called.append(await _call(tools, name, arguments))
            alone.append(sum(_ask(client, query) for query in warehouse.asked))
        # The first call makes connections and dry-runs the text.
        measured[name] = Measured(len(warehouse.asked), statistics.median(alone[1:]), statistics.median(called[1:]))
    client.close()
    warehouse.close()
    return measured


async def _call(tools: BoundTools, name: str, arguments: Mapping[str, Any]) -> float:
    began = time.perf_counter()
    envelope = await tools.call(name, json.dumps(arguments), agent_name="bench")
    assert "error" not in envelope, envelope
    return (time.perf_counter() - began) * 1000


def _ask(client: bigquery.Client, query: GuardedQuery) -> float:
    config = bigquery.QueryJobConfig(query_parameters=[_bound(*each) for each in query.parameters.items()])
    began = time.perf_counter()
    list(client.query_and_wait(query.sql, job_config=config))
    return (time.perf_counter() - began) * 1000


def _bound(name: str, parameter: Parameter) -> Any:
    if isinstance(parameter.value, tuple):
        return bigquery.ArrayQueryParameter(name, parameter.type, list(parameter.value))
    value: Any = parameter.value
    return bigquery.ScalarQueryParameter(name, parameter.type, value)
