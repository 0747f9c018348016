"""The emulators' memory does not grow with what was asked of them."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from google.api_core.exceptions import BadRequest
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery, firestore

from local.emulators.process import EmulatorProcess

PROJECT = "local-dev-project"
ROUNDS, ALLOWED_MIB = 6, 12
LARGE = (
    "SELECT LENGTH(STRING_AGG(CAST(n AS STRING) || REPEAT('x', 100))) AS size FROM UNNEST(GENERATE_ARRAY(1, {})) AS n"
)
FITS, TOO_LARGE = 1_200_000, 3_000_000
ROWS = "SELECT n, REPEAT('x', 100) AS text, {} AS asked FROM UNNEST(GENERATE_ARRAY(1, 500)) AS n"


@pytest.fixture
def emulators() -> Iterator[EmulatorProcess]:
    with EmulatorProcess(PROJECT, services=("bigquery", "firestore")) as running:
        yield running


def resident_mib(pid: int) -> float:
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def test_memory_stays_flat_while_queries_and_documents_come_and_go(
    emulators: EmulatorProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in emulators.environment.items():
        monkeypatch.setenv(name, value)
    warehouse = bigquery.Client(project=PROJECT, credentials=AnonymousCredentials())
    documents = firestore.Client(project=PROJECT)
    sizes = []
    for attempt in range(ROUNDS):
        for number in range(120):
            warehouse.query_and_wait(ROWS.format(f"{attempt}{number}"))
            reference = documents.document(f"outbox/entry-{attempt}-{number}")
            reference.set({"row": {"content": "x" * 50_000}, "attempts": 0})
            reference.delete()
        sizes.append(resident_mib(emulators.pid))
    warehouse.close()
    documents.close()
    # The first rounds fill what is remembered; the others add nothing to it.
    assert sizes[-1] - sizes[2] < ALLOWED_MIB, sizes


def test_large_queries_at_the_same_time_wait_for_room_and_one_that_is_too_large_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Its memory is bounded where it keeps its data in a folder, as a served product does.
    with EmulatorProcess(PROJECT, tmp_path / "state", services=("bigquery",)) as running:
        for name, value in running.environment.items():
            monkeypatch.setenv(name, value)
        warehouse = bigquery.Client(project=PROJECT, credentials=AnonymousCredentials())
        alone = next(iter(warehouse.query_and_wait(LARGE.format(FITS)))).size
        with ThreadPoolExecutor(4) as pool:
            queries = [LARGE.format(f"{FITS} + 0 * {number}") for number in range(4)]
            sizes = [next(iter(rows)).size for rows in pool.map(warehouse.query_and_wait, queries)]
        assert sizes == [alone] * 4
        with pytest.raises(BadRequest, match="Resources exceeded"):
            warehouse.query_and_wait(LARGE.format(TOO_LARGE))
        assert next(iter(warehouse.query_and_wait(LARGE.format(FITS)))).size == alone
        warehouse.close()
