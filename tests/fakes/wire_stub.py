"""One loopback server that speaks the streaming formats of all providers, as it is told to."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

from aiohttp import web

from tests.fakes.further_formats import FURTHER_BASES, FURTHER_KEY_HEADERS, KINDS, bedrock
from tests.fakes.provider_rules import SIGNATURE, refuse
from tests.fakes.wire_errors import error_body, error_frame

# Below the stub's address; what each provider's API is based on.
BASES = {"openai": "/openai/v1", "anthropic": "/anthropic", "gemini": "/gemini/v1beta", "deepseek": "/deepseek"}
MODELS = {
    "openai": "gpt-4o-mini",
    "anthropic": "claude-sonnet-4-5",
    "gemini": "gemini-2.5-flash",
    "deepseek": "deepseek-chat",
}
KEY_HEADERS = {
    "openai": "authorization",
    "anthropic": "x-api-key",
    "gemini": "x-goog-api-key",
    "deepseek": "authorization",
}
_PIECE = 9
Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call that the stub makes; ``arguments`` is sent as it stands, in pieces."""

    name: str
    arguments: str
    call_id: str = "call_1"


@dataclass(frozen=True, slots=True)
class Answer:
    """How one request is answered. ``fault`` happens after ``after`` frames of the stream (None: after the last)."""

    text: str = ""
    calls: tuple[Call, ...] = ()
    reasoning: str = ""
    usage: tuple[int, int] | None = (7, 3)
    usage_details: Body = field(default_factory=dict)
    finish: str = ""
    status: int = 200
    error: str = "refused"
    headers: Mapping[str, str] = field(default_factory=dict)
    fault: str = ""  # stall | cut | end | malformed | error
    after: int | None = None
    hold: asyncio.Event | None = None  # nothing is answered before it is set
    pace: asyncio.Semaphore | None = None  # every frame waits for it
    frames: tuple[bytes, ...] = ()  # sent as they are, instead of what the other fields say
    whole: Body | None = None  # one JSON answer instead of a stream
    pings: int = 0  # so many signs of life before the first frame, each after a pause
    ping_seconds: float = 0.0


@dataclass(slots=True)
class Received:
    """One request as it came in, and what became of its client."""

    provider: str
    path: str
    headers: dict[str, str]
    body: Body
    answering: asyncio.Event = field(default_factory=asyncio.Event)
    disconnected: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def key(self) -> str:
        header = (KEY_HEADERS | FURTHER_KEY_HEADERS).get(self.provider, "authorization")
        return self.headers[header].removeprefix("Bearer ")


Script = Sequence[Answer] | Callable[[Received], Answer]


class WireStub:
    """Answers by ``script``: answers in turn, the last one again when they run out, or a function of the request.

    First of all it refuses what the provider itself refuses of the model; ``refused`` keeps the words.
    """

    def __init__(self) -> None:
        self.url = ""
        self.script: Script = [Answer("hello")]
        self.received: list[Received] = []
        self.refused: list[str] = []
        self._arrived = asyncio.Condition()

    @property
    def bases(self) -> dict[str, str]:
        return {provider: self.url + path for provider, path in (BASES | FURTHER_BASES).items()}

    def play(self, script: Script) -> None:
        self.script = script
        self.received.clear()
        self.refused.clear()

    async def request(self, count: int = 1) -> Received:
        """Wait for the ``count``-th request."""
        async with asyncio.timeout(120), self._arrived:
            await self._arrived.wait_for(lambda: len(self.received) >= count)
        return self.received[count - 1]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        provider = request.path.split("/")[1]
        headers = {name.lower(): value for name, value in request.headers.items()}
        received = Received(provider, request.path_qs, headers, await request.json())
        async with self._arrived:
            self.received.append(received)
            self._arrived.notify_all()
        try:
            return await self._answer(request, received)
        except (asyncio.CancelledError, ConnectionError):
            received.disconnected.set()
            raise

    async def _answer(self, request: web.Request, received: Received) -> web.StreamResponse:
        refused = refuse(received.provider, received.path, received.body)
        if refused is not None:
            self.refused.append(refused)
            return web.json_response(error_body(received.provider, 400, refused), status=400)
        if callable(self.script):
            answer = self.script(received)
        else:
            answer = self.script[min(len(self.received), len(self.script)) - 1]
        if answer.hold is not None:
            await answer.hold.wait()
        if answer.status != 200:
            body = error_body(received.provider, answer.status, answer.error)
            return web.json_response(body, status=answer.status, headers=answer.headers)
        if answer.whole is not None:
            return web.json_response(answer.whole)
        kind = KINDS.get(received.provider, "text/event-stream")
        response = web.StreamResponse(headers={"content-type": kind})
        await response.prepare(request)
        for _ in range(answer.pings):
            await asyncio.sleep(answer.ping_seconds)
            await response.write(_ping(received.provider))
        frames = list(answer.frames) or list(FORMATS[received.provider](answer, received.body))
        fault_at = len(frames) if answer.after is None else answer.after
        for number, frame in enumerate(frames):
            if answer.fault and number == fault_at:
                break
            if answer.pace is not None:
                await answer.pace.acquire()
            await response.write(frame)
        received.answering.set()
        if answer.fault == "stall":
            await asyncio.Event().wait()
        elif answer.fault == "cut":
            assert request.transport is not None
            request.transport.abort()
        elif answer.fault == "malformed":
            await response.write(b'data: {"choices": [{"delta": {"cont\n\n')
            for frame in frames[fault_at:]:
                await response.write(frame)
        elif answer.fault == "error":
            await response.write(error_frame(received.provider, answer.error))
        with suppress(ConnectionError):
            await response.write_eof()
        return response


