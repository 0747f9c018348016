"""Asks a person for the next line, with history and completion; or reads lines from a pipe."""

import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path

try:
    import readline
except ImportError:  # A Python without it still asks, only without a history.
    readline = None  # type: ignore[assignment]

_KEPT = 1000


class Prompt:
    """Lines from standard input; what a person typed is kept in ``history``, which only its owner can read."""

    def __init__(self, history: Path, commands: Sequence[str]) -> None:
        self.interactive = sys.stdin.isatty() and sys.stdout.isatty()
        self._history = history
        self._commands = commands
        if self.interactive and readline is not None:
            self._set_up()

    def read(self, label: str) -> str | None:
        """The next line, None at the end. Raises KeyboardInterrupt for Ctrl-C at an empty line."""
        if not self.interactive:
            line = sys.stdin.readline()
            return line.rstrip("\n") if line else None
        while True:
            try:
                return input(f"{label}> ")
            except EOFError:
                return None
            except KeyboardInterrupt:
                sys.stdout.write("\n")
                if readline is None or not readline.get_line_buffer():
                    raise

    def close(self) -> None:
        """Keep the history."""
        if not self.interactive or readline is None:
            return
        with contextlib.suppress(OSError):
            self._history.parent.mkdir(parents=True, exist_ok=True)
            self._history.touch(mode=0o600)
            readline.write_history_file(self._history)

    def _set_up(self) -> None:
        readline.set_history_length(_KEPT)
        with contextlib.suppress(OSError):
            readline.read_history_file(self._history)
        readline.set_completer_delims("")
        readline.set_completer(self._completed)
        is_libedit = "libedit" in (readline.__doc__ or "")
        readline.parse_and_bind("bind ^I rl_complete" if is_libedit else "tab: complete")

    def _completed(self, text: str, state: int) -> str | None:
        found = [command for command in self._commands if text.startswith("/") and command.startswith(text)]
        return found[state] if state < len(found) else None
