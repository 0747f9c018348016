"""BigQuery down, slow, refusing or talking nonsense: a clear answer in bounded time, with nothing of its text."""

import threading
import time
from typing import Any

import pytest

from common.errors import WarehouseUnavailable
from common.warehouse.client import QueryRefused
from common.warehouse.query import admitted, fixed
from tests.warehouse.conftest import ACME, LABELS, Opened
from tests.warehouse.stub import Answer, Stub, refusal

QUERY = fixed(ACME, "SELECT 1 AS one")
WRITTEN = admitted(ACME, "SELECT 1 AS one", frozenset())
GATE = 1_000_000
NONSENSE: list[Answer] = [
    (200, b"not JSON"),
    (200, []),
    (200, {}),
    (200, {"jobReference": 3}),
    (200, {"jobReference": {"projectId": "p", "jobId": "j"}, "statistics": {"query": {"totalBytesProcessed": "many"}}}),
    (302, b""),
]


def passing_dry_run(after: Answer) -> Any:
    """A BigQuery whose dry runs pass, and that answers ``after`` to everything else."""

    def respond(method: str, path: str, body: dict[str, Any]) -> Answer:
        return dry_run(GATE) if body.get("configuration", {}).get("dryRun") else after

    return respond


def dry_run(size: int, **told: Any) -> Answer:
    statistics = {"query": {"statementType": "SELECT", "totalBytesProcessed": str(size), **told}}
    reference = {"projectId": "p", "jobId": "j", "location": "US"}
    return 200, {"jobReference": reference, "status": {"state": "DONE"}, "statistics": statistics}


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (refusal(403, "accessDenied"), "access_denied"),
        (refusal(404, "notFound"), "table_not_found"),
        (refusal(400, "invalidQuery"), "query_failed"),
        (refusal(400, "resourcesExceeded"), "query_failed"),
        (refusal(400, "bytesBilledLimitExceeded"), "bytes_over_limit"),
        (refusal(400, "stopped"), "timeout"),
        (refusal(400, "billingTierLimitExceeded"), "too_much_work"),
        (refusal(501, "notImplemented"), "not_supported"),
    ],
)
@pytest.mark.parametrize("at", ["dry run", "job"])
async def test_a_refusal_is_said_in_the_products_own_words(opened: Opened, answer: Answer, code: str, at: str) -> None:
    respond = passing_dry_run(answer) if at == "job" else lambda *_: answer
    with Stub(respond) as stub, pytest.raises(QueryRefused) as refused:
        await opened(stub.url).run(QUERY, labels=LABELS, seconds=5)
    assert refused.value.code == code
    assert "planted" not in refused.value.detail


@pytest.mark.parametrize(
    "answer",
    [
        refusal(403, "rateLimitExceeded"),
        refusal(403, "jobRateLimitExceeded"),
        refusal(403, "quotaExceeded"),
        refusal(500, "internalError"),
        refusal(503, "x"),
    ],
)
async def test_what_may_pass_is_unavailable_and_asked_again_only_for_so_long(opened: Opened, answer: Answer) -> None:
    started = time.monotonic()
    with Stub(passing_dry_run(answer)) as stub, pytest.raises(WarehouseUnavailable):
        await opened(stub.url).run(QUERY, labels=LABELS, seconds=0.7)
    assert time.monotonic() - started < 60


async def test_a_job_that_bigquery_lost_says_nothing_of_the_organisations_tables(opened: Opened) -> None:
    lost = refusal(404, "notFound", "Not found: Job p:US.j")
    with Stub(passing_dry_run(lost)) as stub, pytest.raises(WarehouseUnavailable):
        await opened(stub.url).run(QUERY, labels=LABELS, seconds=5)


@pytest.mark.parametrize("answer", NONSENSE)
@pytest.mark.parametrize("query", [QUERY, WRITTEN], ids=["fixed", "admitted"])
async def test_a_reply_that_makes_no_sense_is_no_answer(opened: Opened, answer: Answer, query: Any) -> None:
    started = time.monotonic()
    with Stub(lambda *_: answer) as stub, pytest.raises((WarehouseUnavailable, QueryRefused)) as raised:
        await opened(stub.url).run(query, labels=LABELS, seconds=0.7)
    if isinstance(raised.value, QueryRefused):
        assert raised.value.code in ("timeout", "not_a_select", "unknown_bytes")
    assert time.monotonic() - started < 60


async def test_a_request_that_is_sent_again_is_the_same_one(opened: Opened) -> None:
    # What stands before BigQuery refuses in no JSON.
    answers = iter([(503, b"<html>busy</html>"), refusal(503, "backendError"), refusal(400, "invalidQuery")])

    def respond(method: str, path: str, body: dict[str, Any]) -> Answer:
        return dry_run(GATE) if body.get("configuration", {}).get("dryRun") else next(answers)

    with Stub(respond) as stub, pytest.raises(QueryRefused):
        await opened(stub.url).run(QUERY, labels=LABELS, seconds=30)
    ids = [body["requestId"] for _, path, body in stub.requests if "/queries" in path]
    assert len(ids) == 3
    assert len(set(ids)) == 1