@asynccontextmanager
async def wire_stub() -> AsyncIterator[WireStub]:
    """A stub on a port of its own."""
    stub = WireStub()
    application = web.Application(client_max_size=16 * 1024**2)
    application.router.add_post("/{tail:.*}", stub.handle)
    runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        stub.url = f"http://{host}:{port}"
        yield stub
    finally:
        await runner.cleanup()


def chunks(*deltas: Body, finish: str | None = "stop") -> tuple[bytes, ...]:
    """The frames of an OpenAI stream with these deltas; None as ``finish`` leaves the end out."""
    choices: list[Body] = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    if finish is not None:
        choices.append({"index": 0, "delta": {}, "finish_reason": finish})
    envelope = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return (*(_data({**envelope, "choices": [choice]}) for choice in choices), b"data: [DONE]\n\n")


def candidates(*candidates: Body) -> tuple[bytes, ...]:
    """The frames of a Gemini stream, one a candidate."""
    return tuple(_data({"candidates": [{"index": 0, **candidate}]}) for candidate in candidates)


def _ping(provider: str) -> bytes:
    """A sign of life that says nothing."""
    if provider == "gemini":
        return candidates({"content": {"role": "model", "parts": [{"text": "", "thought": True}]}})[0]
    return _event({"type": "ping"}) if provider == "anthropic" else b": keep-alive\n\n"


def _data(value: Any) -> bytes:
    return f"data: {json.dumps(value)}\n\n".encode()


def _event(value: Body) -> bytes:
    return f"event: {value['type']}\n".encode() + _data(value)


def _words(text: str) -> list[str]:
    return re.findall(r"\s*\S+\s*", text)


def _pieces(text: str) -> list[str]:
    return [text[start : start + _PIECE] for start in range(0, len(text), _PIECE)]


def openai(answer: Answer, body: Body) -> Iterator[bytes]:
    """chat.completion.chunk: tool calls in pieces, those of parallel calls mixed, usage last and without choices."""

    def chunk(delta: Body, finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
        return _data(envelope | {"choices": [choice]})

    envelope = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": body["model"]}
    yield chunk({"role": "assistant", "content": ""})
    for word in _words(answer.reasoning):
        yield chunk({"content": None, "reasoning_content": word})
    for word in _words(answer.text):
        yield chunk({"content": word})
    for index, call in enumerate(answer.calls):
        function = {"name": call.name, "arguments": ""}
        start = {"index": index, "id": call.call_id, "type": "function", "function": function}
        yield chunk({"content": None, "tool_calls": [start]})
    split = [_pieces(call.arguments) for call in answer.calls]
    for turn in range(max((len(pieces) for pieces in split), default=0)):
        for index, pieces in enumerate(split):
            if turn < len(pieces):
                yield chunk({"tool_calls": [{"index": index, "function": {"arguments": pieces[turn]}}]})
    yield chunk({}, answer.finish or ("tool_calls" if answer.calls else "stop"))
    if answer.usage is not None:
        prompt, completion = answer.usage
        usage = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
        usage |= answer.usage_details
        yield _data(envelope | {"choices": [], "usage": usage})
    yield b"data: [DONE]\n\n"


def anthropic(answer: Answer, body: Body) -> Iterator[bytes]:
    """Messages: a block for the text and one for each tool call, whose JSON comes in pieces."""
    usage = {"input_tokens": answer.usage[0], "output_tokens": 1, **answer.usage_details} if answer.usage else {}
    blocks: list[tuple[Body, Sequence[Body]]] = []
    if answer.reasoning:
        thought = [{"type": "thinking_delta", "thinking": word} for word in _words(answer.reasoning)]
        thought.append({"type": "signature_delta", "signature": SIGNATURE})
        blocks.append(({"type": "thinking", "thinking": "", "signature": ""}, thought))
    if answer.text:
        said = [{"type": "text_delta", "text": word} for word in _words(answer.text)]
        blocks.append(({"type": "text", "text": ""}, said))
    for call in answer.calls:
        asked = [{"type": "input_json_delta", "partial_json": piece} for piece in _pieces(call.arguments)]
        blocks.append(({"type": "tool_use", "id": call.call_id, "name": call.name, "input": {}}, asked))
    reason = answer.finish or ("tool_use" if answer.calls else "end_turn")
    yield from anthropic_blocks(blocks, reason, usage, answer.usage[1] if answer.usage else None, body["model"])


def anthropic_blocks(
    blocks: Sequence[tuple[Body, Sequence[Body]]],
    reason: str,
    usage: Body | None = None,
    output_tokens: int | None = None,
    model: str = "claude",
) -> Iterator[bytes]:
    """The frames of a message: each block's beginning with its deltas, then why it ended."""
    message = {"id": "m1", "type": "message", "role": "assistant", "content": [], "model": model}
    yield _event({"type": "message_start", "message": message | {"stop_reason": None, "usage": usage or {}}})
    yield _event({"type": "ping"})
    for index, (start, deltas) in enumerate(blocks):
        yield _event({"type": "content_block_start", "index": index, "content_block": start})
        for delta in deltas:
            yield _event({"type": "content_block_delta", "index": index, "delta": delta})
        yield _event({"type": "content_block_stop", "index": index})
    end = {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None}}
    yield _event(end | {"usage": {} if output_tokens is None else {"output_tokens": output_tokens}})
    yield _event({"type": "message_stop"})


