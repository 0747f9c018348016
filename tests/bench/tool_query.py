"""A tool's query: the first of a tenant, a further one, and the same again, beside what BigQuery takes by itself."""

import statistics
import time
from datetime import date, timedelta

from rich.console import Console

from common.app import Services
from common.settings import load_settings
from common.tenant import OrgSlug, Principal, Tenant, UserId
from common.tools.context import ToolContext
from common.tools.registry import BoundTools
from tests.bench.results import Results, Table, shown
from tests.bench.stage import AT_ONCE, DATA_LATENCY, NO_DATA_LATENCY, PROJECT, Stage

KINDS = ("first of a tenant (dry run and query)", "other days", "the same again")
ALONE = (0.7, 0.4, 0.0)


async def run(console: Console, stage: Stage, results: Results) -> None:
    """Call query_costs against the replayed BigQuery, without and with its latencies, and print one table."""
    settings = load_settings().model_copy(update={"bigquery_emulator_host": stage.stub_services})
    taken: dict[tuple[bool, int], list[float]] = {}
    for delayed in (False, True):
        stage.pace(AT_ONCE, DATA_LATENCY if delayed else NO_DATA_LATENCY)
        for repetition in range(4 if stage.quick else 12):
            services = Services(settings)
            slug = stage.callers[repetition].org_slug
            principal = Principal(Tenant(OrgSlug(slug), PROJECT, "organizations"), UserId("bench"), "key")
            context = ToolContext({"org": slug}, services.clock(), "bench")
            tools = services.registry.bind(principal, context, ("query_costs",), services.tool_resources)
            first = services.clock().date() - timedelta(days=90 + repetition)
            for kind, start in enumerate((first, first + timedelta(days=40), first + timedelta(days=40))):
                elapsed = await _call(tools, start)
                if repetition:  # The first one makes connections and asks the emulator.
                    taken.setdefault((delayed, kind), []).append(elapsed)
            services.warehouse.close()
    rows = tuple(
        (
            name,
            shown(statistics.median(taken[False, kind])),
            shown(statistics.median(taken[True, kind])),
            shown(statistics.median(taken[True, kind]) - ALONE[kind] * 1000),
        )
        for kind, name in enumerate(KINDS)
    )
    table = Table(
        f"query_costs, ms, median of {len(taken[False, 0])}",
        ("query", "BigQuery at once", "query 400 ms, dry run 300 ms", "beyond BigQuery's own time"),
        rows,
    )
    table.show(console)
    results.add("tool_query", table)


async def _call(tools: BoundTools, start: date) -> float:
    arguments = f'{{"group_by": "provider", "start_date": "{start}", "end_date": "{start + timedelta(days=30)}"}}'
    began = time.perf_counter()
    envelope = await tools.call("query_costs", arguments, agent_name="CostAnalyst")
    assert "error" not in envelope, envelope
    return (time.perf_counter() - began) * 1000
