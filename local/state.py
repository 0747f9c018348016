"""The folder in which ``make run`` keeps its data: one process at a time, of a version that this one can read."""

import errno
import json
import os
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from common.errors import Unavailable
from local.running import alone

# Raised when data of an older version can no longer be read or brought up to date.
VERSION = 1
_STAMP, _PROBE = "version.json", "probe"
_PROBE_BYTES = b"\0" * 65_536


class StateError(Exception):
    """The folder cannot be used; the message is a sentence that says why and what to do."""


class StateLost(Unavailable):
    """Questions can be answered, but what is said would be lost."""

    code = "state_folder_missing"
    detail = "The state folder was removed or replaced. Stop make run and start it again."


class DiskFull(StateLost):
    code = "disk_full"
    detail = "The disk of the state folder is full. Make room, then ask again."


class StateFolder:
    """The folder, held for this process while the context lasts. Raises StateError or AlreadyRunningError."""

    def __init__(self, path: Path, port: int) -> None:
        self.path = path
        self.emulators = path / "emulators"
        self._port = port
        self._held = ExitStack()
        self._seen: os.stat_result | None = None

    def __enter__(self) -> Self:
        try:
            with ExitStack() as held:
                self.emulators.mkdir(parents=True, exist_ok=True)
                held.enter_context(alone(self.path, self._port))
                self._check_stamp()
                self._check_key()
                self._seen = self.emulators.stat()
                self._held = held.pop_all()
        except OSError as error:
            reason = (error.strerror or type(error).__name__).lower()
            raise StateError(
                f"The state folder {self.path} cannot be used: {reason}. Name another one: --state FOLDER"
            ) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.close()

    async def probe(self) -> None:
        """Raise StateLost or DiskFull where what is stored from now on would be lost."""
        assert self._seen is not None
        try:
            if not os.path.samestat(self._seen, self.emulators.stat()):
                raise StateLost
            file = self.emulators / _PROBE
            try:
                file.write_bytes(_PROBE_BYTES)
            finally:
                file.unlink(missing_ok=True)
        except OSError as error:
            raise (DiskFull if error.errno in (errno.ENOSPC, errno.EDQUOT) else StateLost) from error

    def _check_stamp(self) -> None:
        file = self.path / _STAMP
        try:
            # Data of before there was a stamp is that of the first version.
            version = json.loads(file.read_text(encoding="utf-8"))["version"] if file.exists() else 1
            file.write_text(json.dumps({"version": VERSION}) + "\n", encoding="utf-8")
        except (ValueError, TypeError, KeyError) as error:
            raise StateError(f"{file} cannot be read. {self._anew()}") from error
        if version != VERSION:
            age = "a newer" if isinstance(version, int) and version > VERSION else "an older"
            file.write_text(json.dumps({"version": version}) + "\n", encoding="utf-8")
            raise StateError(f"The data in {self.path} is that of {age} version. {self._anew()}")

    def _check_key(self) -> None:
        """Find the key without which no stored provider key opens: a new one would not help."""
        if (self.emulators / "bigquery").exists() and not (self.emulators / "kms" / "kms.json").exists():
            raise StateError(
                f"{self.emulators / 'kms' / 'kms.json'} is missing: without it no stored provider key can be opened. "
                f"Put it back, or begin anew. {self._anew()}"
            )

    def _anew(self) -> str:
        return f"Remove the folder {self.path} (make clean does, for the usual one) and start again with demo data."
