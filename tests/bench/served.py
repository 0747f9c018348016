"""A function as the buildpack serves it, in a process of its own: the functions-framework over gunicorn and uvicorn."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.api.conftest import free_port

ROOT = Path(__file__).parents[2]
_TICKS = os.sysconf("SC_CLK_TCK")


class Served:
    """A running function. CPU and memory are those of the process and all below it."""

    def __init__(self, source: Path, target: str, environment: Mapping[str, str]) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  lives as long as the child
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "functions_framework", "--source", str(source), "--target", target]
        path = os.pathsep.join(filter(None, (environment.get("PYTHONPATH"), str(ROOT))))
        self.started = time.perf_counter()
        self._child = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)],
            cwd=source.parent,
            env={**os.environ, **environment, "PYTHONPATH": path},
            stdout=self._log,
            stderr=self._log,
        )

    def ready(self, method: str = "OPTIONS", path: str = "/", seconds: float = 120) -> float:
        """Wait for the first answer, and return how long after the process's start it was there."""
        with httpx.Client(base_url=self.url, timeout=seconds) as client:
            while time.perf_counter() < self.started + seconds and self._child.poll() is None:
                try:
                    client.request(method, path)
                    return time.perf_counter() - self.started
                except httpx.TransportError:
                    time.sleep(0.005)
        raise RuntimeError(f"the function did not start:\n{self.said()}")

    @property
    def pids(self) -> list[int]:
        """The process and all below it, those first that were started first."""
        return [self._child.pid, *_below(self._child.pid)]

    def cpu(self) -> float:
        """The seconds of CPU it has used."""
        return sum(cpu_of(pid) for pid in self.pids)

    def memory(self) -> float:
        """The MiB it holds; what its processes share counts once."""
        return sum(memory_of(pid) for pid in self.pids)

    def said(self) -> str:
        """What it wrote."""
        return os.pread(self._log.fileno(), 1_000_000, 0).decode(errors="replace")

    def stop(self) -> None:
        """End it."""
        below = self.pids[1:]
        self._child.terminate()
        try:
            self._child.wait(10)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        for pid in below:
            if Path(f"/proc/{pid}").exists():
                os.kill(pid, 9)
        self._log.close()


@contextmanager
def served(source: Path, target: str, environment: Mapping[str, str]) -> Iterator[Served]:
    """The function, stopped at the end."""
    running = Served(source, target, environment)
    try:
        yield running
    finally:
        running.stop()


def function(name: str) -> Path:
    """Where a function of the product is."""
    return ROOT / "functions" / name / "main.py"


def rival(name: str) -> Path:
    """Where something is that the product is compared with."""
    return ROOT / "tests" / "bench" / "rivals" / name / "main.py"


def cpu_of(pid: int) -> float:
    """The seconds of CPU that a process has used; 0 once it has gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS


def memory_of(pid: int) -> float:
    """The MiB that a process holds, of what is shared its part; 0 once it has gone."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0) / 1024


def _below(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except FileNotFoundError:
        return []
    return [each for child in children for each in (int(child), *_below(int(child)))]
