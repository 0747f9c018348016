"""What the tests share: the emulators as a process of their own, with the demo organisations loaded."""

import atexit
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from common.settings import Settings
from local import embedding
from local.data.__main__ import emulated_bigquery, emulated_kms
from local.data.prepare import prepare
from local.emulators.process import EmulatorProcess
from tests.alone import alone

if TYPE_CHECKING:
    from xdist.scheduler import LoadScopeScheduling

PROJECT = "local-dev-project"
RATE_LIMITS = tuple(
    name.upper()
    for name in Settings.model_fields
    if name.endswith("_per_minute") and name != "org_failed_keys_per_minute"
)
# A loaded cloud is kept between runs, a folder a day: copying it takes a moment, loading it many seconds.
LOADED = Path(__file__).parents[1] / ".cache" / "loaded-cloud"


_STATUS = pytest.StashKey[int]()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> "LoadScopeScheduling":
    """Tests of one file share a process; those of the deployment share one, too, as they share their plans."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):  # type: ignore[misc]  # it is untyped
        def _split_scope(self, nodeid: str) -> str:
            return "tests/infra" if nodeid.startswith("tests/infra/") else nodeid.split("::", 1)[0]

    return ByFile(config, log)


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """Name bytes by their argument: packed ones hold the second of their packing, and names agree in all processes."""
    return argname if isinstance(val, bytes) else None


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    session.config.stash[_STATUS] = int(exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """End without the interpreter's own end, at which DuckDB's binding prints a page of what is still alive."""
    if "duckdb" in sys.modules and _STATUS in config.stash:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(config.stash[_STATUS])


@pytest.fixture
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting is in the environment, not even the emulators that another test's session started."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.delenv("K_REVISION", raising=False)


@dataclass(frozen=True, slots=True)
class Cloud:
    """The running emulators, the day their demo data was made for, and their process."""

    environment: dict[str, str]
    today: date
    pid: int


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """Emulators with acme_inc and globex_inc loaded; the environment names them while the session lasts."""
    directory = tmp_path_factory.mktemp("cloud") / "emulators"
    today = datetime.now(UTC).date()
    copy_loaded_cloud(today, directory)
    with running_cloud(directory, today) as (environment, pid), pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        yield Cloud(environment, today, pid)


def copy_loaded_cloud(today: date, directory: Path, kept: Path = LOADED) -> None:
    """Copy a cloud that has been loaded for today; one process loads it, while the others wait."""
    with alone(kept.name):
        shutil.copytree(loaded_cloud(today, kept), directory)


def loaded_cloud(today: date, kept: Path = LOADED) -> Path:
    """The folder of a cloud that has been loaded for today and stopped; other days in ``kept`` are removed."""
    folder = kept / today.isoformat()
    if not folder.exists():
        kept.mkdir(parents=True, exist_ok=True)
        for old in kept.iterdir():
            shutil.rmtree(old, ignore_errors=True)
        with tempfile.TemporaryDirectory(dir=kept) as made:
            with running_cloud(Path(made) / "emulators", today):
                pass
            # At once or not at all, so that a run that was interrupted leaves nothing half-loaded.
            (Path(made) / "emulators").rename(folder)
    return folder


@contextmanager
def running_cloud(directory: Path, today: date) -> Iterator[tuple[dict[str, str], int]]:
    """Emulators that keep their data in a folder, with the demo organisations of a day: their environment and id."""
    with EmulatorProcess(PROJECT, directory) as emulators, Path(os.devnull).open("w") as nowhere:
        environment = {**emulators.environment, "GCP_PROJECT_ID": PROJECT, "ENVIRONMENT": "test"}
        environment |= embedding.environment()
        # A test may ask as often as it likes, unless it says otherwise.
        environment |= dict.fromkeys(RATE_LIMITS, "0")
        environment["ORG_FAILED_KEYS_PER_MINUTE"] = "100000"
        # Loads what is missing: after a change of the generator, everything.
        prepare(emulated_bigquery(environment), emulated_kms(environment), today, None, Console(file=nowhere))
        yield environment, emulators.pid
