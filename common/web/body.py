"""The body of a request: read in bounded memory and time, with so many values that parsing it holds nobody up."""

import asyncio
import re
from collections.abc import Callable
from typing import TypeVar

from starlette.requests import Request

from common import limits
from common.errors import BodyTimeout, TooLarge

Read = TypeVar("Read")

# Larger bodies are looked at in a thread, so that the other requests of the instance go on.
_INLINE_BYTES = 32 * 1024
# A string of JSON, or its beginning where the end is missing; no character is looked at twice.
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)


async def read_body(request: Request, most: int) -> bytes:
    """Return the body as it came. Raises TooLarge, or BodyTimeout where it does not arrive within BODY_SECONDS."""
    raw = bytearray()
    try:
        async with asyncio.timeout(limits.BODY_SECONDS):
            async for chunk in request.stream():
                raw += chunk
                if len(raw) > most:
                    raise TooLarge(f"The body is larger than {most} bytes.")
    except TimeoutError:
        raise BodyTimeout from None
    body = bytes(raw)
    await apart(check_values, body)
    return body


async def apart(look: Callable[[bytes], Read], body: bytes) -> Read:
    """Return what ``look`` makes of the body; for a large one, in a thread."""
    return look(body) if len(body) <= _INLINE_BYTES else await asyncio.to_thread(look, body)


def check_values(body: bytes) -> None:
    """Raise TooLarge for JSON of more than MAX_BODY_VALUES values: parsing them would hold up every other request."""
    most = limits.MAX_BODY_VALUES
    if _separators(body) <= most:
        return
    # A value comes with four quotes at most: its own, and those of its name. Half of them may look like escaped ones.
    quotes = body.count(b'"') - body.count(b'\\"')
    if quotes > 4 * most or _separators(_STRING.sub(b"", body)) > most:
        raise TooLarge(f"The body has more than {most} values.")


def _separators(text: bytes) -> int:
    """Count the places where a value begins: every value but the first stands behind one of these."""
    return text.count(b",") + text.count(b"[") + text.count(b"{")