async def test_a_job_whose_rows_make_no_sense_is_no_answer(opened: Opened) -> None:
    done = {"jobReference": {"projectId": "p", "jobId": "j"}, "status": {"state": "DONE"}, "jobComplete": True}
    rows = {"schema": {"fields": [{"name": "n", "type": "INTEGER"}]}, "totalRows": "1", "rows": [{"f": [{"v": "x"}]}]}
    with Stub(passing_dry_run((200, done | rows))) as stub, pytest.raises(WarehouseUnavailable):
        await opened(stub.url).run(QUERY, labels=LABELS, seconds=2)


async def test_a_bigquery_that_never_answers_is_given_up_in_time(opened: Opened) -> None:
    let_go = threading.Event()

    def hang(*_: object) -> Answer:
        let_go.wait(300)
        return 200, {}

    with Stub(hang) as stub:
        warehouse = opened(stub.url)
        started = time.monotonic()
        for call in (
            warehouse.run(QUERY, labels=LABELS, seconds=0.5),
            warehouse.look_up(QUERY, labels=LABELS, seconds=0.5),
        ):
            with pytest.raises(WarehouseUnavailable):
                await call
        assert time.monotonic() - started < 100
        let_go.set()


async def test_a_bigquery_that_is_down_is_unavailable_to_everyone(opened: Opened) -> None:
    with Stub(lambda *_: (200, {})) as stub:
        url = stub.url
    warehouse = opened(url)
    for call in (
        warehouse.run(QUERY, labels=LABELS, seconds=0.5),
        warehouse.look_up(QUERY, labels=LABELS, seconds=0.5),
    ):
        with pytest.raises(WarehouseUnavailable):
            await call


@pytest.mark.parametrize("answer", [refusal(403, "accessDenied"), refusal(404, "notFound"), (200, b"not JSON")])
async def test_a_lookup_that_fails_is_unavailable_whatever_it_was(opened: Opened, answer: Answer) -> None:
    with Stub(lambda *_: answer) as stub, pytest.raises(WarehouseUnavailable):
        await opened(stub.url).look_up(QUERY, labels=LABELS, seconds=2)


async def test_tables_that_may_not_be_read_are_unavailable_and_missing_ones_are_none(opened: Opened) -> None:
    with Stub(lambda *_: refusal(403, "accessDenied")) as stub:
        warehouse = opened(stub.url)
        with pytest.raises(WarehouseUnavailable):
            await warehouse.tables(ACME)
        with pytest.raises(WarehouseUnavailable):
            await warehouse.table(ACME, "costs")
        with pytest.raises(WarehouseUnavailable):
            await warehouse.ping()
    with Stub(lambda *_: refusal(404, "notFound")) as stub:
        warehouse = opened(stub.url)
        assert await warehouse.tables(ACME) == ()
        assert await warehouse.table(ACME, "costs") is None


@pytest.mark.parametrize(
    ("size", "told", "code"),
    [
        (GATE, {}, None),
        (GATE + 1, {}, "bytes_over_limit"),
        (1, {"totalBytesProcessedAccuracy": "LOWER_BOUND"}, "unknown_bytes"),
        (1, {"totalBytesProcessedAccuracy": "UPPER_BOUND"}, None),
        (1, {"statementType": "SCRIPT"}, "not_a_select"),
        (1, {"statementType": None}, "not_a_select"),
        (1, {"totalBytesProcessed": None}, "unknown_bytes"),
        (1, {"referencedRoutines": [{"projectId": "p", "datasetId": "d", "routineId": "r"}]}, "routine"),
        (1, {"referencedTables": [{"projectId": "p", "datasetId": "d", "tableId": "t"}]}, "table_not_admitted"),
    ],
)
async def test_what_the_dry_run_says_decides_whether_a_models_text_runs(
    opened: Opened, size: int, told: dict[str, Any], code: str | None
) -> None:
    with Stub(lambda *_: dry_run(size, **told)) as stub:
        with pytest.raises((QueryRefused, WarehouseUnavailable)) as raised:
            await opened(stub.url, bq_max_bytes_gate=GATE).run(WRITTEN, labels=LABELS, seconds=1)
        jobs = [body for method, _, body in stub.requests if method == "POST" and "configuration" in body]
        asked = [body for _, path, body in stub.requests if path.endswith("/queries?prettyPrint=false")]
    assert jobs[0]["configuration"]["dryRun"] is True
    assert jobs[0]["configuration"]["query"]["query"] == WRITTEN.sql
    if code is None:
        # The dry run passed and the job was asked for; that job then has no rows to give.
        assert isinstance(raised.value, WarehouseUnavailable)
        assert asked[0]["maximumBytesBilled"] == str(GATE)
    else:
        assert asked == []
        assert isinstance(raised.value, QueryRefused)
        assert raised.value.code == code
        assert len(jobs) == 1
