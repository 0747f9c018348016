"""Every tool of the product, found through its registry: no string that a caller can set reaches another organisation.

A new tool is covered by being registered; where its arguments need values that mean something,
the examples.yml of its skill's tests has them.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from google.cloud import bigquery

from common.app import Services
from common.errors import ConversationNotFound
from common.settings import Settings
from common.tenant import EVERY_PERMISSION, OrgSlug, Principal, Tenant, UserId
from common.tools.context import ToolContext
from common.tools.registry import Tool
from common.tools.result import ENVELOPE_SCHEMA
from common.warehouse import schema
from local.data.catalog.reading import SMALL, read_folder
from tests.fakes.destinations import FakeDestinations
from tests.fakes.embedding import MadeEmbeddings
from tests.fakes.plans import Plans
from tests.fakes.shelf import Shelf
from tests.skills.conftest import NOON, PROJECT, CountingWarehouse, rows_of
from tests.skills.examples import ARGUMENTS, NEEDED
from tests.skills.operations_made import shared_rows, usage_rows

REGISTRY = Services(Settings()).registry
TOOLS = {tool.name: tool for tool in REGISTRY.tools}
MINE, THEIRS = "acme_inc", "globex_inc"
PLANTER = "u-planter"
# An id, an address or a path; a plain word may stand in any sentence.
_NAME = re.compile(r"(?=[\w.@-]*[\d_.@-])[\w.@-]{5,}")


def properties(tool: Tool) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = tool.schema()["function"]["parameters"].get("properties", {})
    return found


def takes_text(argument: Mapping[str, Any]) -> bool:
    kinds = [argument, *argument.get("anyOf", ())]
    return any(kind.get("type") == "string" for kind in kinds)


def example(tool: Tool, name: str) -> Any:
    argument = properties(tool)[name]
    return ARGUMENTS.get((tool.name, name), argument.get("enum", [None])[0])


def plain_arguments(tool: Tool) -> dict[str, Any]:
    required = tool.schema()["function"]["parameters"].get("required", [])
    return {name: example(tool, name) for name in dict.fromkeys((*required, *NEEDED.get(tool.name, ())))}


TEXT_ARGUMENTS = [
    (tool.name, name) for tool in TOOLS.values() for name, argument in properties(tool).items() if takes_text(argument)
]


# Where a tool takes filters, their dimension and their values are texts of a caller, too.
FILTERED = [tool.name for tool in TOOLS.values() if "filters" in properties(tool)]


def planted() -> list[str]:
    """What somebody would try who wants the other organisation's rows, or wants them gone."""
    own = f"`{PROJECT}.{THEIRS}_prod.cost_data_standard_1_3`"
    shared = f"`{PROJECT}.organizations.org_alert_history`"
    theirs = shared_rows(THEIRS)
    alert = theirs["org_alert_history"][0]
    return [
        THEIRS,
        f"{THEIRS}_prod",
        f"{THEIRS}_prod.cost_data_standard_1_3",
        f"{PROJECT}.{THEIRS}_prod.genai_usage_daily_unified",
        own,
        "organizations.org_alert_history",
        "x' OR org_slug = 'globex_inc",
        "x' OR org_slug = 'globex_inc' --",
        "' OR 1=1 --",
        "') OR TRUE OR ('",
        "@org_slug",
        "{shared.org_alert_history}",
        f"SELECT * FROM {own}",
        f"SELECT * FROM {THEIRS}_prod.genai_usage_daily_unified",
        f"SELECT * FROM {shared} WHERE org_slug = '{THEIRS}'",
        "SELECT * FROM organizations.org_notification_rules",
        "SELECT entity_name FROM organizations.org_hierarchy UNION ALL SELECT name FROM org_notification_rules",
        f"x'; DELETE FROM {shared} WHERE org_slug = '{THEIRS}'; --",
        f"DELETE FROM {own} WHERE TRUE",
        f"UPDATE {shared} SET status = 'ACKNOWLEDGED' WHERE TRUE",
        f"INSERT INTO {shared} SELECT * FROM {shared}",
        alert["alert_history_id"],
        alert["alert_id"],
        theirs["org_meta_pipeline_runs"][0]["pipeline_logging_id"],
        theirs["org_hierarchy"][1]["entity_id"],
        theirs["org_hierarchy"][1]["entity_name"],
        theirs["org_hierarchy"][1]["id"],
    ]


class Markers:
    """What only the other organisation's rows hold: texts, and amounts of money."""

    def __init__(self) -> None:
        # The price catalogue is everybody's.
        mine = {*_values(_rows(MINE)), *_values(list(read_folder(SMALL).values()))}
        theirs = set(_values(_rows(THEIRS)))
        self.texts = {value for value in theirs - mine if isinstance(value, str) and len(value) >= 5}
        # A figure of two decimals may be a percentage that is the same by chance.
        self.amounts = {value for value in theirs - mine if isinstance(value, float) and round(value, 2) != value}

    def leaked(self, answer: Any, asked: str = "") -> set[str | float]:
        """The markers in an answer, where it does not just repeat what was asked."""
        repeated = {asked, *_NAME.findall(asked)}
        parts = {part for name in repeated for part in name.split(".")}
        echoes = {form[:most] for form in (asked, repr(asked)[1:-1]) for most in (None, 64, 100, 200)} | parts
        found: set[str | float] = set()
        for value in _values(answer):
            if isinstance(value, float):
                found |= {value} & self.amounts
                continue
            found |= ({value, *_NAME.findall(value)} - repeated) & self.texts
            rest = value.casefold()
            for echo in sorted(echoes, key=len, reverse=True):
                rest = rest.replace(echo.casefold(), " ") if echo else rest
            found |= {value} if "globex" in rest else set()
        return found


