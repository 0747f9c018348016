"""The HTTP server: keep-alive without delays, uploads in one piece or resumable, errors as BigQuery's JSON."""

import gzip
import json
import re
import socket
import threading
import traceback
import uuid
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from local.emulators.bigquery.api import Api, Call
from local.emulators.bigquery.errors import BigQueryError, invalid, not_found

_UPLOAD = re.compile(r"/upload/bigquery/v2/projects/([^/]+)/jobs")


class Server(ThreadingHTTPServer):
    """One thread per connection, loopback only."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, api: Api, port: int) -> None:
        self.api = api
        self.uploads: dict[str, tuple[dict[str, Any], bytearray]] = {}
        self.uploads_lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        """End the keep-alive connections, whose threads would wait for another request."""
        for connection in list(self._connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: Server

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing; the counters tell what happened."""

    def do_GET(self) -> None:
        self._answer()

    do_POST = do_PUT = do_DELETE = do_PATCH = do_GET  # noqa: N815

    def _answer(self) -> None:
        parts = urlsplit(self.path)
        path, query = unquote(parts.path), dict(parse_qsl(parts.query))
        try:
            body = self._read()
            self.server.api.seams.wait("http")
            if _UPLOAD.fullmatch(path):
                self._upload(query, body)
                return
            call = Call(self.command, path, query, _json(body))
            admin = path.startswith("/emulator/")
            self._send(200, self.server.api.admin(call) if admin else self.server.api.handle(call))
        except BigQueryError as error:
            self._send(error.code, error.body())
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        except Exception as error:
            traceback.print_exc()
            refusal = BigQueryError(500, "internalError", f"{type(error).__name__}: {error}")
            self._send(500, refusal.body())

    def _read(self) -> bytes:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body

    def _send(self, code: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        encoded = json.dumps(body, ensure_ascii=False).encode() if code != 308 else b""
        self.send_response(code)
        self.send_header("Content-Type", "application/json; charset=UTF-8")
        self.send_header("Content-Length", str(len(encoded)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(encoded)

    def _upload(self, query: dict[str, str], body: bytes) -> None:
        kind = query.get("uploadType")
        if kind == "multipart":
            resource, data = _multipart(self.headers.get("Content-Type", ""), body)
            self._send(200, self.server.api.insert_job(resource, data))
        elif kind == "resumable" and self.command == "POST":
            upload_id = uuid.uuid4().hex
            with self.server.uploads_lock:
                self.server.uploads[upload_id] = (_json(body), bytearray())
            host = self.headers.get("Host") or f"127.0.0.1:{self.server.server_address[1]}"
            location = f"http://{host}{urlsplit(self.path).path}?uploadType=resumable&upload_id={upload_id}"
            self._send(200, {}, {"Location": location, "X-GUploader-UploadID": upload_id})
        elif kind == "resumable" and self.command == "PUT":
            self._chunk(query.get("upload_id", ""), body)
        else:
            raise invalid(f"Unsupported uploadType {kind}")

    def _chunk(self, upload_id: str, body: bytes) -> None:
        """One chunk: 308 with the range received so far, or the job once all of it is here."""
        with self.server.uploads_lock:
            upload = self.server.uploads.get(upload_id)
        if upload is None:
            raise not_found(f"Upload {upload_id}")
        resource, received = upload
        match = re.fullmatch(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)", self.headers.get("Content-Range") or "bytes */*")
        if match is None:
            raise invalid("Invalid Content-Range")
        if match[1] is not None:
            received[int(match[1]) :] = body
        if match[3] == "*" or len(received) < int(match[3]):
            headers = {"Range": f"bytes=0-{len(received) - 1}"} if received else {}
            self._send(308, {}, headers)
            return
        with self.server.uploads_lock:
            self.server.uploads.pop(upload_id, None)
        self._send(200, self.server.api.insert_job(resource, bytes(received)))


def _json(body: bytes) -> dict[str, Any]:
    if not body:
        return {}
    try:
        value = json.loads(body)
    except ValueError as error:
        raise BigQueryError(400, "parseError", f"Invalid JSON payload received: {error}") from error
    if not isinstance(value, dict):
        raise BigQueryError(400, "parseError", "Invalid JSON payload received: not an object")
    return value


def _multipart(content_type: str, body: bytes) -> tuple[dict[str, Any], bytes]:
    """The two parts of a multipart/related upload: the job resource and the file."""
    message = BytesParser(policy=HTTP).parsebytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body)
    boundary = message.get_boundary()
    if not boundary:
        raise invalid("multipart upload without a boundary")
    mark = b"--" + boundary.encode()
    pieces = body.split(mark)[1:-1]
    if len(pieces) != 2:
        raise invalid("multipart upload needs two parts")
    parts = [piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")[2].removesuffix(b"\r\n") for piece in pieces]
    return _json(parts[0]), parts[1]
