"""A whole skill in one folder: an agent, a prompt, a tool over the warehouse, its SQL and its chart."""

import uuid
from pathlib import Path

_TOOLS = '''
from common.tenant import Principal
from common.tools.context import WarehouseContext
from common.tools.registry import tool
from common.tools.result import ToolResult
from common.warehouse.query import fixed

from . import charts, sql


async def count_charges(principal: Principal, context: WarehouseContext, *, at_least: int = 0) -> ToolResult:
    """Count the charges of each service. A second sentence."""
    found = await context.run(fixed(principal.tenant, sql.COUNTS, {}))
    rows = tuple(row for row in found.rows if row["charges"] >= at_least)
    return ToolResult(found, rows, {"at_least": at_least})


TOOLS = (tool("counting", count_charges, draws=charts.counts),)
'''
_SQL = '''
COUNTS = """
SELECT ServiceName AS service, COUNT(*) AS charges
FROM {own.cost_data_standard_1_3}
GROUP BY service
ORDER BY charges DESC
LIMIT 5
"""
'''
_CHARTS = """
from common.charts import drawings
from common.charts.values import Heading, Label, Measure


def counts(result):
    service, charges = Label("service", "Service"), Measure("charges", "Charges")
    return drawings.bars(Heading("Charges", ()), result.rows, service, charges)
"""
_AGENT = """agents:
  - name: Counter
    description: Counts charges.
    tools: [count_charges]
"""


def make_skill(parent: Path) -> Path:
    """Write the skill into a folder of its own and return it."""
    folder = parent / f"counting_{uuid.uuid4().hex}"
    folder.mkdir()
    for name, text in (("tools.py", _TOOLS), ("sql.py", _SQL), ("charts.py", _CHARTS), ("agent.yml", _AGENT)):
        (folder / name).write_text(text)
    (folder / "prompt.md").write_text("You are Counter. count_charges counts charges.")
    return folder
