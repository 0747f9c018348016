"""What the client sends, what it caps, and that a query nobody waits for ends."""

import asyncio
import time
from collections.abc import Callable
from decimal import Decimal

import pytest

from common import limits
from common.warehouse import bigquery_errors, job, slot_time
from common.warehouse.client import QueryRefused, Warehouse
from common.warehouse.query import Parameter, admitted, fixed
from common.warehouse.slot_time import SlotWatch
from local.emulators.bigquery import BigQueryEmulator
from tests.warehouse.conftest import ACME, GLOBEX, LABELS, Opened, sdk

COST = "SELECT name, cost FROM {own.costs} WHERE cost > @least"
LEAST = {"least": Parameter("NUMERIC", Decimal(0))}
SLOW_QUERIES = 260
BIG = f"{ACME.project_id}.acme_inc_prod.big"
SHARED_BIG = f"{ACME.project_id}.organizations.org_budgets"


async def until(state: Callable[[], bool]) -> None:
    """Wait for a state of another thread or process."""
    async with asyncio.timeout(120):
        while not state():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_the_products_text_is_dry_run_once_for_each_tenant(
    warehouse: Warehouse, emulator: BigQueryEmulator
) -> None:
    for least in (0, 1):
        await warehouse.run(fixed(ACME, COST, {"least": Parameter("NUMERIC", Decimal(least))}), labels=LABELS)
    assert (emulator.seams.counts()["dry_run"], emulator.seams.counts()["query"]) == (1, 2)
    await warehouse.run(fixed(GLOBEX, COST, LEAST), labels=LABELS)
    assert (emulator.seams.counts()["dry_run"], emulator.seams.counts()["query"]) == (2, 3)


async def test_a_lookup_is_one_request(warehouse: Warehouse, emulator: BigQueryEmulator) -> None:
    found = await warehouse.look_up(fixed(ACME, COST, LEAST), labels=LABELS)
    assert found.rows == ({"name": "secret of acme_inc", "cost": Decimal("1.5")},)
    counts = emulator.seams.counts()
    assert "dry_run" not in counts
    assert sum(count for name, count in counts.items() if " " in name) == 1


async def test_a_small_query_is_one_request_after_its_dry_run(warehouse: Warehouse, emulator: BigQueryEmulator) -> None:
    for least, requests in ((0, 2), (1, 1)):
        emulator.seams.reset()
        query = fixed(ACME, COST, {"least": Parameter("NUMERIC", Decimal(least))})
        found = await warehouse.run(query, labels=LABELS)
        assert (len(found.rows), found.columns[1].type, found.total_rows) == (1, "NUMERIC", 1)
        assert found.job_id
        assert sum(count for name, count in emulator.seams.counts().items() if " " in name) == requests


async def test_a_query_that_takes_longer_goes_on_by_its_job(
    warehouse: Warehouse, emulator: BigQueryEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "QUERY_FIRST_SECONDS", 0.05)
    emulator.seams.delay("query", 0.5)
    found = await warehouse.run(fixed(ACME, COST, LEAST), labels=LABELS)
    assert found.rows == ({"name": "secret of acme_inc", "cost": Decimal("1.5")},)
    assert emulator.seams.counts()["query"] == 1
    assert found.bytes_processed > 0


async def test_an_admitted_text_is_dry_run_each_time_it_runs(warehouse: Warehouse, emulator: BigQueryEmulator) -> None:
    for number in (1, 2):
        await warehouse.run(admitted(ACME, f"SELECT {number} AS n", frozenset()), labels=LABELS)
    assert (emulator.seams.counts()["dry_run"], emulator.seams.counts()["query"]) == (2, 2)


async def test_a_table_that_was_not_admitted_is_not_read_whatever_the_text_says(
    warehouse: Warehouse, emulator: BigQueryEmulator
) -> None:
    stolen = admitted(ACME, f"SELECT name FROM {GLOBEX.own_table('costs')}", frozenset({BIG}))
    with pytest.raises(QueryRefused) as refused:
        await warehouse.run(stolen, labels=LABELS)
    assert refused.value.code == "table_not_admitted"
    assert "globex" not in refused.value.detail
    assert "query" not in emulator.seams.counts()


