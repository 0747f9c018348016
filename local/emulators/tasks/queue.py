"""The tasks of the queues, and the threads that hand them to their targets, with pauses that grow after failures."""

import base64
import heapq
import itertools
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

TRIES = 20
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
DISPATCH_SECONDS = 600.0
_OWN = ("127.0.0.1", "localhost")


class AlreadyExistsError(Exception):
    """A task of this name is there, or was."""


class InvalidTaskError(Exception):
    """The task is not one that the queue takes; the text says why."""


@dataclass(slots=True)
class Task:
    """A task as its maker reads it, with how often it was handed over."""

    name: str
    at: datetime
    request: dict[str, Any]
    made: datetime
    dispatched: int = 0
    status: int | None = None

    def shown(self) -> dict[str, Any]:
        """The task as the API's JSON."""
        told = {name: value for name, value in self.request.items() if name != "body"}
        return {
            "name": self.name,
            "httpRequest": told,
            "scheduleTime": _text(self.at),
            "createTime": _text(self.made),
            "dispatchCount": self.dispatched,
            "responseCount": self.dispatched if self.status is not None else 0,
            "view": "BASIC",
        }


@dataclass(slots=True)
class Queues:
    """All tasks, in memory: what a stop loses, the product's own notes queue anew."""

    tries: int = TRIES
    first_pause: float = FIRST_PAUSE_SECONDS
    tasks: dict[str, Task] = field(default_factory=dict)
    _used: set[str] = field(default_factory=set)
    _due: list[tuple[float, int, str]] = field(default_factory=list)
    _order: Any = field(default_factory=itertools.count)
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _stopped: bool = False

    def start(self) -> None:
        """Hand tasks over, from a thread."""
        threading.Thread(target=self._run, name="tasks", daemon=True).start()

    def stop(self) -> None:
        """Hand no more tasks over."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def create(self, queue: str, given: dict[str, Any]) -> Task:
        """Take a task. Raises AlreadyExistsError or InvalidTaskError."""
        now = datetime.now(UTC)
        name = given.get("name") or f"{queue}/tasks/{next(self._order)}{now.timestamp():.0f}"
        request = given.get("httpRequest")
        if not isinstance(request, dict) or urlsplit(str(request.get("url"))).hostname not in _OWN:
            raise InvalidTaskError("this emulator calls http targets on this machine only")
        if not str(name).startswith(f"{queue}/tasks/"):
            raise InvalidTaskError(f"the name of a task begins with {queue}/tasks/")
        wanted = given.get("scheduleTime")
        at = datetime.fromisoformat(str(wanted)).astimezone(UTC) if wanted else now
        with self._changed:
            if name in self._used:
                raise AlreadyExistsError(name)
            self._used.add(name)
            task = self.tasks[name] = Task(name, at, request, now)
            self._plan(task, max(0.0, (at - now).total_seconds()))
        return task

    def delete(self, name: str) -> bool:
        """Forget a task. Returns False where there is none."""
        with self._changed:
            return self.tasks.pop(name, None) is not None

    def _plan(self, task: Task, seconds: float) -> None:
        heapq.heappush(self._due, (time.monotonic() + seconds, next(self._order), task.name))
        self._changed.notify_all()

    def _run(self) -> None:
        while (name := self._next()) is not None:
            task = self.tasks.get(name)
            if task is not None:
                threading.Thread(target=self._dispatch, args=(task,), daemon=True).start()

    def _next(self) -> str | None:
        """Wait for the next task that is due. Returns None once it was stopped."""
        with self._changed:
            while not self._stopped:
                wait = self._due[0][0] - time.monotonic() if self._due else None
                if wait is not None and wait <= 0:
                    return heapq.heappop(self._due)[2]
                self._changed.wait(wait)
            return None

    def _dispatch(self, task: Task) -> None:
        status = _hand_over(task)
        with self._changed:
            task.dispatched, task.status = task.dispatched + 1, status
            if task.name not in self.tasks:
                return
            if 200 <= status < 300 or task.dispatched >= self.tries:
                del self.tasks[task.name]
            else:
                self._plan(task, min(self.first_pause * 2 ** (task.dispatched - 1), LONGEST_PAUSE_SECONDS))


def _hand_over(task: Task) -> int:
    """Call the target once, with the headers of Cloud Tasks. Returns its status, 0 where it cannot be reached."""
    queue, _, name = task.name.rpartition("/tasks/")
    headers = {
        **task.request.get("headers", {}),
        "X-CloudTasks-QueueName": queue.rpartition("/")[2],
        "X-CloudTasks-TaskName": name,
        "X-CloudTasks-TaskRetryCount": str(task.dispatched),
        "X-CloudTasks-TaskExecutionCount": str(task.dispatched),
        "X-CloudTasks-TaskETA": str(task.at.timestamp()),
    }
    body = base64.b64decode(task.request.get("body", ""))
    method = task.request.get("httpMethod") or "POST"
    request = urllib.request.Request(task.request["url"], body, headers, method=str(method))  # noqa: S310
    opener: Callable[..., Any] = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect()).open
    try:
        with opener(request, timeout=DISPATCH_SECONDS) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code
    except (urllib.error.URLError, OSError):
        return 0


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Takes a redirect as the failure that it is to Cloud Tasks."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def _text(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
