"""Every statement on the record names its organisation and the days that it reads: its tables have a part a day."""

import importlib
import json
import pkgutil
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlglot
from google.cloud import bigquery
from sqlglot import exp

import common
from common.record import usage_sql
from common.record.writer import merge_sql
from common.tenant import parse_org_slug
from common.warehouse.client import Warehouse
from common.warehouse.query import GuardedQuery
from common.warehouse.schema import load, record_tables
from tests.conversations.conftest import Product, Row, Serving

NOTE = "orgs/acme_inc/record/start"
NAMED = re.compile(r"\{(?:\{)?shared\.(?:" + "|".join((*record_tables(), r"\{table\}")) + r")\}")


def conjuncts(statement: exp.Expr) -> Iterator[exp.Expr]:
    """The conditions that all rows of a SELECT, a DELETE or a MERGE pass, those of its joins included."""
    conditions = [statement.args["where"].this] if statement.args.get("where") else []
    conditions += [join.args["on"] for join in statement.args.get("joins") or () if join.args.get("on")]
    conditions += [statement.args["on"]] if isinstance(statement, exp.Merge) else []
    for condition in conditions:
        yield from condition.flatten() if isinstance(condition, exp.And) else [condition]


def is_of(column: exp.Expr | None, alias: str, name: str, *, alone: bool) -> bool:
    return (
        isinstance(column, exp.Column)
        and column.name == name
        and (column.table == alias or (alone and not column.table))
    )


def is_bounded(statement: exp.Expr, alias: str, *, alone: bool) -> bool:
    """Return true if a table is read from a bound time on."""
    return any(
        isinstance(each, exp.GTE | exp.Between)
        and is_of(each.this, alias, "created_at", alone=alone)
        and isinstance(each.args.get("low") or each.expression, exp.Parameter)
        for each in conjuncts(statement)
    )


def is_keyed(statement: exp.Expr, alias: str, *, alone: bool) -> bool:
    """Return true if a table's rows are those of the bound organisation, or of the bound ones of a merge."""
    return any(
        isinstance(each, exp.EQ | exp.In)
        and is_of(each.this, alias, "org_slug", alone=alone)
        and re.search(r"@org_slugs?\b", each.sql(dialect="bigquery")) is not None
        for each in conjuncts(statement)
    )


def asks_for_times_only(statement: exp.Expr) -> bool:
    """Return true for what finds the bound of another statement: it reads no column but the keys and the time."""
    read = {column.name for column in statement.find_all(exp.Column)}
    return (
        isinstance(statement, exp.Select)
        and read <= {"created_at", "org_slug", "conversation_id"}
        and all(isinstance(each.unalias(), exp.Min | exp.Max) for each in statement.expressions)
    )


def asks_for_organizations_only(statement: exp.Expr) -> bool:
    """Return true for the pages of the organisations that a round is of: it returns their names and nothing else."""
    return isinstance(statement, exp.Select) and [each.name for each in statement.expressions] == ["org_slug"]


def faults(sql: str) -> list[str]:
    """The tables of the record that a statement reads without an organisation or without a time."""
    found = []
    for table in sqlglot.parse_one(sql, dialect="bigquery").find_all(exp.Table):
        if table.name not in record_tables():
            continue
        statement = table.find_ancestor(exp.Select, exp.Delete, exp.Merge)
        assert statement is not None
        alone = isinstance(statement, exp.Delete) or len(list(statement.find_all(exp.Table))) == 1
        if not is_keyed(statement, table.alias, alone=alone) and not asks_for_organizations_only(statement):
            found.append(f"{table.name}: any organisation")
        if not is_bounded(statement, table.alias, alone=alone) and not asks_for_times_only(statement):
            found.append(f"{table.name}: any day")
    return found


def written() -> dict[str, str]:
    """Every text in common that names a table of the record, by where it stands, and those that are composed."""
    texts = {}
    for module in pkgutil.walk_packages(common.__path__, "common."):
        for name, value in vars(importlib.import_module(module.name)).items():
            if isinstance(value, str) and NAMED.search(value) and "MERGE" not in value:
                for table in record_tables() if "{table}" in value else [""]:
                    text = value.format(table=table) if table else value
                    texts[f"{module.name}.{name} {table}".strip()] = re.sub(r"\{(?:shared|own)\.(\w+)\}", r"\1", text)
    texts |= {f"merge {table}": re.sub(r"\{shared\.(\w+)\}", r"\1", merge_sql(table)) for table in record_tables()}
    composed = {f"usage by {by}": usage_sql.usage(by) for by in usage_sql.BYS} | {"statement": usage_sql.statement()}
    return texts | {name: re.sub(r"\{(?:shared|own)\.(\w+)\}", r"\1", text) for name, text in composed.items()}


