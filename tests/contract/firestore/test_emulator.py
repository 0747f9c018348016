"""What only our emulator has: data that survives a kill, seams for fault tests, and limits of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from google.api_core import exceptions
from google.cloud import firestore

from local.emulators.firestore import FirestoreEmulator
from local.emulators.process import EmulatorProcess
from local.emulators.rpc import PortTakenError, SeamsClient

PROJECT = "local-dev-project"


def _client(emulators: EmulatorProcess, monkeypatch: pytest.MonkeyPatch, project: str = PROJECT) -> firestore.Client:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", emulators.environment["FIRESTORE_EMULATOR_HOST"])
    return firestore.Client(project=project)


@pytest.fixture
def own(ours: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[firestore.Client]:
    """The real client on our emulator."""
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", ours)
    client = firestore.Client(project=PROJECT)
    yield client
    client.close()


@pytest.fixture
def seams(ours: str) -> Iterator[SeamsClient]:
    """The seams of our emulator, as at start before and after."""
    seams = SeamsClient(ours)
    seams.reset()
    yield seams
    seams.reset()
    seams.close()


def test_every_acknowledged_write_survives_a_kill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = EmulatorProcess(PROJECT, tmp_path, services=["firestore"]).start()
    client = _client(first, monkeypatch)
    for number in range(50):
        client.collection("c").document(str(number)).set({"n": number})
    client.collection("c").document("0").delete()
    client.collection("c").document("1").update({"n": -1})
    first.kill()
    client.close()
    with EmulatorProcess(PROJECT, tmp_path, services=["firestore"]) as second:
        client = _client(second, monkeypatch)
        assert [one.get("n") for one in client.collection("c").order_by("n").stream()] == [-1, *range(2, 50)]
        client.close()


def test_calls_are_counted_by_method(own: firestore.Client, seams: SeamsClient, place: str) -> None:
    own.document(place).set({})
    own.document(place).get()
    own.document(place).get()
    assert seams.calls() == {"Commit": 1, "BatchGetDocuments": 2}


def test_a_planned_failure_happens_and_is_over(own: firestore.Client, seams: SeamsClient, place: str) -> None:
    seams.fail("Commit", "PERMISSION_DENIED", times=2)
    for _ in range(2):
        with pytest.raises(exceptions.PermissionDenied):
            own.document(place).set({})
    own.document(place).set({})
    assert own.document(place).get().exists


def test_a_delayed_method_outlives_a_short_deadline(own: firestore.Client, seams: SeamsClient, place: str) -> None:
    seams.delay("BatchGetDocuments", 30)
    with pytest.raises((exceptions.DeadlineExceeded, exceptions.RetryError)):
        own.document(place).get(timeout=0.2, retry=None)
    seams.delay("BatchGetDocuments", 0)
    assert not own.document(place).get().exists


def test_another_project_is_refused(ours: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", ours)
    client = firestore.Client(project="somebody-else")
    with pytest.raises(exceptions.PermissionDenied):
        client.document("a/b").get()
    client.close()


async def test_it_starts_and_stops_inside_a_running_loop() -> None:
    emulator = FirestoreEmulator(PROJECT)
    await emulator.start()
    port = int(emulator.host.rpartition(":")[2])
    with pytest.raises(PortTakenError, match="already in use"):
        await FirestoreEmulator(PROJECT, port=port).start()
    await emulator.stop()
    await emulator.stop()
    again = FirestoreEmulator(PROJECT, port=port)
    await again.start()
    assert again.host == emulator.host
    await again.stop()
