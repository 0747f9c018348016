"""The one record of a request, written when its answer was sent to the end or its client has left."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from common.telemetry.log import HttpRequest, Log, place_of
from common.telemetry.request import CurrentRequest, current
from common.telemetry.tracing import Tracer, tracing
from common.web.routes import Route

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class Recorded(Response):
    """Sends a response and then writes ``request.finished`` with what it took; it is the request's span too."""

    def __init__(self, request: CurrentRequest, log: Log, tracer: Tracer | None, method: str) -> None:
        self.request = request
        self.route: Route | None = None
        self._log = log
        self._tracer = tracer
        self._method = method if method in _METHODS else "OTHER"
        self._span = tracer.request(request.function, request.trace) if tracer else None
        if self._span is not None:
            request.trace = self._span.place
        self._response: Response | None = None
        self._size = 0
        self._finish = "left"

    def of(self, response: Response) -> Response:
        """This, as the response that it records."""
        self._response = response
        self.status_code = response.status_code
        self.raw_headers = response.raw_headers
        return self

    @contextmanager
    def active(self) -> Iterator[None]:
        """While entered, records and spans belong to this request."""
        request_token, tracer_token = current.set(self.request), tracing.set(self._tracer)
        try:
            with self._span.active() if self._span else nullcontext():
                yield
        finally:
            tracing.reset(tracer_token)
            current.reset(request_token)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self._response is not None

        async def noted(message: Message) -> None:
            await send(message)
            if message["type"] == "http.response.body":
                self._size += len(message.get("body", b""))
                if not message.get("more_body", False):
                    self._finish = "ok"

        with self.active():
            try:
                await self._response(scope, receive, noted)
            except ClientDisconnect:
                return  # There is nobody to tell; the record says that the client left.
            except Exception as error:
                # The server, not knowing how the answer ends, cuts the connection; it would print the exception's text.
                self._finish = "crashed"
                self._log.error("request.crashed", error_class=type(error).__name__, stage=place_of(error))
            finally:
                self._write()

    def _write(self) -> None:
        path = self.route.path if self.route else ""
        request = self.request
        self._log.info(
            "request.finished",
            HttpRequest(self._method, path, self.status_code, request.seconds, self._size),
            method=self._method,
            route=self.route.name if self.route else None,
            status=self.status_code,
            finish=self._finish,
            duration_ms=round(request.seconds * 1000),
            directory_bytes_billed=request.bytes_billed("directory"),
            record_bytes_billed=request.bytes_billed("record", "sessions"),
        )
        if self._span is not None:
            self._span.end(
                failed=self.status_code >= 500 or self._finish == "crashed",
                function=request.function,
                method=self._method,
                route=path or None,
                status=self.status_code,
                finish=self._finish,
                org=request.org or None,
                request_id=request.request_id,
            )
