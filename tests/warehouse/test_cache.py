"""Results that are kept, for whom and how long; and one run for all who ask at the same time."""

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest

from common.tenant import OrgSlug, Tenant
from common.warehouse import cache as cache_module
from common.warehouse.cache import Flights, ResultCache
from common.warehouse.client import QueryRefused, QueryResult, Warehouse
from common.warehouse.query import GuardedQuery, Parameter, admitted, fixed
from local.emulators.bigquery import BigQueryEmulator
from tests.warehouse.conftest import ACME, GLOBEX, LABELS
from tests.warehouse.test_client import COST, LEAST, until

ONE = "SELECT 1 AS one"


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def result(text: str = "x") -> QueryResult:
    return QueryResult((), ({"text": text},), 1, 10, "job", "SELECT", 5)


def query(tenant: Tenant = ACME, text: str = ONE) -> GuardedQuery:
    return fixed(tenant, text)


async def test_the_same_query_again_is_answered_from_memory(warehouse: Warehouse, emulator: BigQueryEmulator) -> None:
    first = await warehouse.run(fixed(ACME, COST, LEAST), labels=LABELS)
    again = await warehouse.run(fixed(ACME, COST, LEAST), labels={"org": "acme_inc", "tool": "another"})
    assert (first.cached, again.cached) == (False, True)
    assert again.rows == first.rows
    assert first.bytes_processed == again.bytes_processed > 0
    assert emulator.seams.counts()["query"] == 1


async def test_another_organisation_never_sees_what_was_kept(warehouse: Warehouse, emulator: BigQueryEmulator) -> None:
    for tenant in (ACME, GLOBEX):
        found = await warehouse.run(admitted(tenant, ONE, frozenset()), labels=LABELS)
        assert not found.cached
    assert emulator.seams.counts()["query"] == 2


async def test_other_values_are_another_query(warehouse: Warehouse, emulator: BigQueryEmulator) -> None:
    for value in (Parameter("INT64", 1), Parameter("BOOL", True), Parameter("FLOAT64", 1.0), Parameter("INT64", 2)):
        found = await warehouse.run(fixed(ACME, "SELECT @value AS v", {"value": value}), labels=LABELS)
        assert not found.cached
    assert emulator.seams.counts()["query"] == 4


async def test_a_write_runs_every_time_and_shows_at_once(warehouse: Warehouse, emulator: BigQueryEmulator) -> None:
    raise_costs = fixed(ACME, "UPDATE {own.costs} SET cost = cost + 1 WHERE TRUE")
    before = await warehouse.run(fixed(ACME, COST, LEAST), labels=LABELS)
    of_globex = await warehouse.run(fixed(GLOBEX, COST, LEAST), labels=LABELS)
    for _ in range(2):
        changed = await warehouse.run(raise_costs, labels=LABELS)
        assert (changed.affected_rows, changed.rows, changed.cached) == (1, (), False)
    after = await warehouse.run(fixed(ACME, COST, LEAST), labels=LABELS)
    assert after.rows[0]["cost"] == before.rows[0]["cost"] + 2
    again = await warehouse.run(fixed(GLOBEX, COST, LEAST), labels=LABELS)
    assert (again.cached, again.rows) == (True, of_globex.rows)


async def test_a_table_that_the_product_writes_is_read_anew_each_time(
    warehouse: Warehouse, emulator: BigQueryEmulator
) -> None:
    rules = fixed(ACME, "SELECT text FROM {shared.org_notification_rules} WHERE org_slug = @org_slug")
    for _ in range(2):
        assert not (await warehouse.run(rules, labels=LABELS)).cached
    assert emulator.seams.counts()["query"] == 2


async def test_many_who_ask_at_the_same_time_share_one_run(warehouse: Warehouse, emulator: BigQueryEmulator) -> None:
    asked = (warehouse.run(fixed(ACME, COST, LEAST), labels=LABELS) for _ in range(10))
    found = await asyncio.gather(*asked)
    assert {each.job_id for each in found} == {found[0].job_id}
    assert emulator.seams.counts()["query"] == 1


async def test_one_who_gives_up_leaves_the_others_their_answer(
    warehouse: Warehouse, emulator: BigQueryEmulator
) -> None:
    emulator.seams.delay("query", 0.3)
    first, second = (asyncio.create_task(warehouse.run(fixed(ACME, COST, LEAST), labels=LABELS)) for _ in range(2))
    await until(lambda: emulator.seams.counts().get("query") == 1)
    first.cancel()
    assert (await second).rows[0]["name"] == "secret of acme_inc"
    assert first.cancelled()
    assert "POST cancel_job" not in emulator.seams.counts()


async def test_the_last_one_to_give_up_ends_the_run(warehouse: Warehouse, emulator: BigQueryEmulator) -> None:
    emulator.seams.delay("query", 30)
    waiting = [asyncio.create_task(warehouse.run(fixed(ACME, COST, LEAST), labels=LABELS)) for _ in range(2)]
    await until(lambda: emulator.seams.counts().get("query") == 1)
    for task in waiting:
        task.cancel()
    await until(lambda: emulator.seams.counts().get("POST cancel_job") == 1)


