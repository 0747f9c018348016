"""What is made once for every process that tests: one makes it while the others wait."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_LOCKS = Path(__file__).parents[1] / ".cache" / "locks"


@contextmanager
def alone(name: str) -> Iterator[None]:
    """Hold a lock that all processes of this checkout share, until the block ends."""
    _LOCKS.mkdir(parents=True, exist_ok=True)
    with (_LOCKS / name).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
