"""The emulators as one child process: it announces itself, keeps data, and never outlives its parent."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery, firestore, storage

from local.emulators.process import ROOT, EmulatorProcess, EmulatorStartError

PROJECT = "local-dev-project"
GRPC = ("firestore", "kms")


@pytest.fixture
def running() -> Iterator[EmulatorProcess]:
    """The two gRPC emulators, in memory."""
    with EmulatorProcess(PROJECT, services=GRPC) as emulators:
        yield emulators


def test_all_announce_where_they_listen_and_keep_their_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = {
        "BIGQUERY_EMULATOR_HOST",
        "FIRESTORE_EMULATOR_HOST",
        "KMS_EMULATOR_HOST",
        "STORAGE_EMULATOR_HOST",
        "CLOUD_TASKS_EMULATOR_HOST",
    }
    for visit in ("first", "second"):
        with EmulatorProcess(PROJECT, tmp_path) as emulators:
            assert set(emulators.environment) == names
            for name, value in emulators.environment.items():
                monkeypatch.setenv(name, value)
            documents = firestore.Client(project=PROJECT)
            warehouse = bigquery.Client(project=PROJECT, credentials=AnonymousCredentials())
            files = storage.Client(project=PROJECT, credentials=AnonymousCredentials()).bucket(f"{PROJECT}-documents")
            if visit == "first":
                files.blob("a/b").upload_from_string(b"bytes")
                documents.document("a/b").set({"v": 1})
                warehouse.create_dataset("kept")
            else:
                assert documents.document("a/b").get().to_dict() == {"v": 1}
                assert files.blob("a/b").download_as_bytes() == b"bytes"
                assert [one.dataset_id for one in warehouse.list_datasets()] == ["kept"]
            documents.close()
            warehouse.close()
            assert emulators.stop() == 0


def test_a_stopped_process_ends_cleanly_and_frees_its_ports(running: EmulatorProcess) -> None:
    hosts = list(running.environment.values())
    assert running.stop() == 0
    for host in hosts:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", int(host.rpartition(":")[2])), timeout=2)


def test_the_process_ends_when_its_standard_input_does(running: EmulatorProcess) -> None:
    assert running.close_stdin() == 0


def test_control_c_ends_it_cleanly(running: EmulatorProcess) -> None:
    child = running._child
    assert child is not None
    os.kill(running.pid, signal.SIGINT)
    assert child.wait(120) == 0


def test_a_killed_parent_leaves_no_orphan() -> None:
    script = (
        "from local.emulators.process import EmulatorProcess\n"
        "emulators = EmulatorProcess(services=['kms']).start()\n"
        "print(emulators.environment['KMS_EMULATOR_HOST'], flush=True)\n"
        "input()\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT)
    assert parent.stdin is not None
    assert parent.stdout is not None
    port = int(parent.stdout.readline().rpartition(b":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.settimeout(120)
        parent.kill()
        parent.wait(120)
        received = b"x"
        while received:  # what the server sends, then the end that its death brings
            received = connection.recv(4096)
    parent.stdin.close()
    parent.stdout.close()


def test_a_taken_port_is_an_error_that_says_so(running: EmulatorProcess) -> None:
    port = int(running.environment["KMS_EMULATOR_HOST"].rpartition(":")[2])
    with pytest.raises(EmulatorStartError, match=f"port {port} of 127.0.0.1 is already in use"):
        EmulatorProcess(PROJECT, services=GRPC, ports={"kms": port}).start()


def test_a_start_that_takes_too_long_is_an_error_and_leaves_nothing() -> None:
    emulators = EmulatorProcess(PROJECT, services=["kms"], start_timeout=0.01)
    with pytest.raises(EmulatorStartError, match="did not start in"):
        emulators.start()
    assert emulators.stop() == 0
