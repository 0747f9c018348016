"""The KMS emulator as an object that starts and stops."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from local.emulators.kms.keys import Keys
from local.emulators.kms.service import MAX_BYTES, SERVICE, KmsService
from local.emulators.rpc import LOOPBACK, Seams, serve


class KmsEmulator:
    """KMS v1 over gRPC with its keys made at start. It is in memory without a directory, else in a file there."""

    def __init__(self, key_names: Sequence[str], directory: Path | None = None, port: int = 0) -> None:
        self._key_names = key_names
        self.seams = Seams()
        self._directory = directory
        self._port = port
        self._server: Any = None

    @property
    def host(self) -> str:
        """The value of KMS_EMULATOR_HOST, once started."""
        return f"{LOOPBACK}:{self._port}"

    async def start(self) -> None:
        """Load or make the keys and listen; returns when calls are answered."""
        keys = Keys(self._directory)
        for name in self._key_names:
            keys.ensure(name)
        methods = KmsService(keys).methods()
        self._server, self._port = await serve(SERVICE, methods, self.seams, self._port, 8 * MAX_BYTES)

    async def stop(self) -> None:
        """Stop answering; safe to call twice."""
        if self._server is not None:
            await self._server.stop(grace=0.2)
            self._server = None