async def test_only_a_select_is_admitted_whatever_the_text_says(
    warehouse: Warehouse, emulator: BigQueryEmulator
) -> None:
    table = ACME.own_table("costs")
    query = admitted(ACME, f"DELETE FROM {table} WHERE TRUE", frozenset({table.strip("`")}))
    with pytest.raises(QueryRefused) as refused:
        await warehouse.run(query, labels=LABELS)
    assert refused.value.code == "not_a_select"
    assert "query" not in emulator.seams.counts()


async def test_the_gate_lets_through_its_own_size_and_not_a_byte_more(
    emulator: BigQueryEmulator, opened: Opened
) -> None:
    query = admitted(ACME, f"SELECT MAX(LENGTH(text)) AS longest FROM `{BIG}`", frozenset({BIG}))
    size = (await opened(emulator.url).run(query, labels=LABELS)).bytes_processed
    assert size > 12_000_000
    emulator.seams.reset()
    at_the_limit = await opened(emulator.url, bq_max_bytes_gate=size).run(query, labels=LABELS)
    assert at_the_limit.rows == ({"longest": 1_000_000},)
    emulator.seams.reset()
    with pytest.raises(QueryRefused) as refused:
        await opened(emulator.url, bq_max_bytes_gate=size - 1).run(query, labels=LABELS)
    assert refused.value.code == "bytes_over_limit"
    assert refused.value.detail.count("11.44 MiB") == 2  # the estimate and the limit
    assert "Ask for a shorter range" in refused.value.detail
    assert "query" not in emulator.seams.counts()


async def test_the_products_own_text_is_held_to_the_gate_and_may_lower_it(
    emulator: BigQueryEmulator, opened: Opened
) -> None:
    query = fixed(ACME, "SELECT MAX(text) AS most FROM {own.big}")
    with pytest.raises(QueryRefused, match="over the limit of 1 MiB"):
        await opened(emulator.url, bq_max_bytes_gate=1024**2).run(query, labels=LABELS)
    lowered = type(query)(query.tenant, query.sql, query.origin, query.tables, {}, max_bytes=1024)
    with pytest.raises(QueryRefused, match="over the limit of 1 KiB"):
        await opened(emulator.url).run(lowered, labels=LABELS)


async def test_the_size_of_a_shared_table_is_not_told(emulator: BigQueryEmulator, opened: Opened) -> None:
    query = admitted(ACME, f"SELECT MAX(text) AS most FROM `{SHARED_BIG}`", frozenset({SHARED_BIG}))
    with pytest.raises(QueryRefused) as refused:
        await opened(emulator.url, bq_max_bytes_gate=1024**2).run(query, labels=LABELS)
    assert refused.value.detail.startswith("The query would read more than 1 MiB.")


@pytest.mark.parametrize(("asked", "truncated"), [(limits.MAX_RESULT_ROWS, False), (limits.MAX_RESULT_ROWS + 1, True)])
async def test_at_most_so_many_rows_come_back_and_the_result_says_so(
    warehouse: Warehouse, asked: int, truncated: bool
) -> None:
    query = admitted(ACME, f"SELECT n FROM UNNEST(GENERATE_ARRAY(1, {asked})) AS n", frozenset())
    found = await warehouse.run(query, labels=LABELS)
    assert (len(found.rows), found.total_rows, found.truncated) == (limits.MAX_RESULT_ROWS, asked, truncated)


async def test_at_most_so_many_bytes_come_back_and_the_result_says_so(warehouse: Warehouse) -> None:
    text = "SELECT REPEAT('x', 100000) AS text FROM UNNEST(GENERATE_ARRAY(1, {count})) AS n"
    fits = await warehouse.run(admitted(ACME, text.format(count=9), frozenset()), labels=LABELS)
    assert (len(fits.rows), fits.truncated) == (9, False)
    over = await warehouse.run(admitted(ACME, text.format(count=30), frozenset()), labels=LABELS)
    assert (len(over.rows), over.total_rows, over.truncated) == (9, 30, True)
    one = await warehouse.run(admitted(ACME, f"SELECT MAX(text) AS t FROM `{BIG}`", frozenset({BIG})), labels=LABELS)
    assert (one.rows, one.truncated) == ((), True)


