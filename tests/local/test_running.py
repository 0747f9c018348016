"""One make run per state: a second start is told of the first, and a question waits for one that is starting."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from local.emulators.process import START_SECONDS
from local.running import AlreadyRunningError, Running, alone, running
from local.terminal.served import NotServedError, served

ROOT = Path(__file__).parents[2]
HOLDER = """
import sys
from pathlib import Path
from local.running import alone
with alone(Path(sys.argv[1]), int(sys.argv[2])):
    print("held", flush=True)
    sys.stdin.read()
"""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def held(state: Path, port: int) -> Iterator["subprocess.Popen[str]"]:
    """Another process that holds the state, as one that is starting does."""
    command = [sys.executable, "-c", HOLDER, str(state), str(port)]
    with subprocess.Popen(command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


class Product(BaseHTTPRequestHandler):
    """Answers as the product does once it is ready."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


def test_a_state_that_nobody_holds_runs_nothing(tmp_path: Path) -> None:
    assert running(tmp_path) is None
    with alone(tmp_path, 8002):
        assert running(tmp_path) == Running(os.getpid(), 8002)
    assert running(tmp_path) is None


def test_a_second_start_is_told_of_the_first_in_a_sentence(tmp_path: Path) -> None:
    with held(tmp_path, 8123) as process:
        with pytest.raises(AlreadyRunningError, match=rf"on port 8123 \(process {process.pid}\) over .* stop it first"):
            alone(tmp_path, 8124).__enter__()
        command = [sys.executable, "-m", "local", "run", "--port", str(free_port()), "--state", str(tmp_path)]
        environment = {name: value for name, value in os.environ.items() if not name.endswith("_EMULATOR_HOST")}
        second = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=120
        )
        assert second.returncode == 1
        assert "Another make run is starting or running on port 8123" in " ".join(second.stdout.split())
        assert "Traceback" not in second.stdout + second.stderr


def test_a_start_that_was_killed_holds_nothing(tmp_path: Path) -> None:
    with held(tmp_path, 8123) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        with alone(tmp_path, 8124):
            assert running(tmp_path) == Running(os.getpid(), 8124)


def test_a_question_waits_with_a_word_until_the_product_is_ready(tmp_path: Path) -> None:
    port = free_port()
    said: list[str] = []
    servers: list[ThreadingHTTPServer] = []

    def say(text: str) -> None:
        # It becomes ready only once the word was said.
        said.append(text)
        servers.append(ThreadingHTTPServer(("127.0.0.1", port), Product))
        threading.Thread(target=servers[0].serve_forever, daemon=True).start()

    with held(tmp_path, port), served(free_port(), say, tmp_path) as url:
        assert url == f"http://127.0.0.1:{port}"
    assert said == [f"make run is still starting on {url}; waiting until it is ready."]
    servers[0].shutdown()
    servers[0].server_close()


def test_a_question_does_not_wait_for_a_start_that_ended(tmp_path: Path) -> None:
    with (
        held(tmp_path, free_port()) as process,
        pytest.raises(NotServedError, match="ended before it was ready"),
        served(free_port(), lambda _text: process.kill(), tmp_path),
    ):
        pytest.fail("nothing is served")


def test_the_emulators_have_minutes_to_start() -> None:
    assert START_SECONDS >= 180
