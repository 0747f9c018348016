"""The product's HTTP contract as the terminal uses it, for one organisation and one person."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx
from httpx_sse import EventSource, SSEError

from local.own_machine import is_own
from local.terminal.access import Access
from local.terminal.id_token import AccessError

# An answer may be silent for long, but the product sends a sign of life every 15 s.
_TIMEOUT = httpx.Timeout(10, read=60)
_PIECE_BYTES = 256 * 1024


class RefusedError(Exception):
    """The product said no; ``detail`` is its sentence, ``code`` its stable name."""

    def __init__(self, detail: str, code: str) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code


class ConnectionLostError(Exception):
    """The connection failed or ended before the answer did. ``reached`` says that there was one."""

    def __init__(self, detail: str, *, reached: bool) -> None:
        super().__init__(detail)
        self.detail = detail
        self.reached = reached


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event of a turn."""

    name: str
    data: dict[str, Any]


class Client:
    """Calls as one organisation; every call raises RefusedError or ConnectionLostError."""

    def __init__(self, url: str, access: Access) -> None:
        self.url = url
        self.org = access.org
        headers = {"X-Org-Slug": access.org, "X-API-Key": access.key, "X-User-Id": access.user}
        base = f"{url}/api/v1/chat/{access.org}"
        # No proxy of the environment stands between two programs on one machine.
        proxied = not is_own(url)
        self._http = httpx.Client(
            base_url=base, headers=headers, timeout=_TIMEOUT, trust_env=proxied, auth=access.token
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let the connection go."""
        self._http.close()

    def stream(self, body: dict[str, Any]) -> Iterator[Event]:
        """Ask, and yield events until the end. A reader that stops cancels the turn."""
        ended = False
        with self._talking(), self._http.stream("POST", "/stream", json=body) as response:
            _check(response)
            for event in EventSource(response).iter_sse():
                ended = event.event in ("done", "error")
                yield Event(event.event, json.loads(event.data))
                if ended:
                    return
        raise ConnectionLostError("The connection ended before the answer did.", reached=True)

    def conversations(self, cursor: str | None = None) -> dict[str, Any]:
        """One page of the person's conversations, newest first."""
        return self._get("/conversations", limit=20, **({"cursor": cursor} if cursor else {}))

    def rename(self, conversation_id: str, title: str) -> None:
        """Give a conversation another title."""
        with self._talking():
            _check(self._http.patch(f"/conversations/{_segment(conversation_id)}/rename", json={"title": title}))

    def search(self, text: str) -> dict[str, Any]:
        """The messages that hold the text."""
        return self._get("/messages/search", q=text)

    def exported(self, conversation_id: str) -> dict[str, Any]:
        """The whole conversation, with tool calls and their results."""
        return self._get(f"/conversations/{_segment(conversation_id)}/export")

    def export_to(self, conversation_id: str, path: Path) -> int:
        """Write the conversation's export to a new file, and return its bytes. Raises FileExistsError."""
        with (
            self._talking(),
            self._http.stream("GET", f"/conversations/{_segment(conversation_id)}/export") as response,
        ):
            _check(response)
            with path.open("xb") as file:
                return sum(file.write(piece) for piece in response.iter_bytes())

    def usage(self, **query: str) -> dict[str, Any]:
        """The usage of a month, by one group, and the ceilings."""
        return self._get("/usage", **query)

    def statement(self, **query: str) -> str:
        """The statement of a month as CSV."""
        with self._talking():
            response = self._http.get("/usage/statement", params={**query, "format": "csv"})
            _check(response)
            return response.text

    def documents(self) -> list[dict[str, Any]]:
        """All documents of the organisation, newest first."""
        found: list[dict[str, Any]] = []
        cursor: str | None = None
        while True:
            page = self._get("/knowledge/documents", limit=200, **({"cursor": cursor} if cursor else {}))
            found += page["documents"]
            cursor = page.get("next_cursor")
            if cursor is None:
                return found

    def document(self, document_id: str) -> dict[str, Any]:
        """One document, and what has become of it."""
        return self._get(f"/knowledge/documents/{_segment(document_id)}")

    def announce(self, document: dict[str, Any]) -> dict[str, Any]:
        """Announce a document; the answer says where its bytes go."""
        with self._talking():
            response = self._http.post("/knowledge/documents", json=document)
            _check(response)
            body: dict[str, Any] = response.json()
            return body

    def upload(self, url: str, headers: dict[str, str], data: bytes, progress: Callable[[int], None]) -> None:
        """Put the bytes at a signed address, which takes no key; ``progress`` is told how many were sent."""

        def pieces() -> Iterator[bytes]:
            for start in range(0, len(data), _PIECE_BYTES):
                yield data[start : start + _PIECE_BYTES]
                progress(min(len(data), start + _PIECE_BYTES))

        whole = {**headers, "Content-Length": str(len(data))}
        with self._talking():
            response = httpx.put(url, headers=whole, content=pieces(), timeout=_TIMEOUT, trust_env=not is_own(url))
        # The address takes one upload: somebody else has sent the same bytes a moment ago.
        arrived = response.is_success or response.status_code == httpx.codes.PRECONDITION_FAILED
        if not arrived:
            raise RefusedError(f"The upload was refused ({response.status_code}). Try again.", "upload_refused")

    def delete_document(self, document_id: str) -> None:
        """Delete a document."""
        with self._talking():
            _check(self._http.delete(f"/knowledge/documents/{_segment(document_id)}"))

    def _get(self, path: str, **query: Any) -> dict[str, Any]:
        with self._talking():
            response = self._http.get(path, params=query)
            _check(response)
            body: dict[str, Any] = response.json()
            return body

    @contextmanager
    def _talking(self) -> Iterator[None]:
        try:
            yield
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            hint = "Is make run still running?" if is_own(self.url) else "Is the address right, and reached from here?"
            raise ConnectionLostError(f"Nothing answers at {self.url}. {hint}", reached=False) from error
        except AccessError as error:
            raise RefusedError(str(error), "no_id_token") from error
        except (httpx.TransportError, SSEError, ValueError) as error:
            raise ConnectionLostError("The connection was lost.", reached=True) from error


def _segment(conversation_id: str) -> str:
    """An id as one segment of a path, whatever a person typed."""
    return quote(conversation_id, safe="")


def _check(response: httpx.Response) -> None:
    if response.is_success:
        return
    response.read()
    try:
        body = response.json()
        detail, code = str(body["detail"]), str(body["code"])
    except (ValueError, KeyError, TypeError):
        detail, code = _of_the_platform(response.status_code), "unknown"
    raise refused(detail, code, response.headers.get("retry-after"))


def _of_the_platform(status: int) -> str:
    """A refusal without the product's words, which never saw the request."""
    said = f"The answer was HTTP {status}, without a reason."
    if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        return f"{said} Cloud Run asks for the ID token of an account among invokers: --id-token-command"
    if status == httpx.codes.NOT_FOUND:
        return f"{said} Is the address right? A function that lets in its network only says the same from elsewhere."
    return said


def refused(detail: str, code: str, again: object) -> RefusedError:
    """Make the refusal, with the seconds after which it is worth to try again, where they are known."""
    return RefusedError(f"{detail} (in {again} s)" if again else detail, code)
