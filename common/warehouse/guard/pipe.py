"""The frames between the guard and its worker: four bytes of length, then a JSON object."""

import json
from typing import Any, BinaryIO

HEADER = 4


def read(stream: BinaryIO) -> dict[str, Any] | None:
    """Return the next frame, or None where the stream ends."""
    header = stream.read(HEADER)
    if len(header) < HEADER:
        return None
    body = stream.read(int.from_bytes(header, "big"))
    frame: dict[str, Any] = json.loads(body)
    return frame


def write(stream: BinaryIO, frame: dict[str, Any]) -> None:
    """Write one frame and flush it."""
    stream.write(encode(frame))
    stream.flush()


def encode(frame: dict[str, Any]) -> bytes:
    """Return a frame's bytes."""
    body = json.dumps(frame).encode()
    return len(body).to_bytes(HEADER, "big") + body