async def test_a_failure_goes_to_all_who_wait_and_is_not_kept() -> None:
    flights, ran = Flights(), 0

    async def failing() -> QueryResult:
        nonlocal ran
        ran += 1
        await asyncio.sleep(0)
        raise QueryRefused("query_failed", "no")

    joined = await asyncio.gather(*(flights.join(query(), failing) for _ in range(3)), return_exceptions=True)
    assert [type(each) for each in joined] == [QueryRefused] * 3
    assert ran == 1
    with pytest.raises(QueryRefused):
        await flights.join(query(), failing)
    assert ran == 2


async def test_nobody_joins_a_run_that_began_before_a_write() -> None:
    flights, gate, ran = Flights(), asyncio.Event(), 0

    async def slow() -> QueryResult:
        nonlocal ran
        ran += 1
        await gate.wait()
        return result(str(ran))

    before = asyncio.create_task(flights.join(query(), slow))
    await asyncio.sleep(0)
    flights.part(ACME)
    after = asyncio.create_task(flights.join(query(), slow))
    other = asyncio.create_task(flights.join(query(GLOBEX), slow))
    await asyncio.sleep(0)
    flights.part(GLOBEX)
    gate.set()
    await asyncio.gather(before, after, other)
    assert ran == 3


def test_a_result_is_kept_for_its_time_and_no_longer() -> None:
    clock = Clock()
    cache = ResultCache(clock)
    cache.put(query(), result(), cache.version(ACME))
    clock.now = cache_module.RESULT_CACHE_SECONDS - 0.001
    assert cache.get(query()) is not None
    clock.now = cache_module.RESULT_CACHE_SECONDS
    assert cache.get(query()) is None


def test_a_result_from_before_a_write_is_not_kept() -> None:
    cache = ResultCache()
    version = cache.version(ACME)
    cache.clear(ACME)
    cache.put(query(), result(), version)
    assert cache.get(query()) is None


def test_a_result_from_before_a_write_is_not_kept_even_when_the_tenant_was_forgotten_between() -> None:
    cache = ResultCache()
    version = cache.version(ACME)
    cache.clear(ACME)
    for number in range(cache_module.RESULT_CACHE_TENANTS):
        cache.version(replace(ACME, org_slug=OrgSlug(f"org_{number}")))
    cache.put(query(), result(), version)
    assert cache.get(query()) is None


def test_who_changes_a_row_changes_only_their_own() -> None:
    cache, mine = ResultCache(), result()
    cache.put(query(), mine, cache.version(ACME))
    mine.rows[0]["text"] = "changed"
    again = cache.get(query())
    assert again is not None
    again.rows[0]["text"] = "changed too"
    last = cache.get(query())
    assert last is not None
    assert last.rows == ({"text": "x"},)


@pytest.mark.parametrize(("count", "first_is_kept"), [(0, True), (1, False)])
def test_the_least_recently_used_entry_makes_room(count: int, first_is_kept: bool) -> None:
    cache = ResultCache()
    for number in range(cache_module.RESULT_CACHE_ENTRIES + count):
        cache.put(query(text=f"SELECT {number} AS n"), result(), cache.version(ACME))
    assert (cache.get(query(text="SELECT 0 AS n")) is not None) == first_is_kept
    assert cache.get(query(text=f"SELECT {cache_module.RESULT_CACHE_ENTRIES - 1} AS n")) is not None


def test_a_tenants_results_are_bounded_in_bytes() -> None:
    cache = ResultCache()
    large = result("x" * (cache_module.RESULT_CACHE_ENTRY_BYTES - 100))
    fitting = cache_module.RESULT_CACHE_BYTES // cache_module.RESULT_CACHE_ENTRY_BYTES
    for number in range(fitting + 1):
        cache.put(query(text=f"SELECT {number} AS n"), large, cache.version(ACME))
    assert cache.get(query(text="SELECT 0 AS n")) is None
    assert cache.get(query(text="SELECT 1 AS n")) is not None


def test_a_result_that_is_too_large_is_not_kept() -> None:
    cache = ResultCache()
    cache.put(query(), result("x" * cache_module.RESULT_CACHE_ENTRY_BYTES), cache.version(ACME))
    assert cache.get(query()) is None


def test_tenants_are_bounded_too() -> None:
    cache = ResultCache()
    cache.put(query(), result(), cache.version(ACME))
    for number in range(cache_module.RESULT_CACHE_TENANTS):
        tenant = replace(ACME, org_slug=OrgSlug(f"org_{number}"))
        cache.put(query(tenant), result(), cache.version(tenant))
    assert cache.get(query()) is None


def test_values_of_every_type_can_be_kept() -> None:
    cache = ResultCache()
    parameters = {"names": Parameter("STRING", ("a", "b")), "least": Parameter("NUMERIC", Decimal("1.5"))}
    typed = fixed(ACME, "SELECT @names, @least", parameters)
    odd = replace(result(), rows=({"a": None, "b": b"\x00", "c": [{"d": Decimal(1)}], "e": True},))
    cache.put(typed, odd, cache.version(ACME))
    assert cache.get(typed) is not None
