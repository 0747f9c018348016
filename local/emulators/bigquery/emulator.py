"""BigQueryEmulator: the BigQuery REST API v2 on a loopback port, over a DuckDB store."""

import threading
from pathlib import Path

from local.emulators.bigquery.api import Api
from local.emulators.bigquery.seams import Seams
from local.emulators.bigquery.server import Server
from local.emulators.bigquery.store import Store


class BigQueryEmulator:
    """One project's BigQuery. With a directory everything survives a restart; without one it lives in memory."""

    def __init__(self, project: str, directory: Path | None = None, port: int = 0) -> None:
        self.project = project
        self.seams = Seams()
        self._directory, self._port = directory, port
        self._store: Store | None = None
        self._server: Server | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> "BigQueryEmulator":
        """Serve from a background thread; listening when this returns."""
        if self._server is not None:
            return self
        self._store = Store(self.project, self._directory)
        try:
            self._server = Server(Api(self._store, self.seams), self._port)
        except OSError:
            self._store.close()
            self._store = None
            raise
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, name="bigquery emulator", daemon=True
        )
        self._thread.start()
        return self

    @property
    def url(self) -> str:
        """The base URL, for client_options.api_endpoint or BIGQUERY_EMULATOR_HOST."""
        if self._server is None:
            raise RuntimeError("the BigQuery emulator is not running")
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def stop(self) -> None:
        """Stop serving and close the store; a second call does nothing."""
        server, store, thread = self._server, self._store, self._thread
        self._server = self._store = self._thread = None
        if server is not None:
            server.shutdown()
            server.close_connections()
            server.server_close()
        if thread is not None:
            thread.join()
        if store is not None:
            store.close()

    def __enter__(self) -> "BigQueryEmulator":
        return self.start()

    def __exit__(self, *exception: object) -> None:
        self.stop()