WRITTEN = written()


def test_the_statements_on_the_record_are_found_and_are_on_partitioned_tables() -> None:
    assert len(WRITTEN) >= 45
    for table in record_tables():
        partitioning = load("organizations", table).time_partitioning
        assert partitioning is not None
        assert partitioning.field == "created_at"


@pytest.mark.parametrize("name", WRITTEN)
def test_a_statement_on_the_record_names_its_organisation_and_its_days(name: str) -> None:
    assert faults(WRITTEN[name]) == []


@pytest.mark.parametrize(
    "condition",
    ["m.created_at BETWEEN @earliest AND @latest", "f.created_at >= @earliest", "m.org_slug = @org_slug"],
)
def test_a_read_that_lacks_one_of_them_is_found(condition: str) -> None:
    text = WRITTEN["common.record.reader.MESSAGES_SQL"]
    assert condition in text
    assert len(faults(text.replace(condition, "TRUE"))) == 1
    # A condition that rows may also pass without is none.
    assert len(faults(text.replace(condition, f"({condition} OR m.role = 'user')"))) == 1


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that BigQuery was asked, as they were sent."""
    texts: list[str] = []
    run, look_up = Warehouse.run, Warehouse.look_up

    async def spied_run(self: Warehouse, query: GuardedQuery, **options: Any) -> Any:
        texts.append(query.sql)
        return await run(self, query, **options)

    async def spied_look_up(self: Warehouse, query: GuardedQuery, **options: Any) -> Any:
        texts.append(query.sql)
        return await look_up(self, query, **options)

    monkeypatch.setattr(Warehouse, "run", spied_run)
    monkeypatch.setattr(Warehouse, "look_up", spied_look_up)
    return texts


async def test_whatever_is_sent_in_the_life_of_a_conversation_is_bounded(serving: Serving, sent: list[str]) -> None:
    product = await serving(retention_deleted_days=0)
    conversation_id = (await product.send("A question about herons"))["conversation_id"]
    await product.synced()
    await everything(product, conversation_id, "herons")
    await product.call("DELETE", f"/conversations/{conversation_id}")
    await product.synced()
    product.clock.forward(seconds=1)
    await product.sync()
    assert product.record("org_chat_messages", conversation_id) == []
    tenant = product.services.directory.tenant(parse_org_slug("acme_inc"))
    await product.services.erasure.of_user(tenant, product.user)
    assert [(sql, faults(sql)) for sql in sent if faults(sql)] == []
    named = {table for sql in sent for table in record_tables() if table in sql}
    # Alerts belong to no conversation.
    assert named == set(record_tables()) - {"org_alert_history"}


async def everything(product: Product, conversation_id: str, word: str) -> None:
    """Read, find, export, branch, rate and continue a conversation that Firestore no longer holds."""
    product.forget(conversation_id)
    product.forget_list()
    listed = await product.get("/conversations")
    assert conversation_id in [each["conversation_id"] for each in listed["conversations"]]
    product.forget(conversation_id)
    history = await product.get(f"/conversations/{conversation_id}/messages")
    assert [each["role"] for each in history["messages"]] == ["user", "assistant"]
    answer_id = history["messages"][1]["message_id"]
    product.forget(conversation_id)
    exported = json.loads((await product.call("GET", f"/conversations/{conversation_id}/export")).text)
    assert len(exported["messages"]) == 2
    product.forget(conversation_id)
    rated = await product.call(
        "POST", f"/conversations/{conversation_id}/messages/{answer_id}/feedback", json={"rating": "up"}
    )
    assert rated.status_code == 200, rated.text
    await product.synced()
    found = await product.get("/messages/search", q=word)
    assert conversation_id in [each["conversation_id"] for each in found["results"]]
    product.forget(conversation_id)
    branched = await product.call("POST", f"/conversations/{conversation_id}/fork", json={})
    assert branched.status_code == 200, branched.text
    await product.synced()
    branch_id = branched.json()["conversation_id"]
    product.forget(branch_id)
    assert len((await product.get(f"/conversations/{branch_id}/messages"))["messages"]) == 2
    product.forget(conversation_id)
    assert (await product.send("And?", conversation_id=conversation_id))["conversation_id"] == conversation_id
    await product.synced()


def put_old(product: Product, conversation_id: str, began: datetime, said: list[datetime], **other: Any) -> None:
    """Put a conversation into the record as an older version, or another platform, has it: without its first time."""
    row: Row = {
        "conversation_id": conversation_id, "org_slug": "acme_inc", "user_id": product.user, "title": "Old",
        "provider": "demo", "model_id": "analyst-1", "status": "active", "message_count": len(said),
        "created_at": began.isoformat(), "updated_at": began.isoformat(), "last_message_at": None,
    } | other  # fmt: skip
    insert(product, "org_chat_conversations", [row])
    messages: list[Row] = [
        {
            "message_id": f"{conversation_id}-{index}", "conversation_id": conversation_id, "org_slug": "acme_inc",
            "role": ("user", "assistant")[index % 2], "content": f"old flamingos {index}", "created_at": at.isoformat(),
        }
        for index, at in enumerate(said)
    ]  # fmt: skip
    insert(product, "org_chat_messages", messages)


def insert(product: Product, table: str, rows: list[Row]) -> None:
    names = list(rows[0])
    types = {field.name: field.type for field in load("organizations", table).fields}
    for row in rows:
        values = [
            bigquery.ScalarQueryParameter(name, types[name].replace("INTEGER", "INT64"), row[name]) for name in names
        ]
        sql = (
            f"INSERT INTO organizations.{table} ({', '.join(names)}) VALUES ({', '.join(f'@{name}' for name in names)})"
        )
        product.bigquery.query_and_wait(sql, job_config=bigquery.QueryJobConfig(query_parameters=values))


@pytest.mark.parametrize(
    "days",
    [(0, 0), (-400, -399), (30, 31), (-10, 10)],
    ids=["at its time", "long before it", "long after it", "around it"],
)
async def test_a_conversation_that_does_not_say_its_first_message_is_read_whole(
    product: Product, days: tuple[int, int]
) -> None:
    began = datetime.now(UTC) - timedelta(days=100)
    conversation_id = f"old-{product.user}"
    put_old(product, conversation_id, began, [began + timedelta(days=each) for each in days])
    # What others put into the record is seen when its beginning is measured again: other tests have noted it.
    product.documents.document(NOTE).delete()
    await everything(product, conversation_id, "flamingos")
    (row,) = product.record("org_chat_conversations", conversation_id)
    # The next turn but one knows the whole span at the latest.
    product.forget(conversation_id)
    await product.send("Again?", conversation_id=conversation_id)
    await product.synced()
    (row,) = product.record("org_chat_conversations", conversation_id)
    assert row["first_message_at"] is not None
    assert row["first_message_at"] <= min(began + timedelta(days=each) for each in days) + timedelta(seconds=1)
    product.forget(conversation_id)
    history = await product.get(f"/conversations/{conversation_id}/messages")
    assert len(history["messages"]) == 6


async def test_a_branch_says_the_time_of_its_oldest_message(product: Product) -> None:
    conversation_id = (await product.send("How it began"))["conversation_id"]
    oldest = product.stored(conversation_id)[0]["created_at"]
    product.clock.forward(days=200)
    branched = await product.call("POST", f"/conversations/{conversation_id}/fork", json={})
    branch_id = branched.json()["conversation_id"]
    await product.synced()
    (row,) = product.record("org_chat_conversations", branch_id)
    assert row["first_message_at"] == oldest
    assert row["created_at"] - row["first_message_at"] > timedelta(days=199)
    product.forget(branch_id)
    assert len((await product.get(f"/conversations/{branch_id}/messages"))["messages"]) == 2


async def test_an_opinion_that_changes_a_year_later_stays_one_row(product: Product) -> None:
    sent = await product.send("Rate me")
    conversation_id = sent["conversation_id"]
    for rating, later in (("up", 0), ("down", 370)):
        product.clock.forward(days=later)
        path = f"/conversations/{conversation_id}/messages/{sent['message_id']}/feedback"
        assert (await product.call("POST", path, json={"rating": rating})).status_code == 200
        await product.synced()
    assert [row["rating"] for row in product.record("org_chat_feedback", conversation_id)] == ["down"]


async def test_what_is_to_be_erased_is_looked_for_on_days_that_nobody_knew_of(product: Product) -> None:
    await product.get("/conversations")
    began = datetime.now(UTC) - timedelta(days=3_000)
    put_old(product, f"ancient-{product.user}", began, [began])
    tenant = product.services.directory.tenant(parse_org_slug("acme_inc"))
    assert await product.services.erasure.of_user(tenant, product.user) == [f"ancient-{product.user}"]
    await product.services.erasure.erase(tenant, [f"ancient-{product.user}"], lambda _: None)
    assert product.record("org_chat_messages", f"ancient-{product.user}") == []
    noted = product.documents.document(NOTE).get().to_dict()
    assert noted is not None
    assert noted["began_at"] < began
