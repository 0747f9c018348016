"""Cloud Tasks, over its REST API: one call makes a task, for which an SDK of 46 MB is not worth its import."""

import asyncio
import base64
from datetime import datetime
from typing import Any

import orjson

from common.errors import Unavailable
from common.settings import Settings
from common.telemetry.tracing import span

QUEUE_SECONDS = 10.0
_API = "https://cloudtasks.googleapis.com"
_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_EXISTS = 409
_SILENT = "The queue of deliveries does not answer. Try again shortly."


class TaskQueue:
    """The queue of deliveries: each of its tasks calls the function deliver."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._credentials: Any = None

    async def create(self, name: str, body: dict[str, Any], at: datetime | None = None) -> bool:
        """Make a task that posts ``body``, at once or at a moment. Returns False where its name was used before.

        Raises Unavailable.
        """
        settings = self._settings
        if settings.deliver_queue is None:
            raise Unavailable("DELIVER_QUEUE is not set, so nothing can be delivered.")
        request: dict[str, Any] = {
            "url": settings.deliver_url,
            "httpMethod": "POST",
            "headers": {"Content-Type": "application/json"},
            "body": base64.b64encode(orjson.dumps(body)).decode(),
        }
        task: dict[str, Any] = {"name": f"{settings.deliver_queue}/tasks/{name}", "httpRequest": request}
        if at is not None:
            task["scheduleTime"] = at.isoformat()
        with span("tasks.create"):
            status = await self._post(f"/v2/{settings.deliver_queue}/tasks", orjson.dumps({"task": task}))
        if status != _EXISTS and not 200 <= status < 300:
            raise Unavailable(_SILENT)
        return status != _EXISTS

    async def _post(self, path: str, data: bytes) -> int:
        import aiohttp

        emulator = self._settings.cloud_tasks_emulator_host
        headers = {"Content-Type": "application/json"}
        try:
            if emulator is None:
                await self._sign(headers)
            async with (
                aiohttp.ClientSession(
                    timeout=aiohttp.ClientTimeout(total=QUEUE_SECONDS), cookie_jar=aiohttp.DummyCookieJar()
                ) as session,
                session.post(f"{emulator or _API}{path}", data=data, headers=headers, allow_redirects=False) as answer,
            ):
                return answer.status
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable(_SILENT) from error

    async def _sign(self, headers: dict[str, str]) -> None:
        """Add the token of the function's own account."""
        import google.auth
        from google.auth.exceptions import GoogleAuthError
        from google.auth.transport.requests import Request

        try:
            credentials = self._credentials
            if credentials is None:
                credentials, _ = await asyncio.to_thread(google.auth.default, scopes=[_SCOPE])
                self._credentials = credentials
            if not credentials.valid:
                await asyncio.to_thread(credentials.refresh, Request())
        except GoogleAuthError as error:
            raise Unavailable(_SILENT) from error
        credentials.apply(headers)
