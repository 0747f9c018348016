"""The state folder of make run: one process at a time, and a sentence where it cannot be used."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from local.emulators.bigquery.store import Store
from local.emulators.cluster import kms_key_name
from local.emulators.kms.keys import Keys
from local.ports import problem_of
from local.running import environment_of
from local.state import VERSION, DiskFull, StateError, StateFolder, StateLost
from tests.api.conftest import free_port
from tests.api.conftest import wait_until_ready as until_ready
from tests.conftest import copy_loaded_cloud

ROOT = Path(__file__).parents[2]


def run(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "local", "run", *arguments]
    own = {name: value for name, value in os.environ.items() if not name.endswith("_EMULATOR_HOST")}
    return subprocess.run(
        command, cwd=ROOT, env=own | environment, capture_output=True, text=True, check=False, timeout=120
    )


def test_a_folder_is_used_by_one_process_at_a_time(tmp_path: Path) -> None:
    with StateFolder(tmp_path, 8010):
        refused = run("--state", str(tmp_path), "--port", str(free_port()))
        assert refused.returncode == 1
        assert f"Another make run is starting or running on port 8010 (process {os.getpid()})" in refused.stdout
        assert "Traceback" not in refused.stdout + refused.stderr
    with StateFolder(tmp_path, 8010):
        assert json.loads((tmp_path / "version.json").read_text())["version"] == VERSION


def broken_stamp(folder: Path) -> None:
    (folder / "version.json").write_text("{")


def newer(folder: Path) -> None:
    (folder / "version.json").write_text(json.dumps({"version": VERSION + 1}))


def older(folder: Path) -> None:
    (folder / "version.json").write_text(json.dumps({"version": VERSION - 1}))


def without_key(folder: Path) -> None:
    (folder / "emulators" / "bigquery").mkdir(parents=True)


def a_file(folder: Path) -> None:
    folder.rmdir()
    folder.write_text("no folder")


def blocked(folder: Path) -> None:
    (folder / "emulators").write_text("no folder")


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (broken_stamp, "version.json cannot be read. Remove"),
        (newer, "a newer version. Remove"),
        (older, "an older version. Remove"),
        (without_key, "kms.json is missing"),
        (a_file, "cannot be used: not a directory. Name another one"),
        (blocked, "cannot be used: file exists. Name another one"),
    ],
)
def test_a_folder_that_cannot_be_used_is_said_with_what_to_do(
    tmp_path: Path, harm: Callable[[Path], None], said: str
) -> None:
    folder = tmp_path / "state"
    folder.mkdir()
    harm(folder)
    for _ in range(2):
        with pytest.raises(StateError) as refused, StateFolder(folder, 8010):
            pass
        assert said in str(refused.value)


@pytest.mark.parametrize("file", ["bigquery/bigquery.duckdb", "firestore/firestore.sqlite", "kms/kms.json"])
def test_broken_data_are_named_without_a_traceback(tmp_path: Path, file: str) -> None:
    Keys(tmp_path / "emulators" / "kms").ensure(kms_key_name("local-dev-project"))
    broken = tmp_path / "emulators" / file
    broken.parent.mkdir(exist_ok=True)
    broken.write_bytes(b"this is nothing that anybody could open " * 500)
    refused = run("--state", str(tmp_path), "--port", str(free_port()))
    assert refused.returncode == 1
    assert f"the data of {file.partition('/')[0]} in {broken.parent} cannot be opened" in refused.stdout
    assert "to begin anew" in refused.stdout
    assert "Traceback" not in refused.stdout + refused.stderr


@pytest.mark.parametrize("port", ["0", "65536", "-1", "web", "80.5"])
def test_a_port_that_is_none_is_said(port: str) -> None:
    refused = run("--port", port)
    assert refused.returncode == 2
    assert "from 1 to 65535" in refused.stderr or "expected one argument" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_port_that_is_free_has_no_problem() -> None:
    assert problem_of(free_port()) is None


async def test_a_folder_that_vanished_or_is_full_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with StateFolder(tmp_path / "state", 8010) as state:
        await state.probe()

        def full(_: Path, __: bytes) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        with monkeypatch.context() as patched:
            patched.setattr(Path, "write_bytes", full)
            with pytest.raises(DiskFull):
                await state.probe()
        await state.probe()
        shutil.rmtree(tmp_path / "state")
        with pytest.raises(StateLost):
            await state.probe()
        # Another one in its place is not the one that is written to.
        with StateFolder(tmp_path / "state", 8010), pytest.raises(StateLost):
            await state.probe()


def test_scratch_folders_of_emulators_that_were_killed_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left, used = (tmp_path / f"bigquery-emulator-{pid}-x" for pid in (ended.pid, os.getpid()))
    left.mkdir()
    used.mkdir()
    Store("project", None).close()
    assert list(tmp_path.iterdir()) == [used]


@pytest.mark.parametrize("interrupts", [signal.SIG_DFL, signal.SIG_IGN], ids=["in front", "in the background"])
def test_make_run_in_a_terminal_of_latin_1_notices_its_loss_and_the_end_of_its_emulators(
    tmp_path: Path, interrupts: signal.Handlers
) -> None:
    state, log, port = tmp_path / "state", tmp_path / "log", free_port()
    copy_loaded_cloud(datetime.now(UTC).date(), state / "emulators")
    own = {name: value for name, value in os.environ.items() if not name.endswith("_EMULATOR_HOST")}
    environment = own | {"PYTHONIOENCODING": "latin-1", "ENVIRONMENT": "local", "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-m", "local", "run", "--port", str(port), "--state", str(state)]
    with log.open("w") as output:
        # A shell without job control has what it starts with an ampersand ignore interrupts.
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT,
            preexec_fn=lambda: signal.signal(signal.SIGINT, interrupts),
        )  # fmt: skip
        try:
            url = f"http://127.0.0.1:{port}"
            until_ready(url, process, log)
            told = json.loads((state / "running.json").read_text())
            assert (told["pid"], told["environment"]) == (process.pid, environment_of(state))
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            lines = {int(child): Path(f"/proc/{child}/cmdline").read_text() for child in children}
            (emulators,) = [child for child, line in lines.items() if "local.emulators" in line]
            (state / "emulators").rename(state / "elsewhere")
            deadline = time.monotonic() + 200
            # On a loaded machine another check may fail first: it did not answer in time.
            while (report := httpx.get(f"{url}/health/ready", timeout=120).json())["checks"]["state"]["status"] == "ok":
                assert time.monotonic() < deadline, report
                time.sleep(0.2)
            assert report["checks"]["state"]["status"] == "state_folder_missing"
            os.kill(emulators, signal.SIGKILL)
            assert process.wait(200) == 1
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    said = log.read_text(encoding="latin-1")
    assert "The emulators ended by themselves (code -9)" in said
    assert "Traceback" not in said
