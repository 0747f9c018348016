"""The demo model as litellm sees it: streamed, with usage counted in words."""

import asyncio
import json
import os
import re
import uuid
from collections.abc import AsyncIterator
from typing import Any

# litellm reads it as it is imported; without it a price list is fetched.
os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
import litellm
from litellm.llms.custom_llm import CustomLLM
from litellm.types.utils import GenericStreamingChunk

from common.agents.consulting import CONSULTED
from local.demo_model import PROVIDER
from local.demo_model.decisions import decide
from local.demo_model.request import Call


def register() -> None:
    """Add the demo provider to litellm beside its other custom ones, once."""
    others = [entry for entry in litellm.custom_provider_map if entry["provider"] != PROVIDER]
    litellm.custom_provider_map = [*others, {"provider": PROVIDER, "custom_handler": DemoModel()}]


class DemoModel(CustomLLM):
    """Answers by rules, offline."""

    # litellm declares a coroutine that returns an iterator and calls it as the generator that this is.
    async def astreaming(self, *_: Any, **request: Any) -> AsyncIterator[GenericStreamingChunk]:  # type: ignore[override]
        messages, options = request["messages"], request.get("optional_params") or {}
        # "none" offers the tools for the sake of the prompt's prefix and forbids to call them.
        tools = () if options.get("tool_choice") == "none" else options.get("tools") or ()
        decision = decide(messages, tools)
        said = decision.text + " ".join(f"{call.name} {json.dumps(call.arguments)}" for call in decision.calls)
        prompt, completion = len(f"{messages} {tools}".split()), max(1, len(said.split()))
        usage = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
        end = {"is_finished": True, "finish_reason": "tool_calls" if decision.calls else "stop", "usage": usage}
        nothing = {"text": "", "tool_use": None, "is_finished": False, "finish_reason": "", "usage": None, "index": 0}
        # What another agent asks for, nobody reads as it comes.
        is_read = CONSULTED not in str(messages[0].get("content"))
        # A word at a time, and a row of a table.
        pieces = re.findall(r"\s*(?:\|.*|\S+)\s*", decision.text) if is_read else [decision.text] * bool(decision.text)
        words = [{"text": piece} for piece in pieces]
        calls = [{"tool_use": _write_call(index, call)} for index, call in enumerate(decision.calls)]
        for parts in [*words, *calls, end]:
            # Concurrent answers take turns on the event loop.
            await asyncio.sleep(0)
            yield GenericStreamingChunk(**{**nothing, **parts})  # type: ignore[typeddict-item]


def _write_call(index: int, call: Call) -> dict[str, Any]:
    # Unlike everything else here the id is not the same each time: it may be stored as a key.
    function = {"name": call.name, "arguments": json.dumps(call.arguments)}
    return {"id": f"call_{uuid.uuid4().hex}", "type": "function", "index": index, "function": function}
