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


class DemoModel(CustomLLM):
    """Answers by rules, offline; `pace` is the seconds it waits before each piece that it streams."""

    def __init__(self, *, pace: float = 0.0) -> None:
        super().__init__()
        self._pace = pace

    async def acompletion(self, *_: Any, **request: Any) -> ModelResponse:
        decision, usage, reason = _decide(request)
        calls = [_piece(0, json.dumps(call.arguments), call.name) for call in decision.calls]
        message = litellm.Message(role="assistant", content=decision.text or None, tool_calls=calls or None)
        choices = [litellm.Choices(finish_reason=reason, message=message)]
        return ModelResponse(model=request["model"], choices=choices, usage=litellm.Usage(**usage))

    # litellm declares a coroutine that returns an iterator and calls it as the generator that this is.
    async def astreaming(self, *_: Any, **request: Any) -> AsyncIterator[GenericStreamingChunk]:  # type: ignore[override]
        decision, usage, reason = _decide(request)
        end = {"is_finished": True, "finish_reason": reason, "usage": usage}
        nothing = {"text": "", "tool_use": None, "is_finished": False, "finish_reason": "", "usage": None, "index": 0}
        for parts in [*_parts(decision), end]:
            # Without a pace too: concurrent answers take turns on the event loop.
            await asyncio.sleep(self._pace)
            yield GenericStreamingChunk(**{**nothing, **parts})  # type: ignore[typeddict-item]


def _decide(request: Mapping[str, Any]) -> tuple[Decision, dict[str, int], str]:
    """The decision, its tokens estimated as words, and the reason why it ends."""
    messages, options = request["messages"], request.get("optional_params") or {}
    # "none" offers the tools for the sake of the prompt's prefix and forbids to call them.
    tools = () if options.get("tool_choice") == "none" else options.get("tools") or ()
    decision = decide(messages, tools)
    said = decision.text + " ".join(f"{call.name} {json.dumps(call.arguments)}" for call in decision.calls)
    prompt, completion = len(f"{messages} {tools}".split()), max(1, len(said.split()))
    usage = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    return decision, usage, "tool_calls" if decision.calls else "stop"


def _parts(decision: Decision) -> Iterator[dict[str, Any]]:
    yield from ({"text": word} for word in re.findall(r"\s*\S+\s*", decision.text))
    for index, call in enumerate(decision.calls):
        yield {"tool_use": _piece(index, "", call.name)}
        for piece in re.findall(".{1,12}", json.dumps(call.arguments)):
            yield {"tool_use": _piece(index, piece)}


def _piece(index: int, arguments: str, name: str | None = None) -> Any:
    # Unlike everything else here the id is not the same each time: it may be stored as a key.
    call_id = f"call_{uuid.uuid4().hex[:24]}" if name else None
    return {"id": call_id, "type": "function", "index": index, "function": {"name": name, "arguments": arguments}}