def _rows(org: str) -> list[Any]:
    return [*shared_rows(org).values(), usage_rows(org), rows_of(org)]


def _values(value: object) -> Iterator[str | float]:
    """Every text and number in a structure; keys are not values."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _values(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _values(item)
    elif value is not None and not isinstance(value, bool) and hasattr(value, "__float__"):
        yield float(value)


def checksum(client: bigquery.Client, org: str) -> str:
    """A digest of everything stored of an organisation."""
    digest = hashlib.sha256()
    for table in sorted(client.list_tables(f"{PROJECT}.{org}_prod"), key=lambda table: table.table_id):
        name = f"{PROJECT}.{org}_prod.{table.table_id}"
        described = client.get_table(name)
        digest.update(f"{name} {described.num_rows} {described.modified}".encode())
    costs = f"SELECT COUNT(*), SUM(BilledCost), SUM(EffectiveCost) FROM `{PROJECT}.{org}_prod.cost_data_standard_1_3`"
    shared = [
        f"SELECT * FROM `{PROJECT}.organizations.{table_name}` WHERE org_slug = '{org}'"
        for table_name in schema.tables("organizations")
    ]
    for query in (costs, *shared):
        rows = [json.dumps(dict(row.items()), default=str, sort_keys=True) for row in client.query_and_wait(query)]
        digest.update(repr((query, sorted(rows))).encode())
    return digest.hexdigest()


@pytest.fixture(scope="module")
def markers() -> Markers:
    return Markers()


@pytest.fixture(scope="module")
def theirs(operated: bigquery.Client) -> str:
    """What is stored of the other organisation before anything is tried."""
    return checksum(operated, THEIRS)


@pytest.fixture
def undisturbed(operated: bigquery.Client) -> Iterator[bigquery.Client]:
    """The warehouse; what the planted calls made of the caller's own is taken away in the end."""
    yield operated
    tidy(operated)


def tidy(client: bigquery.Client) -> None:
    """Take away what planted calls wrote into the caller's own rules and alerts."""
    rules, alerts = (f"`{PROJECT}.organizations.{name}`" for name in ("org_notification_rules", "org_alert_history"))
    client.query_and_wait(f"DELETE FROM {rules} WHERE created_by = '{PLANTER}'")
    changed = f"rule_id = '{ARGUMENTS['update_alert', 'rule']}'"
    (was,) = (row for row in shared_rows(MINE)["org_notification_rules"] if row["rule_id"] in changed)
    restored = f"name = '{was['name']}', description = '{was['description']}', updated_at = NULL"
    client.query_and_wait(f"UPDATE {rules} SET {restored} WHERE {changed}")
    client.query_and_wait(f"UPDATE {alerts} SET acknowledged_note = NULL WHERE org_slug = '{MINE}'")


class NoConversation:
    """Escalations outside of any conversation."""

    async def escalate_own(self, principal: Principal, conversation_id: str, reason: str) -> Any:
        raise ConversationNotFound


async def answer_of(warehouse: CountingWarehouse, org: str, tool: Tool, arguments: Mapping[str, Any]) -> dict[str, Any]:
    principal = Principal(Tenant(OrgSlug(org), PROJECT, "organizations"), UserId(PLANTER), "key-1", EVERY_PERMISSION)
    bound = REGISTRY.bind(
        principal,
        ToolContext({"org": org}, NOON, "planted"),
        [tool.name],
        {
            "warehouse": warehouse,
            "knowledge": Shelf(),
            "plans": Plans(),
            "embeddings": MadeEmbeddings(),
            "destinations": FakeDestinations(),
            "escalations": NoConversation(),
        },
    )
    answer = await bound.call(tool.name, json.dumps(arguments), agent_name="Tester", approved=True)
    jsonschema.validate(answer, ENVELOPE_SCHEMA)
    return answer


def told(answer: dict[str, Any]) -> dict[str, Any]:
    """What an answer tells of stored data: all but the query and its own values."""
    return {name: value for name, value in answer.items() if name not in ("sql", "parameters", "job_id", "columns")}


