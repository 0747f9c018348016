"""The demo model as litellm sees it: streamed or whole, with usage counted in words."""

import asyncio
import json
import re
import time
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any

import litellm
from litellm.llms.custom_llm import CustomLLM
from litellm.types.utils import GenericStreamingChunk, ModelResponse

from local.demo_model.decisions import Decision, decide

_WORD = re.compile(r"\s*\S+\s*")
_ARGUMENT_PIECE = 12


class DemoModel(CustomLLM):
    """Answers by rules, offline; `pace` is the seconds it waits before each piece that it streams."""

    def __init__(self, *, pace: float = 0.0) -> None:
        super().__init__()
        self._pace = pace

    def completion(self, *_: Any, **request: Any) -> ModelResponse:
        return _whole(*_asked(request), request["model"], request["model_response"])

    async def acompletion(self, *_: Any, **request: Any) -> ModelResponse:
        return self.completion(**request)

    def streaming(self, *_: Any, **request: Any) -> Iterator[GenericStreamingChunk]:
        for chunk in _chunks(*_asked(request)):
            if self._pace:
                time.sleep(self._pace)
            yield chunk

    # litellm declares a coroutine that returns an iterator and calls it as the generator that this is.
    async def astreaming(self, *_: Any, **request: Any) -> AsyncIterator[GenericStreamingChunk]:  # type: ignore[override]
        for chunk in _chunks(*_asked(request)):
            # Without a pace too: concurrent answers take turns on the event loop.
            await asyncio.sleep(self._pace)
            yield chunk


def _asked(request: Mapping[str, Any]) -> tuple[Sequence[Mapping[str, Any]], Sequence[Mapping[str, Any]]]:
    options = request.get("optional_params") or {}
    # "none" offers the tools for the sake of the prompt's prefix and forbids to call them.
    offered = () if options.get("tool_choice") == "none" else options.get("tools") or ()
    return request["messages"], offered


def _whole(messages: Sequence[Any], tools: Sequence[Any], model: str, response: ModelResponse) -> ModelResponse:
    decision = decide(messages, tools)
    response.model = model
    choice: Any = response.choices[0]
    choice.finish_reason = "tool_calls" if decision.calls else "stop"
    calls = [
        {"id": _call_id(), "type": "function", "function": {"name": call.name, "arguments": json.dumps(call.arguments)}}
        for call in decision.calls
    ]
    choice.message = litellm.Message(role="assistant", content=decision.text or None, tool_calls=calls or None)
    setattr(response, "usage", litellm.Usage(**_usage(messages, tools, decision)))  # noqa: B010
    return response


def _chunks(messages: Sequence[Any], tools: Sequence[Any]) -> Iterator[GenericStreamingChunk]:
    decision = decide(messages, tools)
    for word in _WORD.findall(decision.text):
        yield _chunk(text=word)
    for index, call in enumerate(decision.calls):
        arguments = json.dumps(call.arguments)
        yield _chunk(tool_use=_piece(index, "", call_id=_call_id(), name=call.name))
        for start in range(0, len(arguments), _ARGUMENT_PIECE):
            yield _chunk(tool_use=_piece(index, arguments[start : start + _ARGUMENT_PIECE]))
    yield _chunk(finish_reason="tool_calls" if decision.calls else "stop", usage=_usage(messages, tools, decision))


def _piece(index: int, arguments: str, *, call_id: str | None = None, name: str | None = None) -> Any:
    return {"id": call_id, "type": "function", "index": index, "function": {"name": name, "arguments": arguments}}


def _chunk(
    *, text: str = "", tool_use: Any = None, finish_reason: str = "", usage: Any = None
) -> GenericStreamingChunk:
    return GenericStreamingChunk(
        text=text, tool_use=tool_use, is_finished=bool(finish_reason), finish_reason=finish_reason, usage=usage, index=0
    )


def _call_id() -> str:
    """Unlike everything else here not the same each time: whoever stores a call may use its id as a key."""
    return f"call_{uuid.uuid4().hex[:24]}"


def _usage(messages: Sequence[Any], tools: Sequence[Any], decision: Decision) -> dict[str, int]:
    """Tokens, estimated as words."""
    prompt = sum(len(str(message.get("content") or "").split()) for message in messages) + len(
        json.dumps(list(tools)).split()
    )
    said = decision.text + " ".join(f"{call.name} {json.dumps(call.arguments)}" for call in decision.calls)
    completion = max(1, len(said.split()))
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
