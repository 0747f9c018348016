"""The server: the calls of Cloud Tasks' REST API v2 that make, show, list and delete tasks."""

import json
import re
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

from local.emulators.tasks.queue import AlreadyExistsError, InvalidTaskError, Queues

_QUEUE = r"projects/[^/]+/locations/[^/]+/queues/[^/]+"
_TASKS = re.compile(rf"/v2/({_QUEUE})/tasks")
_TASK = re.compile(rf"/v2/({_QUEUE}/tasks/[^/]+)")


class _Handler(BaseHTTPRequestHandler):
    """Answers in Google's JSON, errors with their status by name."""

    protocol_version = "HTTP/1.1"

    def __init__(self, queues: Queues, *args: Any) -> None:
        self._queues = queues
        super().__init__(*args)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        match = _TASKS.fullmatch(self._path())
        if match is None:
            return self._fail(404, "NOT_FOUND", "no such method")
        try:
            task = self._queues.create(match[1], json.loads(body)["task"])
        except AlreadyExistsError:
            return self._fail(409, "ALREADY_EXISTS", "The task cannot be created because one of its name was before.")
        except (InvalidTaskError, ValueError, KeyError) as error:
            return self._fail(400, "INVALID_ARGUMENT", str(error))
        return self._answer(200, task.shown())

    def do_GET(self) -> None:
        listed, one = _TASKS.fullmatch(self._path()), _TASK.fullmatch(self._path())
        if listed is not None:
            found = [each.shown() for each in list(self._queues.tasks.values()) if each.name.startswith(listed[1])]
            return self._answer(200, {"tasks": found})
        task = self._queues.tasks.get(one[1]) if one is not None else None
        return self._answer(200, task.shown()) if task else self._fail(404, "NOT_FOUND", "The task does not exist.")

    def do_DELETE(self) -> None:
        one = _TASK.fullmatch(self._path())
        if one is not None and self._queues.delete(one[1]):
            return self._answer(200, {})
        return self._fail(404, "NOT_FOUND", "The task does not exist.")

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def _path(self) -> str:
        return unquote(urlsplit(self.path).path)

    def _fail(self, code: int, status: str, message: str) -> None:
        self._answer(code, {"error": {"code": code, "message": message, "status": status}})

    def _answer(self, code: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


class TasksEmulator:
    """Every queue that is named, in memory."""

    def __init__(self, port: int = 0, queues: Queues | None = None) -> None:
        self.queues = queues or Queues()
        self._server = ThreadingHTTPServer(("127.0.0.1", port), partial(_Handler, self.queues))
        self._thread = threading.Thread(target=self._server.serve_forever, name="tasks-api", daemon=True)

    @property
    def url(self) -> str:
        """The address for CLOUD_TASKS_EMULATOR_HOST."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def start(self) -> None:
        """Serve in threads."""
        self._thread.start()
        self.queues.start()

    def stop(self) -> None:
        """End the server; what was not handed over is lost."""
        self.queues.stop()
        self._server.shutdown()
        self._server.server_close()
