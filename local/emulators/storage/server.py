"""The server: gcp-storage-emulator's own handlers, with pages' preflights, signed conditions and events around them."""

import logging
import threading
from functools import partial
from http.server import HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from gcp_storage_emulator.handlers.buckets import create_bucket
from gcp_storage_emulator.server import RequestHandler
from gcp_storage_emulator.storage import Storage

from local.emulators.storage.deliveries import Deliveries
from local.emulators.storage.signed import refusal

SUBSCRIBE = "/_subscriber"


class _EventfulStorage(Storage):  # type: ignore[misc]  # it is untyped
    """Tells of every object that has its bytes."""

    def __init__(self, deliveries: Deliveries, **options: Any) -> None:
        self._deliveries = deliveries
        super().__init__(**options)

    def create_file(
        self, bucket_name: str, file_name: str, content: bytes, file_obj: dict[str, Any], file_id: str | None = None
    ) -> None:
        super().create_file(bucket_name, file_name, content, file_obj, file_id)
        self._deliveries.finalized(dict(file_obj))


class _Handler(RequestHandler):  # type: ignore[misc]  # it is untyped
    """Answers pages of any origin, refuses what a signed address does not allow, and takes the subscriber's address."""

    def __init__(self, deliveries: Deliveries, storage: Storage, *args: Any) -> None:
        self._deliveries = deliveries
        super().__init__(storage, *args)

    def do_OPTIONS(self) -> None:  # noqa: N802
        self._answer(204)

    def do_PUT(self) -> None:  # noqa: N802
        parts = urlsplit(self.path)
        if parts.path == SUBSCRIBE:
            self._deliveries.subscriber = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self._answer(204)
            return
        bucket, _, name = unquote(parts.path).lstrip("/").partition("/")
        exists = name in self.storage.objects.get(bucket, {})
        headers = {key.lower(): value for key, value in self.headers.items()}
        status = refusal(parse_qs(parts.query), headers, exists)
        if status is None:
            super().do_PUT()
        else:
            # The body is not read: the client may send more than anybody wants.
            self.close_connection = True
            self._answer(status)

    def do_DELETE(self) -> None:  # noqa: N802
        parts = urlsplit(self.path)
        wanted = parse_qs(parts.query).get("ifGenerationMatch")
        bucket, _, name = parts.path.partition("/b/")[2].partition("/o/")
        stored = self.storage.objects.get(bucket, {}).get(unquote(name), {})
        if wanted and stored.get("generation") not in (None, wanted[0]):
            self._answer(412)
        else:
            super().do_DELETE()

    def end_headers(self) -> None:
        self.send_header("Access-Control-Allow-Origin", "*")
        self.send_header("Access-Control-Allow-Methods", "PUT, GET, OPTIONS")
        self.send_header("Access-Control-Allow-Headers", "*")
        super().end_headers()

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()


class StorageEmulator:
    """One bucket, in memory or in a folder; the folder is kept between runs."""

    def __init__(self, bucket: str, directory: Path | None, port: int) -> None:
        logging.getLogger("gcp_storage_emulator").setLevel(logging.CRITICAL)
        logging.getLogger("api").setLevel(logging.CRITICAL)
        self._deliveries = Deliveries()
        where = {"use_memory_fs": True} if directory is None else {"data_dir": str(directory.resolve())}
        storage = _EventfulStorage(self._deliveries, **where)
        if storage.get_bucket(bucket) is None:
            create_bucket(bucket, storage)
        self._server = HTTPServer(("127.0.0.1", port), partial(_Handler, self._deliveries, storage))
        self._thread = threading.Thread(target=self._server.serve_forever, name="storage", daemon=True)

    @property
    def url(self) -> str:
        """The address for STORAGE_EMULATOR_HOST."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def start(self) -> None:
        """Serve in a thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the server and its deliveries."""
        self._deliveries.stop()
        self._server.shutdown()
        self._server.server_close()
