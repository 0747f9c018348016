"""The bounds of the planner: queries at one time, memory in a function, and the age of the prices everywhere."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from google.cloud import bigquery

from common.settings import Settings
from common.warehouse.catalog import STALE_DAYS, CatalogAge
from common.warehouse.query import GuardedQuery
from common.warehouse.result import QueryResult
from local.data.rows import Row
from tests.skills.conftest import PROJECT, Call, CountingWarehouse

ROOT = Path(__file__).parents[3]
LLAMA = {"task_type": "inference", "domain": "language", "gpu_needed": True, "model": "Llama 70B"}
MOST_BYTES = 5 * 1024**2


class MeetingWarehouse(CountingWarehouse):
    """Lets no query of a plan go on before four are under way."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.meeting = asyncio.Barrier(4)

    async def run(self, query: GuardedQuery, **options: Any) -> QueryResult:
        async with asyncio.timeout(300):
            await self.meeting.wait()
        return await super().run(query, **options)


@pytest.fixture
async def meeting(bigquery_url: str) -> AsyncIterator[MeetingWarehouse]:
    opened = MeetingWarehouse(Settings(bigquery_emulator_host=bigquery_url, gcp_project_id=PROJECT))
    yield opened
    opened.close()
    await asyncio.sleep(0)


async def test_the_four_queries_of_a_plan_are_under_way_at_one_time(plan_in: Any, meeting: MeetingWarehouse) -> None:
    answer = await plan_in(meeting)("plan_deployment", **LLAMA)
    assert answer["row_count"] == 3
    assert len(meeting.ran) == 4


def test_the_planner_takes_little_memory_in_a_function() -> None:
    """Everything of send is there before; what the planner's modules then allocate is counted."""
    code = (
        "import functions.send.main, tracemalloc, gc\n"
        "import common.skills.budgets.tools, common.skills.costs.tools, common.skills.forecast.tools\n"
        "import common.record.reader, common.documents\n"
        "gc.collect(); tracemalloc.start()\n"
        "import common.skills.planner.tools, common.skills.planner.stored\n"
        "[tool.schema() for tool in common.skills.planner.tools.TOOLS]\n"
        "gc.collect(); print(tracemalloc.get_traced_memory()[0])"
    )
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300
    )
    assert result.returncode == 0, result.stderr
    assert 10_000 < int(result.stdout) <= MOST_BYTES


def _same(moment: datetime) -> datetime:
    return moment


async def test_the_age_of_the_prices_is_in_readiness_and_in_every_plan(
    plan: Call, counting: CountingWarehouse, catalogued: bigquery.Client, catalog: dict[str, list[Row]]
) -> None:
    assert catalogued
    oldest = min(row["price_date"] for row in catalog["instances"])
    settings = Settings(gcp_project_id=PROJECT)
    for days, status in ((0, "ok"), (STALE_DAYS, "ok"), (STALE_DAYS + 1, "stale"), (400, "stale")):
        today = oldest + timedelta(days=days)
        noon = datetime(today.year, today.month, today.day, 12, tzinfo=UTC)
        measured = await CatalogAge(settings, counting, partial(_same, noon)).measure()
        assert measured == {"status": status, "prices": len(catalog["instances"]), "catalog_age_days": days}
        for spec in (LLAMA, {"task_type": "application", "min_vcpu": 2}):
            told = (await plan("plan_deployment", **spec, _today=today))["summary"]["plan"]
            assert told["catalog"]["catalog_age_days"] == days
            assert any(f"{days} days old" in each for each in told["warnings"]) is (status == "stale")
