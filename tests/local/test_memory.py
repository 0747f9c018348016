"""The emulators' memory does not grow with what was asked of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery, firestore

from local.emulators.process import EmulatorProcess

PROJECT = "local-dev-project"
ROUNDS, ALLOWED_MIB = 6, 12
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
