"""The demo model as litellm sees it: streamed or whole, with usage counted in words."""

import asyncio
import json
import re
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import litellm
from litellm.llms.custom_llm import CustomLLM
from litellm.types.utils import GenericStreamingChunk, ModelResponse

from local.demo_model.decisions import Decision, decide

_ARGUMENT_PIECE = 12


class DemoModel(CustomLLM):
    """Answers by rules, offline; `pace` is the seconds it waits before each piece that it streams."""

    def __init__(self, *, pace: float = 0.0) -> None:
        super().__init__()
        self._pace = pace

    def completion(self, *_: Any, **request: Any) -> ModelResponse:
        decision, usage = _decide(request)
        response: ModelResponse = request["model_response"]
        response.model = request["model"]
        choice: Any = response.choices[0]
        choice.finish_reason = "tool_calls" if decision.calls else "stop"
        calls = [_piece(0, json.dumps(call.arguments), call.name) for call in decision.calls]
        choice.message = litellm.Message(role="assistant", content=decision.text or None, tool_calls=calls or None)
        setattr(response, "usage", litellm.Usage(**usage))  # noqa: B010
        return response

    async def acompletion(self, *_: Any, **request: Any) -> ModelResponse:
        return self.completion(**request)

    # litellm declares a coroutine that returns an iterator and calls it as the generator that this is.
    async def astreaming(self, *_: Any, **request: Any) -> AsyncIterator[GenericStreamingChunk]:  # type: ignore[override]
        for chunk in _chunks(*_decide(request)):
            # Without a pace too: concurrent answers take turns on the event loop.
            await asyncio.sleep(self._pace)
            yield chunk


def _decide(request: Mapping[str, Any]) -> tuple[Decision, dict[str, int]]:
    """The decision, and its tokens estimated as words."""
    messages, options = request["messages"], request.get("optional_params") or {}
    # "none" offers the tools for the sake of the prompt's prefix and forbids to call them.
    tools = () if options.get("tool_choice") == "none" else options.get("tools") or ()
    decision = decide(messages, tools)
    read = [*(str(message.get("content") or "") for message in messages), json.dumps(list(tools))]
    said = decision.text + " ".join(f"{call.name} {json.dumps(call.arguments)}" for call in decision.calls)
    prompt, completion = len(" ".join(read).split()), max(1, len(said.split()))
    return decision, {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def _chunks(decision: Decision, usage: Any) -> Iterator[GenericStreamingChunk]:
    for word in re.findall(r"\s*\S+\s*", decision.text):
        yield _chunk(text=word)
    for index, call in enumerate(decision.calls):
        arguments = json.dumps(call.arguments)
        yield _chunk(tool_use=_piece(index, "", call.name))
        for start in range(0, len(arguments), _ARGUMENT_PIECE):
            yield _chunk(tool_use=_piece(index, arguments[start : start + _ARGUMENT_PIECE]))
    yield _chunk(is_finished=True, finish_reason="tool_calls" if decision.calls else "stop", usage=usage)


def _piece(index: int, arguments: str, name: str | None = None) -> Any:
    # Unlike everything else here the id is not the same each time: it may be stored as a key.
    call_id = f"call_{uuid.uuid4().hex[:24]}" if name else None
    return {"id": call_id, "type": "function", "index": index, "function": {"name": name, "arguments": arguments}}


def _chunk(**parts: Any) -> Any:
    nothing = {"text": "", "tool_use": None, "is_finished": False, "finish_reason": "", "usage": None, "index": 0}
    return GenericStreamingChunk(**{**nothing, **parts})  # type: ignore[typeddict-item]