@pytest.mark.parametrize(("name", "argument"), TEXT_ARGUMENTS)
async def test_no_text_reaches_or_changes_another_organisation(
    undisturbed: bigquery.Client,
    counting: CountingWarehouse,
    markers: Markers,
    theirs: str,
    name: str,
    argument: str,
) -> None:
    for value in planted():
        counting.ran.clear()
        answer = await answer_of(counting, MINE, TOOLS[name], plain_arguments(TOOLS[name]) | {argument: value})
        assert "rows" in answer or answer["error"]["code"]
        assert markers.leaked(told(answer), value) == set(), value
        for query in counting.ran:
            assert f"{THEIRS}_prod" not in "".join(query.tables)
            bound = query.parameters.get("org_slug")
            assert bound is None or bound.value == MINE
            assert not query.reads_shared or bound is not None or query.origin == "admitted"
        if TOOLS[name].writes:
            # An answer may name an equal rule, or what was there before.
            tidy(undisturbed)
    assert checksum(undisturbed, THEIRS) == theirs


@pytest.mark.parametrize("name", FILTERED)
async def test_no_filter_reaches_or_changes_another_organisation(
    undisturbed: bigquery.Client, counting: CountingWarehouse, markers: Markers, theirs: str, name: str
) -> None:
    for value in planted():
        counting.ran.clear()
        filters = [
            {"dimension": "service", "values": [value]},
            {"dimension": "provider", "op": "not_in", "values": [value]},
            {"dimension": "entity", "op": "contains", "values": [value]},
        ]
        answer = await answer_of(counting, MINE, TOOLS[name], plain_arguments(TOOLS[name]) | {"filters": filters})
        assert "rows" in answer or answer["error"]["code"]
        assert markers.leaked(told(answer), value) == set(), value
        assert not any(f"{THEIRS}_prod" in "".join(query.tables) for query in counting.ran)
    assert checksum(undisturbed, THEIRS) == theirs


async def test_no_dimension_of_a_filter_reaches_another_organisation(
    counting: CountingWarehouse, markers: Markers
) -> None:
    for value in planted():
        for dimension in (value, f"tag:{value}", f"level:{value}"):
            arguments = {"filters": [{"dimension": dimension, "op": "not_null"}]}
            answer = await answer_of(counting, MINE, TOOLS["query_costs"], arguments)
            assert markers.leaked(told(answer), value) == set(), value


@pytest.mark.parametrize("name", TOOLS)
async def test_a_plain_call_is_answered_with_nothing_of_another_organisation(
    undisturbed: bigquery.Client, counting: CountingWarehouse, markers: Markers, theirs: str, name: str
) -> None:
    answer = await answer_of(counting, MINE, TOOLS[name], plain_arguments(TOOLS[name]))
    assert "error" not in answer or answer["error"]["code"] in ("not_found", "needs_clarification", "unknown_plan"), (
        answer
    )
    assert markers.leaked(told(answer)) == set()
    assert checksum(undisturbed, THEIRS) == theirs


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("query_costs", {"group_by": "provider"}),
        ("genai_usage", {"group_by": "team"}),
        ("alert_history", {}),
        ("list_alerts", {}),
        ("pipeline_runs", {}),
        ("top_consumers", {"dimension": "team"}),
    ],
)
async def test_what_would_be_a_leak_is_seen_in_the_other_organisation_s_own_answers(
    undisturbed: bigquery.Client, counting: CountingWarehouse, markers: Markers, name: str, arguments: dict[str, Any]
) -> None:
    answer = await answer_of(counting, THEIRS, TOOLS[name], arguments)
    assert markers.leaked(told(answer))


async def test_a_change_of_the_other_organisation_would_be_seen(
    undisturbed: bigquery.Client, counting: CountingWarehouse, theirs: str
) -> None:
    arguments = {"name": "Theirs", "threshold": 1, "currency": "EUR"}
    assert "rows" in await answer_of(counting, THEIRS, TOOLS["create_alert"], arguments)
    assert checksum(undisturbed, THEIRS) != theirs


@pytest.mark.parametrize("name", TOOLS)
def test_no_argument_can_name_a_tenant(name: str) -> None:
    for argument in properties(TOOLS[name]):
        words = argument.lower().split("_")
        assert not {"org", "tenant", "dataset", "principal", "account"} & set(words)
        assert words[-1] not in ("project", "user")
    assert TOOLS[name].schema()["function"]["parameters"]["additionalProperties"] is False


@pytest.mark.parametrize("name", TOOLS)
def test_the_schema_is_valid_and_takes_the_plain_call(name: str) -> None:
    parameters = TOOLS[name].schema()["function"]["parameters"]
    jsonschema.Draft202012Validator.check_schema(parameters)
    jsonschema.validate(plain_arguments(TOOLS[name]), parameters)
    for argument, described in properties(TOOLS[name]).items():
        kinds = [described, *described.get("anyOf", ())]
        assert any(kind.get("description") for kind in kinds), argument
        assert any(kind.get("type") or kind.get("enum") for kind in kinds), argument


@pytest.mark.parametrize("name", TOOLS)
def test_every_tool_says_what_it_does(name: str) -> None:
    assert len(TOOLS[name].description) >= 80
    assert TOOLS[name].description.endswith(".")


def test_what_writes_says_so_and_nothing_else_does() -> None:
    assert {tool.name for tool in TOOLS.values() if tool.writes} == {
        "create_alert",
        "update_alert",
        "manage_alert",
        "acknowledge_alert",
        "escalate",
    }
