"""The planner's tools over the emulator that holds every organisation's costs, and the catalogue's small cut."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time
from typing import Any

import pytest
from google.cloud import bigquery

from common.skills.planner.tools import TOOLS
from common.tenant import EVERY_PERMISSION, OrgSlug, Principal, Tenant, UserId
from common.tools.context import Resources, ToolContext
from common.tools.registry import BoundTools
from local.data.catalog.reading import SMALL, read_folder
from local.data.rows import Row
from tests.fakes.embedding import MadeEmbeddings
from tests.fakes.plans import Plans
from tests.skills.conftest import DEMO_TODAY, PROJECT, Call, CountingWarehouse, held
from tests.skills.operations_made import client_of


@pytest.fixture(scope="session")
def catalog() -> dict[str, list[Row]]:
    return read_folder(SMALL)


@pytest.fixture(scope="session")
def catalogued(bigquery_url: str) -> Iterator[bigquery.Client]:
    """A client of the emulator, which holds the catalogue."""
    client = client_of(bigquery_url, PROJECT)
    yield client
    client.close()


@pytest.fixture
def plans() -> Plans:
    return Plans()


@pytest.fixture
def embeddings() -> MadeEmbeddings:
    """No embedder, until a test says that there is one."""
    return MadeEmbeddings(missing=True)


@pytest.fixture
def plan(plan_in: Callable[[CountingWarehouse], Call], counting: CountingWarehouse) -> Call:
    """Call a tool of the planner: ``await plan(name, **arguments)`` -> envelope; ``_org`` and ``_today`` say whose."""
    return plan_in(counting)


@pytest.fixture
def plan_in(
    catalogued: bigquery.Client, plans: Plans, embeddings: MadeEmbeddings
) -> Callable[[CountingWarehouse], Call]:
    """Call a tool of the planner over a warehouse: ``plan_in(warehouse)`` is like ``plan``."""
    return lambda warehouse: _calling(warehouse, {"plans": plans, "embeddings": embeddings})


def _calling(warehouse: CountingWarehouse, resources: Resources) -> Call:
    async def calling(
        tool_name: str,
        /,
        *,
        _org: str = "acme_inc",
        _today: date = DEMO_TODAY,
        _catalog: str = "catalog",
        **arguments: Any,
    ) -> dict[str, Any]:
        tenant = Tenant(OrgSlug(_org), PROJECT, "organizations", _catalog)
        principal = Principal(tenant, UserId("u1"), "key-1", EVERY_PERMISSION)
        context = ToolContext({"org": _org}, datetime.combine(_today, time(12), UTC), "answer-1")
        tools = BoundTools(TOOLS, principal, context, {**resources, "warehouse": warehouse})
        return held(await tools.call(tool_name, json.dumps(arguments, default=str), agent_name="DeploymentPlanner"))

    return calling