def gemini(answer: Answer, body: Body) -> Iterator[bytes]:
    """streamGenerateContent: whole tool calls, without ids."""
    parts: list[Body] = [{"text": word, "thought": True} for word in _words(answer.reasoning)]
    parts += [{"text": word} for word in _words(answer.text)]
    for part in parts:
        yield _data({"candidates": [{"index": 0, "content": {"role": "model", "parts": [part]}}]})
    calls: list[Body] = [
        {"functionCall": {"name": call.name, "args": json.loads(call.arguments)}} for call in answer.calls
    ]
    if calls and answer.reasoning:
        calls[0] = {**calls[0], "thoughtSignature": SIGNATURE}
    last: dict[str, Any] = {"index": 0, "finishReason": answer.finish or "STOP"}
    ending: list[Body] = [*calls] or [{"text": ""}]
    last["content"] = {"role": "model", "parts": ending}
    frame: dict[str, Any] = {"candidates": [last], "modelVersion": "stub"}
    if answer.usage is not None:
        prompt, completion = answer.usage
        total = prompt + completion
        frame["usageMetadata"] = {
            "promptTokenCount": prompt, "candidatesTokenCount": completion, "totalTokenCount": total,
            **answer.usage_details,
        }  # fmt: skip
    yield _data(frame)


FORMATS: dict[str, Callable[[Answer, Body], Iterator[bytes]]] = {
    "openai": openai,
    "anthropic": anthropic,
    "gemini": gemini,
    "deepseek": openai,
    **dict.fromkeys(("azure", "cohere", "groq", "mistral", "openrouter"), openai),
    "vertex_ai": gemini,
    "bedrock": bedrock,
}


def tools_of(request: Received) -> set[str]:
    """The names of the tools that a request offers."""
    tools = request.body.get("tools") or []
    if request.provider in ("gemini", "vertex_ai"):
        declared = [
            each for tool in tools for each in tool.get("function_declarations", tool.get("functionDeclarations", []))
        ]
        return {each["name"] for each in declared}
    return {tool["name"] if request.provider == "anthropic" else tool["function"]["name"] for tool in tools}


def has_result(request: Received) -> bool:
    """Whether the request ends with the result of a tool."""
    last = (request.body.get("messages") or request.body["contents"])[-1]
    text = json.dumps(last)
    return (
        last.get("role") == "tool"
        or '"tool_result"' in text
        or "function_response" in text
        or "functionResponse" in text
    )


def result_count(request: Received) -> int:
    """How many tool results the request holds."""
    if request.provider in ("gemini", "vertex_ai"):
        parts = [part for content in request.body["contents"] for part in content["parts"]]
        return sum("functionResponse" in part or "function_response" in part for part in parts)
    if request.provider == "anthropic":
        listed = [each["content"] for each in request.body["messages"] if isinstance(each["content"], list)]
        return sum(block["type"] == "tool_result" for blocks in listed for block in blocks)
    return sum(message["role"] == "tool" for message in request.body["messages"])


def as_a_model(request: Received, said: str = "You spent 42 dollars.") -> Answer:
    """What a model would do: hand over to the usage analyst, ask for the consumers, and answer from them."""
    if has_result(request):
        return Answer(said)
    tools = tools_of(request)
    if "top_consumers" in tools:
        call = Call("top_consumers", json.dumps({"dimension": "provider"}), "call_costs")
        return Answer("Let me look. " if request.provider == "anthropic" else "", (call,))
    if "transfer_to_agent" in tools:
        return Answer(calls=(Call("transfer_to_agent", json.dumps({"agent_name": "UsageAnalyst"}), "call_transfer"),))
    return Answer(said)


def faulty(answer: Answer, fault: str, after: int | None = None) -> Answer:
    return replace(answer, fault=fault, after=after)
