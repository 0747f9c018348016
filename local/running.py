"""The addresses of a running ``make run`` and its emulators, for commands beside it; there is only one."""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

# Where models are: a key is checked where the running product would send it.
MODEL_ADDRESSES = ("MODEL_API_BASES", "LOCAL_MODELS")
_FILE = "running.json"
# Locked from the first moment of a start to the end; the operating system lets it go with the process.
_LOCK = "run.lock"


class AlreadyRunningError(Exception):
    """Another process starts or runs over this state; the text is a sentence that says what to do."""


@dataclass(frozen=True, slots=True)
class Running:
    """A process that starts or runs, and the port that it serves once it is ready."""

    pid: int
    port: int


@contextmanager
def alone(state: Path, port: int) -> Iterator[None]:
    """Hold the state for this process, so that a second start is told of the first. Raises AlreadyRunningError."""
    state.mkdir(parents=True, exist_ok=True)
    with (state / _LOCK).open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            other = running(state)
            where = f" on port {other.port} (process {other.pid})" if other else ""
            raise AlreadyRunningError(
                f"Another make run is starting or running{where} over {state}. Ask it, or stop it first."
            ) from error
        file.truncate(0)
        file.write(json.dumps({"pid": os.getpid(), "port": port}))
        file.flush()
        yield


def running(state: Path) -> Running | None:
    """Return the process that holds the state, None where there is none."""
    try:
        with (state / _LOCK).open(encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                held = json.loads(file.read())
                return Running(held["pid"], held["port"])
    except (OSError, ValueError):
        # No such file, or one whose writing is under way.
        return None
    return None


class NotRunningError(Exception):
    """Nothing runs over this state."""


@contextmanager
def announced(state: Path, environment: Mapping[str, str]) -> Iterator[None]:
    """Tell other commands the addresses that this process uses, as long as it lives."""
    file = state / _FILE
    file.write_text(json.dumps({"pid": os.getpid(), "environment": dict(environment)}), encoding="utf-8")
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def environment_of(state: Path) -> dict[str, str]:
    """The environment that points at the running emulators. Raises NotRunningError."""
    try:
        told = json.loads((state / _FILE).read_text(encoding="utf-8"))
        os.kill(told["pid"], 0)  # Asks only whether the process is there.
    except (OSError, ValueError) as error:
        raise NotRunningError(f"Nothing is running over {state}. Start it with make run, or name a project.") from error
    environment: dict[str, str] = told["environment"]
    return environment