async def test_what_fails_at_run_time_says_nothing_of_the_rows(warehouse: Warehouse) -> None:
    costs = ACME.own_table("costs")
    query = admitted(ACME, f"SELECT CAST(name AS INT64) AS n FROM {costs}", frozenset({costs.strip("`")}))
    with pytest.raises(QueryRefused) as refused:
        await warehouse.run(query, labels=LABELS)
    assert refused.value.code == "query_failed"
    assert "secret" not in refused.value.detail


async def test_what_a_dry_run_says_of_a_models_text_comes_back_in_one_capped_line(warehouse: Warehouse) -> None:
    name = "nope" + "e" * 2000
    with pytest.raises(QueryRefused) as refused:
        await warehouse.run(admitted(ACME, f"SELECT\n{name}", frozenset()), labels=LABELS)
    assert refused.value.code == "invalid_query"
    assert refused.value.detail.startswith("The query is not valid: Unrecognized name: nopee")
    assert "\n" not in refused.value.detail
    assert "http" not in refused.value.detail
    assert len(refused.value.detail) < bigquery_errors.DRY_RUN_ERROR_CHARS + 50


async def test_what_the_emulator_cannot_do_is_said_to_the_model(warehouse: Warehouse) -> None:
    for sql, named in (("SELECT JSON_SET(JSON '{}', '$.a', 1) AS j", "JSON_SET"), ("SELECT SOUNDEX('a')", "SOUNDEX")):
        with pytest.raises(QueryRefused) as refused:
            await warehouse.run(admitted(ACME, sql, frozenset()), labels=LABELS)
        assert refused.value.code == "not_supported"
        assert refused.value.detail == f"Not supported by the local emulator: the function {named}"


async def test_what_a_dry_run_says_of_the_products_text_stays_inside(warehouse: Warehouse) -> None:
    with pytest.raises(QueryRefused) as refused:
        await warehouse.run(fixed(ACME, "SELECT nope FROM {own.costs}"), labels=LABELS)
    assert refused.value.code == "query_failed"
    assert "nope" not in refused.value.detail


async def test_a_job_carries_its_caps_and_labels(warehouse: Warehouse, emulator: BigQueryEmulator) -> None:
    shared = await warehouse.run(
        admitted(ACME, f"SELECT org_slug FROM `{SHARED_BIG}` LIMIT 1", frozenset({SHARED_BIG})), labels=LABELS
    )
    own = await warehouse.run(fixed(ACME, COST, LEAST), labels=LABELS)
    client = sdk(emulator.url)
    of_shared, of_own = (client.get_job(result.job_id)._properties["configuration"] for result in (shared, own))
    client.close()
    for sent in (of_shared, of_own):
        assert sent["query"]["maximumBytesBilled"] == str(limits.DEFAULT_MAX_BYTES_BILLED)
        assert sent["query"]["useLegacySql"] is False
        assert sent["labels"] == {"org": "acme_inc", "tool": "a-tool"}
        assert 0 < int(sent["jobTimeoutMs"]) <= limits.QUERY_SECONDS * 1000
    assert of_shared["query"]["useQueryCache"] is False
    assert of_shared["query"]["defaultDataset"] == {"projectId": ACME.project_id, "datasetId": "acme_inc_prod"}
    assert "useQueryCache" not in of_own["query"]


async def test_a_query_that_is_given_up_is_cancelled(warehouse: Warehouse, emulator: BigQueryEmulator) -> None:
    emulator.seams.delay("query", 30)
    task = asyncio.create_task(warehouse.run(fixed(ACME, COST, LEAST), labels=LABELS))
    await until(lambda: emulator.seams.counts().get("query") == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: emulator.seams.counts().get("POST cancel_job") == 1)
    client = sdk(emulator.url)
    stopped = next(iter(client.list_jobs(max_results=1)))
    await until(lambda: bool(stopped.done(reload=True)))
    client.close()
    assert stopped.error_result["reason"] == "stopped"


