"""HTTP/1.1 as the functions are served with it: what is no request is refused as every other error is, as JSON."""

import uuid

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from common import limits
from common.errors import BadRequest
from common.web.endpoint import error_response

_UNREADABLE = "This is no HTTP request that can be read. Look at its method, its address and its headers."
_TOO_LONG = f"The request line and the headers may have {limits.MAX_HEAD_BYTES // 1024} KiB together."


class HttpProtocol(HttpToolsProtocol):
    """Uvicorn's protocol over httptools, with a bound on the request line and the headers, which it does not have."""

    # The bytes of a head that has not come whole, behind the piece that it began in; None where there is no such head.
    _head_bytes: int | None = None
    _begins_here = False

    def data_received(self, data: bytes) -> None:
        """Read what has come of a request."""
        self._begins_here = False
        super().data_received(data)
        if self._head_bytes is None or self._begins_here:
            return
        self._head_bytes += len(data)
        if self._head_bytes > limits.MAX_HEAD_BYTES and not self.transport.is_closing():
            self._refuse(_TOO_LONG)

    def on_message_begin(self) -> None:
        """Begin to read the head of a request."""
        self._head_bytes, self._begins_here = 0, True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Begin the request."""
        self._head_bytes = None
        super().on_headers_complete()

    def send_400_response(self, _: str) -> None:
        """Refuse what httptools cannot read: a method that HTTP does not know, a line that is none."""
        self._refuse(_UNREADABLE)

    def _refuse(self, detail: str) -> None:
        request_id = uuid.uuid4().hex
        answer = error_response(BadRequest(detail), request_id)
        answer.headers.update({"X-Request-Id": request_id, "Connection": "close"})
        head = b"".join(b"%b: %b\r\n" % each for each in answer.raw_headers)
        self.transport.write(b"%b%b\r\n%b" % (STATUS_LINE[answer.status_code], head, bytes(answer.body)))
        self.transport.close()
