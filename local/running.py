"""Where the emulators and models of a running ``make run`` are, for commands that work on the same data beside it."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

# Where models are: a key is checked where the running product would send it.
MODEL_ADDRESSES = ("MODEL_API_BASES", "LOCAL_MODELS")
_FILE = "running.json"


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
