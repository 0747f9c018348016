"""Two servers for the same tests: ours and, where it is installed, Google's Firestore emulator."""

import os
import shutil
import socket
import subprocess
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import grpc
import pytest
from google.cloud import firestore

from local.emulators.process import EmulatorProcess

PROJECT = "local-dev-project"
JAR = "platform/cloud-firestore-emulator/cloud-firestore-emulator.jar"
MAIN_CLASS = "com.google.cloud.datastore.emulator.firestore.CloudFirestore"
INSTALL_PLACES = (
    "/usr/lib/google-cloud-sdk",
    "/opt/google-cloud-sdk",
    "~/google-cloud-sdk",
    "/snap/google-cloud-cli/current",
)


def _sdk_root() -> str | None:
    if not shutil.which("gcloud"):
        return None
    asked = subprocess.run(
        ["gcloud", "info", "--format=value(installation.sdk_root)"], capture_output=True, text=True, timeout=60
    )
    return asked.stdout.strip() or None


def _jar() -> Path | None:
    if named := os.environ.get("FIRESTORE_EMULATOR_JAR"):
        return Path(named) if Path(named).exists() else None
    for place in INSTALL_PLACES:
        if (jar := Path(place).expanduser() / JAR).exists():
            return jar
    root = _sdk_root()
    if root is None:
        return None
    jar = Path(root) / JAR
    return jar if jar.exists() else None


def _missing(what: str) -> None:
    reason = f"Google's Firestore emulator cannot run here: {what}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def ours() -> Iterator[str]:
    """Address of our emulator, in memory, in its own process."""
    with EmulatorProcess(PROJECT, services=["firestore"]) as emulators:
        yield emulators.environment["FIRESTORE_EMULATOR_HOST"]


@pytest.fixture(scope="session")
def google(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of Google's emulator."""
    java, jar = shutil.which("java"), _jar()
    if not java:
        _missing("no java on the PATH")
    if not jar:
        _missing("no cloud-firestore-emulator.jar (set FIRESTORE_EMULATOR_JAR)")
    host = f"127.0.0.1:{_free_port()}"
    log = tmp_path_factory.mktemp("google") / "emulator.log"
    command = [str(java), "-Xmx512m", "-Duser.language=en", "-cp", str(jar), MAIN_CLASS]
    with log.open("wb") as output:
        child = subprocess.Popen(
            [*command, "--host=127.0.0.1", f"--port={host.rpartition(':')[2]}"], stdout=output, stderr=output
        )
    try:
        with grpc.insecure_channel(host) as channel:
            grpc.channel_ready_future(channel).result(timeout=60)
        yield host
    finally:
        child.terminate()
        child.wait(120)


@pytest.fixture(params=["ours", "google"])
def host(request: pytest.FixtureRequest) -> str:
    """Address of each emulator in turn."""
    return str(request.getfixturevalue(request.param))


@pytest.fixture
def client(host: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[firestore.Client]:
    """The real client."""
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", host)
    client = firestore.Client(project=PROJECT)
    yield client
    client.close()


@pytest.fixture
async def async_client(host: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[firestore.AsyncClient]:
    """The real asyncio client."""
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", host)
    client = firestore.AsyncClient(project=PROJECT)
    yield client
    await client._firestore_api.transport.close()


@pytest.fixture
def place() -> str:
    """Path of a document that no other test uses."""
    return f"places/{uuid.uuid4().hex}"


@pytest.fixture
def root(client: firestore.Client, place: str) -> firestore.DocumentReference:
    """A document below which the test may write what it likes."""
    return client.document(place)
