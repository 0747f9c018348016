"""The Firestore emulator as an object that starts and stops."""

from pathlib import Path
from typing import Any

from local.emulators.firestore.service import SERVICE, FirestoreService
from local.emulators.firestore.store import Store
from local.emulators.rpc import LOOPBACK, Seams, serve

MAX_REQUEST_BYTES = 10 * 1024 * 1024 + 64 * 1024  # the API's limit, and a little for the envelope


class FirestoreEmulator:
    """Firestore v1 over gRPC for one project; in memory without a directory, else kept in SQLite there."""

    def __init__(self, project: str, directory: Path | None = None, port: int = 0) -> None:
        self.seams = Seams()
        self._project = project
        self._directory = directory
        self._port = port
        self._server: Any = None
        self._store: Store | None = None

    @property
    def host(self) -> str:
        """The value of FIRESTORE_EMULATOR_HOST, once started."""
        return f"{LOOPBACK}:{self._port}"

    async def start(self) -> None:
        """Load what is stored and listen; returns when calls are answered."""
        self._store = Store(self._directory)
        methods = FirestoreService(self._store, self._project).methods()
        try:
            self._server, self._port = await serve(SERVICE, methods, self.seams, self._port, MAX_REQUEST_BYTES)
        except OSError:
            self._store.close()
            raise

    async def stop(self) -> None:
        """Stop answering and close the files; safe to call twice."""
        if self._server is not None:
            await self._server.stop(grace=0.2)
            self._server = None
        if self._store is not None:
            self._store.close()
            self._store = None
