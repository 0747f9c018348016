"""A small gRPC server for an emulator: a method table, failures as statuses, and the seams that fault tests use."""

import asyncio
import json
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import grpc

_LONGEST_CALL_SECONDS = 600.0
ADMIN_SERVICE = "emulator.Admin"
LOOPBACK = "127.0.0.1"

# Protocol buffer messages have no static types in this tree.
Message = Any


class RpcFailure(Exception):
    """A call that must end with this gRPC status."""

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class PortTakenError(OSError):
    """The port asked for is in use by another process."""


@dataclass(frozen=True, slots=True)
class Method:
    """One RPC: its request message type and the function that answers it (an async iterator when it streams)."""

    request: Message
    answer: Callable[[Message], Any]
    streams: bool = False


class Seams:
    """The seams that a fault test reads and sets: calls counted, delays and planned failures, all by method name."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.delays: dict[str, float] = {}
        self._faults: dict[str, deque[tuple[grpc.StatusCode, str] | None]] = {}
        self._black_until = 0.0
        self._loses_replies = False

    def fail(
        self, method: str, code: grpc.StatusCode, times: int = 1, message: str = "planned failure", after: int = 0
    ) -> None:
        """Make the next `times` calls of the method end with this status, once `after` calls have passed."""
        self._faults.setdefault(method, deque()).extend([*[None] * after, *[(code, message)] * times])

    def swallow(self, seconds: float, replies: bool) -> None:
        """Answer no call for so long, as a broken network does; with `replies` the calls are carried out first."""
        self._black_until, self._loses_replies = time.monotonic() + seconds, replies

    def reset(self) -> None:
        """Forget counts, delays and planned failures."""
        self.calls.clear()
        self.delays.clear()
        self._faults.clear()
        self._black_until = 0.0

    async def enter(self, method: str) -> None:
        """Count the call, wait its delay, and raise its planned failure if it has one."""
        self.calls[method] += 1
        if time.monotonic() < self._black_until and not self._loses_replies:
            await self._never()
        if delay := self.delays.get(method):
            await asyncio.sleep(delay)
        if faults := self._faults.get(method):
            planned = faults.popleft()
            if planned is not None:
                raise RpcFailure(*planned)

    async def leave(self) -> None:
        """Let the reply out, unless replies are swallowed."""
        if time.monotonic() < self._black_until and self._loses_replies:
            await self._never()

    async def _never(self) -> None:
        # The caller gives up; what was lost does not arrive when the network is back. No call waits longer than this.
        await asyncio.sleep(_LONGEST_CALL_SECONDS)

    def command(self, request: bytes) -> bytes:
        """Carry out one JSON command of the admin service and return the calls counted so far."""
        order = json.loads(request)
        match order["do"]:
            case "delay":
                self.delays[order["method"]] = float(order["seconds"])
            case "fail":
                code, times, after = grpc.StatusCode[order["code"]], int(order["times"]), int(order["after"])
                self.fail(order["method"], code, times, order["message"], after)
            case "swallow":
                self.swallow(float(order["seconds"]), bool(order["replies"]))
            case "reset":
                self.reset()
            case "calls":
                pass
            case unknown:
                raise ValueError(f"unknown admin command {unknown!r}")
        return json.dumps(self.calls).encode()


def _serialize(message: Message) -> bytes:
    return bytes(message.SerializeToString())


def _unary(name: str, method: Method, seams: Seams) -> Callable[[Message, Any], Awaitable[Message]]:
    async def handle(request: Message, context: Any) -> Message:
        try:
            await seams.enter(name)
            answer = await method.answer(request)
            await seams.leave()
            return answer
        except RpcFailure as failure:
            await context.abort(failure.code, failure.message)

    return handle


def _stream(name: str, method: Method, seams: Seams) -> Callable[[Message, Any], AsyncIterator[Message]]:
    async def handle(request: Message, context: Any) -> AsyncIterator[Message]:
        try:
            await seams.enter(name)
            await seams.leave()
            async for message in method.answer(request):
                yield message
        except RpcFailure as failure:
            await context.abort(failure.code, failure.message)

    return handle


def _handlers(methods: Mapping[str, Method], seams: Seams) -> Iterator[tuple[str, Any]]:
    for name, method in methods.items():
        build = grpc.unary_stream_rpc_method_handler if method.streams else grpc.unary_unary_rpc_method_handler
        handle = (_stream if method.streams else _unary)(name, method, seams)
        yield name, build(handle, request_deserializer=method.request.FromString, response_serializer=_serialize)


def _admin_handler(seams: Seams) -> Any:
    async def command(request: bytes, context: Any) -> bytes:
        try:
            return seams.command(request)
        except (ValueError, KeyError) as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"bad admin command: {error}")
            raise  # abort raises before this line

    return grpc.method_handlers_generic_handler(ADMIN_SERVICE, {"Do": grpc.unary_unary_rpc_method_handler(command)})


async def serve(service: str, methods: Mapping[str, Method], seams: Seams, port: int, limit: int) -> tuple[Any, int]:
    """Listen on loopback and return the running server and its port; `limit` bounds one request, in bytes."""
    server = grpc.aio.server(
        options=[
            ("grpc.so_reuseport", 0),  # a taken port must be an error, not half of the calls
            ("grpc.max_receive_message_length", limit),
            ("grpc.max_send_message_length", -1),
        ]
    )
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(service, dict(_handlers(methods, seams))), _admin_handler(seams))
    )
    try:
        bound = server.add_insecure_port(f"{LOOPBACK}:{port}")
    except RuntimeError as error:
        raise PortTakenError(
            f"port {port} of {LOOPBACK} is already in use; choose another or stop its owner"
        ) from error
    await server.start()
    return server, bound


class SeamsClient:
    """Read and set the seams of an emulator that runs in another process."""

    def __init__(self, host: str) -> None:
        self._channel = grpc.insecure_channel(host)
        self._do: Any = self._channel.unary_unary(f"/{ADMIN_SERVICE}/Do")

    def calls(self) -> Counter[str]:
        """The calls of each method since start or reset."""
        return self._command(do="calls")

    def delay(self, method: str, seconds: float) -> None:
        """Make every call of the method wait; 0 ends it."""
        self._command(do="delay", method=method, seconds=seconds)

    def fail(self, method: str, code: str, times: int = 1, message: str = "planned failure", after: int = 0) -> None:
        """Make the next `times` calls end with the status of this name, once `after` calls have passed."""
        self._command(do="fail", method=method, code=code, times=times, message=message, after=after)

    def swallow(self, seconds: float, *, replies: bool = False) -> None:
        """Answer no call for so long; with `replies` what is asked for is done, and only its reply is lost."""
        self._command(do="swallow", seconds=seconds, replies=replies)

    def reset(self) -> None:
        """Forget counts, delays and planned failures."""
        self._command(do="reset")

    def close(self) -> None:
        """Close the channel."""
        self._channel.close()

    def _command(self, **order: Any) -> Counter[str]:
        return Counter(json.loads(self._do(json.dumps(order).encode(), timeout=10, wait_for_ready=True)))
