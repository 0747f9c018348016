"""The labels of both axes, as the page draws charts: with the interpreter that its security policy needs."""

import json
import os
import re
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect

from common.tenant import OrgSlug, Principal, Tenant, UserId
from common.tools.context import ToolContext
from tests.conftest import PROJECT, Cloud
from tests.fakes.scripted_model import ScriptedModel, call_tool, say
from tests.playground.conftest import Product, Serving, Visit, Visiting

SCRIPT = Path(__file__).with_name("labels.mjs")
ZONES = ("UTC", "America/New_York", "Asia/Tokyo")
# A day with its month, a month with its year, or an hour of the day; never a bare number.
_TIME = re.compile(
    r"\d{1,2} [A-Z][a-z]{2}( \d{4})?|[A-Z][a-z]{2,8}( \d{1,2}| \d{4})?|\d{4}|\d{2}:\d{2}|[A-Z][a-z]{2} \d{2}"
)
_AMOUNT = re.compile(r"[-−]?[\d,.]+[kMBT]?")
BY_TIME = """
SELECT {time} AS moment, SUM(BilledCost) AS cost FROM cost_data_standard_1_3
WHERE BillingCurrency = 'USD' AND ChargePeriodStart >= '{start}' GROUP BY moment ORDER BY moment LIMIT 60
"""


async def charts_of(product: Product, today: Any) -> list[dict[str, Any]]:
    """Every chart over time that the tools draw of the demo data."""
    tenant = Tenant(OrgSlug("acme_inc"), PROJECT, "organizations")
    services = product.services
    names = [each.name for each in services.registry.tools]
    call = ToolContext({"org": "acme_inc"}, services.clock(), "labels")
    tools = services.registry.bind(Principal(tenant, UserId("u1"), "k1"), call, names, services.tool_resources)
    asked: list[tuple[str, dict[str, Any]]] = [("cost_forecast", {"horizon_days": days}) for days in (7, 30, 90)]
    for days in (3, 14, 60, 400):
        period = {"start_date": f"{today - timedelta(days=days)}", "end_date": f"{today}"}
        asked += [("query_costs", {"group_by": by, **period}) for by in ("day", "week", "month")]
    for time in ("DATE(ChargePeriodStart)", "ChargePeriodStart", "FORMAT_DATE('%Y-%m', DATE(ChargePeriodStart))"):
        start = today - timedelta(days=70)
        asked.append(("run_read_query", {"sql": BY_TIME.format(time=time, start=start)}))
    found = []
    for name, arguments in asked:
        answer = await tools.call(name, json.dumps(arguments), agent_name="Tester")
        assert "error" not in answer, answer
        found += [answer["chart"]] if "chart" in answer else []
    return found


def labels_of(charts: list[dict[str, Any]], sources: Path, zone: str) -> list[list[list[str]]]:
    """The texts of each axis of each chart, drawn by the page's own packages in a time zone."""
    command = ["node", str(SCRIPT), str(sources / "package.json")]
    environment = {**os.environ, "TZ": zone}
    drawn = subprocess.run(
        command, input=json.dumps(charts), env=environment, capture_output=True, text=True, check=True, timeout=120
    )
    axes: list[list[list[str]]] = json.loads(drawn.stdout)
    return axes


@pytest.mark.parametrize("zone", ZONES)
async def test_both_axes_of_a_chart_over_time_can_be_read(
    serving: Serving, sources: Path, cloud: Cloud, zone: str
) -> None:
    product: Product = await serving()
    charts = await charts_of(product, cloud.today)
    assert len(charts) >= 15
    for chart, (across, up) in zip(charts, labels_of(charts, sources, zone), strict=True):
        assert len(across) >= 2, chart["title"]
        assert [label for label in across if not _TIME.fullmatch(label)] == []
        assert len(up) >= 2
        assert [label for label in up if not _AMOUNT.fullmatch(label)] == []


@pytest.mark.parametrize("zone", ZONES)
async def test_the_browser_labels_days(serving: Serving, visiting: Visiting, cloud: Cloud, zone: str) -> None:
    start = cloud.today - timedelta(days=13)
    asked = call_tool("query_costs", group_by="day", start_date=f"{start}", end_date=f"{cloud.today}")
    product: Product = await serving(ScriptedModel([asked, say("There it is.")]))
    visit: Visit = await visiting(product, timezone_id=zone)
    await visit.ask("Daily spend?")
    await visit.answered()
    chart = visit.answer.locator("figure.chart svg")
    await expect(chart.get_by_text(f"{start.day} {start:%b}", exact=True)).to_be_visible()
