"""A server that answers as BigQuery should not: what a test tells it to, to every request."""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

Answer = tuple[int, Any]
Respond = Callable[[str, str, dict[str, Any]], Answer]


def refusal(status: int, reason: str, message: str = "planted: secret of globex_inc") -> Answer:
    """An error in BigQuery's JSON."""
    return status, {"error": {"code": status, "message": message, "errors": [{"reason": reason, "message": message}]}}


class Stub:
    """Serves while it is entered. ``respond(method, path, body)`` gives a status and JSON, or bytes as they are."""

    def __init__(self, respond: Respond) -> None:
        self.requests: list[tuple[str, str, dict[str, Any]]] = []
        self.headers: list[dict[str, str]] = []
        stub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *arguments: Any) -> None:
                """Say nothing."""

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
                stub.requests.append((self.command, self.path, body))
                stub.headers.append({name.lower(): value for name, value in self.headers.items()})
                status, answer = respond(self.command, self.path, body)
                sent = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                try:
                    self.send_response(status)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(sent)))
                    self.end_headers()
                    self.wfile.write(sent)
                except OSError:
                    self.close_connection = True

            do_GET = do_POST  # noqa: N815

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
