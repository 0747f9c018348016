"""The emulator as a process: what survives a restart and a kill, concurrency, cancellation, time limits, seams."""

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from google.api_core import exceptions
from google.cloud import bigquery

from local.emulators.bigquery import BigQueryEmulator
from local.emulators.bigquery.jobs import RETAINED
from tests.contract.bigquery.conftest import PROJECT, ROW, SCHEMA, connect

TABLE = f"{PROJECT}.ds.t"


def seed(client: bigquery.Client) -> None:
    client.create_dataset("ds")
    table = bigquery.Table(TABLE, schema=SCHEMA)
    table.clustering_fields = ["id"]
    client.create_table(table)


def test_a_restart_keeps_rows_and_resources(tmp_path: Path) -> None:
    with BigQueryEmulator(PROJECT, tmp_path) as emulator, connect(emulator.url) as client:
        seed(client)
        assert client.insert_rows_json(TABLE, [ROW]) == []
        before = [dict(row) for row in client.list_rows(TABLE)]
    with BigQueryEmulator(PROJECT, tmp_path) as emulator, connect(emulator.url) as client:
        assert [dict(row) for row in client.list_rows(TABLE)] == before
        found = client.get_table(TABLE)
        assert (found.schema, found.clustering_fields) == (SCHEMA, ["id"])
        assert client.query_and_wait("SELECT COUNT(*) FROM ds.INFORMATION_SCHEMA.COLUMNS").total_rows == 1


def test_a_kill_during_writes_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "local.emulators.bigquery", "--project", PROJECT, "--directory", str(tmp_path)]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    acknowledged = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        with connect(url) as client:
            seed(client)
            for number in range(30):
                assert client.insert_rows_json(TABLE, [{"id": f"{number}"}]) == []
                acknowledged += 1
            process.send_signal(signal.SIGKILL)
    with BigQueryEmulator(PROJECT, tmp_path) as emulator, connect(emulator.url) as client:
        assert client.get_table(TABLE).num_rows == acknowledged
        assert client.insert_rows_json(TABLE, [{"id": "after"}]) == []


def test_stop_can_be_called_twice_and_the_port_is_free_again() -> None:
    emulator = BigQueryEmulator(PROJECT).start()
    port = int(emulator.url.rsplit(":", 1)[1])
    emulator.stop()
    emulator.stop()
    with BigQueryEmulator(PROJECT, port=port) as again:
        assert again.url.endswith(f":{port}")


def test_readers_and_writers_work_at_the_same_time() -> None:
    with BigQueryEmulator(PROJECT) as emulator, connect(emulator.url) as client:
        seed(client)

        def write(number: int) -> None:
            assert client.insert_rows_json(TABLE, [{"id": f"{number}", "n": 1}]) == []
            client.query_and_wait(f"UPDATE ds.t SET n = n + 1 WHERE id = '{number}'")

        def read(_: int) -> int:
            (row,) = client.query_and_wait("SELECT COUNT(*) AS n FROM ds.t")
            return int(row.n)

        with ThreadPoolExecutor(8) as pool:
            writes = [pool.submit(write, number) for number in range(40)]
            reads = [pool.submit(read, number) for number in range(40)]
            for future in writes:
                future.result()
            assert all(0 <= future.result() <= 40 for future in reads)
        (row,) = client.query_and_wait("SELECT COUNT(*) AS n, SUM(n) AS total FROM ds.t")
        assert (row.n, row.total) == (40, 80)


def test_a_delayed_job_can_be_cancelled_or_runs_out_of_time() -> None:
    with BigQueryEmulator(PROJECT) as emulator, connect(emulator.url) as client:
        httpx.post(f"{emulator.url}/emulator/delays", json={"query": 60}, timeout=120).raise_for_status()
        job = client.query("SELECT 1")
        assert job.state == "RUNNING"
        assert client.cancel_job(job.job_id)
        with pytest.raises(exceptions.GoogleAPICallError, match="cancel"):
            job.result(timeout=120)
        limited = client.query("SELECT 1", job_config=bigquery.QueryJobConfig(job_timeout_ms=50))
        with pytest.raises(exceptions.GoogleAPICallError, match="timed out"):
            limited.result(timeout=120)
        httpx.post(f"{emulator.url}/emulator/delays", json={"query": 0}, timeout=120).raise_for_status()
        assert client.query_and_wait("SELECT 1").total_rows == 1


def test_a_long_query_is_interrupted_at_its_time_limit() -> None:
    many = "UNNEST(GENERATE_ARRAY(1, 3000000))"
    slow = f"SELECT COUNT(*) FROM {many} a, {many} b WHERE a * b = 7"
    with BigQueryEmulator(PROJECT) as emulator, connect(emulator.url) as client:
        job = client.query(slow, job_config=bigquery.QueryJobConfig(job_timeout_ms=200))
        with pytest.raises(exceptions.GoogleAPICallError, match="timed out"):
            job.result(timeout=60)


def test_the_counters_tell_what_was_asked() -> None:
    with BigQueryEmulator(PROJECT) as emulator, connect(emulator.url) as client:
        seed(client)
        client.insert_rows_json(TABLE, [{"id": "a"}])
        client.query_and_wait("SELECT 1")
        client.query("SELECT 1", job_config=bigquery.QueryJobConfig(dry_run=True))
        counts = httpx.get(f"{emulator.url}/emulator/state", timeout=120).json()["counts"]
        assert (counts["query"], counts["dry_run"], counts["insert_all"]) == (1, 1, 1)
        httpx.post(f"{emulator.url}/emulator/reset", timeout=120).raise_for_status()
        assert httpx.get(f"{emulator.url}/emulator/state", timeout=120).json() == {"counts": {}, "delays": {}}


def test_only_the_last_jobs_are_remembered() -> None:
    with BigQueryEmulator(PROJECT) as emulator, httpx.Client(base_url=emulator.url, timeout=120) as http:
        body = {"query": "SELECT 1", "useLegacySql": False}
        path = f"/bigquery/v2/projects/{PROJECT}/queries"
        first = http.post(path, json=body).json()["jobReference"]["jobId"]
        for _ in range(RETAINED):
            last = http.post(path, json=body).json()["jobReference"]["jobId"]
        assert http.get(f"{path}/{first}").status_code == 404
        assert http.get(f"{path}/{last}").json()["totalRows"] == "1"


def test_a_job_that_runs_is_not_forgotten_however_many_follow() -> None:
    with BigQueryEmulator(PROJECT) as emulator, httpx.Client(base_url=emulator.url, timeout=120) as http:
        emulator.seams.delay("query", 600)
        body = {"query": "SELECT 1", "useLegacySql": False, "timeoutMs": 0}
        path = f"/bigquery/v2/projects/{PROJECT}/queries"
        first = http.post(path, json=body).json()["jobReference"]["jobId"]
        for _ in range(RETAINED + 1):
            http.post(path, json=body).raise_for_status()
        assert http.get(f"{path}/{first}", params={"timeoutMs": 0}).json()["jobComplete"] is False


def test_no_thread_outlives_the_emulator() -> None:
    before = set(threading.enumerate())
    with BigQueryEmulator(PROJECT) as emulator, connect(emulator.url) as client:
        client.query_and_wait("SELECT 1")
        (serving,) = [t for t in set(threading.enumerate()) - before if t.name == "bigquery emulator"]
    assert not serving.is_alive()
