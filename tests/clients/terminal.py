"""A terminal with the client in it: a pseudo-terminal of its own, as a person has one."""

import asyncio
import fcntl
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
CONTROL_C = "\x03"
CONTROL_D = "\x04"
_SECONDS = 200
# All that the client may tell a terminal: colours, lines that are drawn again, and what readline edits a line with.
_DRAWING = re.compile(r"\x1b\[(?:[0-9;]*m|\?25[hl]|\?2004[hl]|1A|2?K|[0-9]*[CDPG@])|(?<=\n)\r|\r+(?=\n|\x1b\[)")


class Terminal:
    """What the client writes, and what is typed into it."""

    def __init__(self, process: "subprocess.Popen[bytes]", descriptor: int) -> None:
        self.process = process
        self._descriptor = descriptor
        self.written = b""

    @property
    def text(self) -> str:
        """All that was written, without what only draws."""
        return _DRAWING.sub("", self.written.decode(errors="replace"))

    def type(self, keys: str) -> None:
        os.write(self._descriptor, keys.encode())

    def enter(self, line: str) -> None:
        self.type(f"{line}\r")

    def wait_for(self, text: str, after: int = 0) -> int:
        """Read until the text is there; where it ends, for the next to come after it."""
        deadline = time.monotonic() + _SECONDS
        while (place := self.text.find(text, after)) < 0:
            assert self._read(deadline), f"{text!r} was never written:\n{self.text[after:]}"
        return place + len(text)

    def interrupt_until_it_ends(self) -> int:
        """Press Control-C, and again where it came just before the prompt was listening, and return the exit code."""
        deadline = time.monotonic() + _SECONDS
        while time.monotonic() < deadline:
            self.type(CONTROL_C)
            while self._read(time.monotonic() + 5):
                pass
            if self.process.poll() is not None:
                break
        return self.code()

    def code(self) -> int:
        """Read to the end, and return the exit code."""
        deadline = time.monotonic() + _SECONDS
        while self._read(deadline):
            pass
        return self.process.wait(timeout=_SECONDS)

    def _read(self, deadline: float) -> bool:
        ready, _, _ = select.select([self._descriptor], [], [], max(0, deadline - time.monotonic()))
        try:
            piece = os.read(self._descriptor, 65536) if ready else b""
        except OSError:  # How Linux says that nobody has the other end open any more.
            piece = b""
        self.written += piece
        return bool(piece)


@contextmanager
def terminal(*arguments: str, environment: dict[str, str] | None = None) -> Iterator[Terminal]:
    """``python -m local …`` in a terminal of 100 columns."""
    mine, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (40, 100))
    process = subprocess.Popen(
        command(*arguments),
        cwd=ROOT,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=_environment() | {"TERM": "xterm-256color"} | (environment or {}),
        start_new_session=True,
        # Makes it the session's terminal, so that Ctrl-C is a signal.
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(theirs)
    try:
        yield Terminal(process, mine)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(timeout=_SECONDS)
        os.close(mine)


@asynccontextmanager
async def piped(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """``python -m local …`` with nobody looking."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *command(*arguments), cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe, env=_environment()
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
        await process.wait()


async def output_of(*arguments: str, lines: str = "") -> tuple[int, str, str]:
    """Run ``python -m local …`` to its end: exit code, standard output and standard error."""
    async with piped(*arguments) as process, asyncio.timeout(_SECONDS):
        out, errors = await process.communicate(lines.encode())
    assert process.returncode is not None
    return process.returncode, out.decode(), errors.decode()


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "local", *arguments]


def _environment() -> dict[str, str]:
    """This process's environment without what says how to colour."""
    told = ("NO_COLOR", "FORCE_COLOR", "COLORTERM", "COLUMNS", "LINES", "TTY_COMPATIBLE", "TTY_INTERACTIVE")
    return {name: value for name, value in os.environ.items() if name not in told}
