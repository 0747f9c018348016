"""The demo model at the model's port, without a provider's library between: the same decisions, many times as fast."""

import json
import uuid
from collections.abc import AsyncGenerator

from common.models.completion import ModelCall, Reply, ToolCall, Usage
from local.demo_model.decisions import decide


class Demo:
    """Answers by rules, offline; the answer comes in one piece."""

    async def stream(self, call: ModelCall) -> AsyncGenerator[str | Reply, None]:
        decision = decide(call.messages, call.tools if call.may_call_tools else ())
        if decision.text:
            yield decision.text
        made = tuple(
            ToolCall(f"call_{uuid.uuid4().hex}", each.name, json.dumps(each.arguments)) for each in decision.calls
        )
        words = sum(len(str(message).split()) for message in call.messages)
        usage = Usage(words, max(1, len(decision.text.split())))
        yield Reply(decision.text, made, usage, "tool_calls" if made else "stop")
