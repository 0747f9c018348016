"""The emulators' own seams, over the wire: calls counted, delays and planned failures."""

import json
from typing import Any

import grpc


def command(host: str, **order: Any) -> dict[str, int]:
    """Give a gRPC emulator an order and return the calls it has counted, by method."""
    with grpc.insecure_channel(host) as channel:
        answer = channel.unary_unary("/emulator.Admin/Do")(json.dumps(order).encode(), timeout=5)
        counted: dict[str, int] = json.loads(answer)
        return counted


def calls(host: str) -> dict[str, int]:
    return command(host, do="calls")


def fail(host: str, method: str, times: int = 1000, code: str = "UNAVAILABLE") -> None:
    command(host, do="fail", method=method, code=code, times=times, message="planned failure sk-planted-in-an-error")


def reset(host: str) -> None:
    command(host, do="reset")