async def test_a_query_that_takes_too_long_is_stopped(warehouse: Warehouse, emulator: BigQueryEmulator) -> None:
    emulator.seams.delay("query", 300)
    started = time.monotonic()
    with pytest.raises(QueryRefused) as refused:
        await warehouse.run(fixed(ACME, COST, LEAST), labels=LABELS, seconds=0.8)
    assert refused.value.code == "timeout"
    assert time.monotonic() - started < 120


@pytest.mark.parametrize(("slot_seconds", "stopped"), [(0.3, True), (60.0, False)])
async def test_a_models_query_may_take_only_so_much_work(
    warehouse: Warehouse,
    emulator: BigQueryEmulator,
    monkeypatch: pytest.MonkeyPatch,
    slot_seconds: float,
    stopped: bool,
) -> None:
    monkeypatch.setattr(slot_time, "SLOT_CHECK_SECONDS", 0.05)
    monkeypatch.setattr(slot_time, "QUERY_SLOT_SECONDS", slot_seconds)
    emulator.seams.delay("query", 300 if stopped else 0.5)
    written = admitted(ACME, f"SELECT {slot_seconds} AS n", frozenset())
    started = time.monotonic()
    if stopped:
        with pytest.raises(QueryRefused) as refused:
            await warehouse.run(written, labels=LABELS)
        assert refused.value.code == "too_much_work"
        assert time.monotonic() - started < 120
    else:
        assert len((await warehouse.run(written, labels=LABELS)).rows) == 1


async def test_the_products_own_query_is_held_to_no_work(
    warehouse: Warehouse, emulator: BigQueryEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slot_time, "SLOT_CHECK_SECONDS", 0.05)
    monkeypatch.setattr(slot_time, "QUERY_SLOT_SECONDS", 0.0)
    emulator.seams.delay("query", 0.3)
    assert len((await warehouse.run(fixed(ACME, "SELECT 7 AS n"), labels=LABELS)).rows) == 1


async def test_slot_time_is_let_through_at_its_bound_and_stopped_one_past_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slot_time, "SLOT_CHECK_SECONDS", 0.01)
    bound = round(slot_time.QUERY_SLOT_SECONDS * 1000)
    for spent, exceeded in ((bound, False), (bound + 1, True)):
        looked, stopped = asyncio.Semaphore(0), asyncio.Event()

        async def look(spent: int = spent, looked: asyncio.Semaphore = looked) -> int:
            looked.release()
            return spent

        async def stop(stopped: asyncio.Event = stopped) -> None:
            stopped.set()

        async with SlotWatch(look, stop) as watch:
            await looked.acquire()
            # It has looked a second time, so the first was no reason to stop.
            await asyncio.wait_for(stopped.wait() if exceeded else looked.acquire(), 120)
        assert watch.exceeded is exceeded
        assert stopped.is_set() is exceeded


async def test_a_write_says_how_many_rows_it_changed_however_long_it_took(
    warehouse: Warehouse, emulator: BigQueryEmulator
) -> None:
    for seconds in (0.0, 0.3):
        emulator.seams.delay("query", seconds)
        changed = await warehouse.run(fixed(ACME, "UPDATE {own.costs} SET cost = cost + 1 WHERE TRUE"), labels=LABELS)
        assert changed.affected_rows == 1


async def test_slow_queries_neither_hold_up_lookups_nor_each_other(
    warehouse: Warehouse, emulator: BigQueryEmulator
) -> None:
    emulator.seams.delay("query", 300)
    texts = [f"SELECT {number} AS n" for number in range(SLOW_QUERIES)]
    slow = [asyncio.create_task(warehouse.run(fixed(ACME, text), labels=LABELS)) for text in texts]
    await until(lambda: emulator.seams.counts().get("query") == SLOW_QUERIES)
    emulator.seams.delay("query", 0)
    found = await asyncio.wait_for(warehouse.look_up(fixed(ACME, COST, LEAST), labels=LABELS), 60)
    assert len(found.rows) == 1
    for task in slow:
        task.cancel()
    await asyncio.wait(slow)
    found = await asyncio.wait_for(warehouse.run(fixed(ACME, COST, LEAST), labels=LABELS), 60)
    assert len(found.rows) == 1
