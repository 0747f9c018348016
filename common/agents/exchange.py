"""The exchange of a run: what its model is sent again with each call, in OpenAI's shape."""

from collections.abc import Sequence

from common.models.call import Message, Reply, ToolCall
from common.tools.result import as_message, error_envelope

UNANSWERED = as_message(error_envelope("not_answered", "The client did not say what came of this call."))


def newer_half(history: Sequence[Message]) -> Sequence[Message]:
    """The newer half of the messages, beginning with the user's."""
    kept = list(history[(len(history) + 1) // 2 :])
    while kept and kept[0]["role"] != "user":
        kept.pop(0)
    return kept


def asking(reply: Reply) -> Message:
    """The assistant's message that asks for the calls, in OpenAI's shape."""
    return {
        "role": "assistant",
        # Providers refuse text that is only white space.
        "content": reply.text if reply.text.strip() else None,
        "tool_calls": [
            {"id": call.call_id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in reply.tool_calls
        ],
    } | ({} if reply.thoughts is None else {"thoughts": reply.thoughts})


def asked_calls(message: Message) -> tuple[ToolCall, ...]:
    """The calls that an assistant's message asks for."""
    calls = [(call["id"], call["function"]) for call in message.get("tool_calls") or ()]
    return tuple(ToolCall(call_id, function["name"], function["arguments"]) for call_id, function in calls)


def called(exchange: Sequence[Message]) -> list[str]:
    """The names of the tools that were called, each once, in the order of the calls."""
    return list(dict.fromkeys(call.name for message in exchange for call in asked_calls(message)))
