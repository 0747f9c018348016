"""A model call as a request body in OpenAI's shape, which litellm takes too."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from common.models.call import Message, ModelCall
from common.models.catalog import Model

_MARK = {"type": "ephemeral"}


def request_body(call: ModelCall) -> dict[str, Any]:
    """The request; what stays the same between calls stands first, since providers cache the longest common prefix."""
    model = call.model
    body: dict[str, Any] = {"model": model.api_name}
    if call.tools:
        body["tools"] = list(call.tools)
        if not call.may_call_tools:
            # The tools stay: some providers refuse a history of tool calls without them.
            body["tool_choice"] = "none"
        if model.effort_with_tools is not None:
            body["reasoning_effort"] = model.effort_with_tools
    if (temperature := temperature_of(call)) is not None:
        body["temperature"] = temperature
    body[model.output_limit] = max_tokens_of(call)
    body["stream"] = True
    if model.asks_for_usage:
        body["stream_options"] = {"include_usage": True}
    body["messages"] = [sendable(message, model) for message in call.messages]
    return body


def temperature_of(call: ModelCall) -> float | None:
    """The temperature to send; None where the model refuses one."""
    most = call.model.max_temperature
    return None if most is None else min(call.temperature, most)


def max_tokens_of(call: ModelCall) -> int:
    """The most tokens of the answer that may be asked for."""
    return min(call.max_tokens, call.model.max_output)


def marked(messages: Sequence[Message]) -> list[Message]:
    """The messages with marks of how far to cache: the system's, which tools stand before, and everything so far."""
    last = len(messages) - 1
    return [_marked(each) if each["role"] == "system" or at == last else each for at, each in enumerate(messages)]


def _marked(message: Message) -> Message:
    if message["role"] == "tool":
        return {**message, "cache_control": _MARK}
    return {**message, "content": [{"type": "text", "text": message["content"], "cache_control": _MARK}]}


def sendable(message: Message, model: Model) -> Message:
    """The message as the model's API takes it.

    Arguments that the model wrote wrongly are sent back as none; thoughts go back to the model that had them, and
    only with the calls that they led to.
    """
    if message["role"] == "system" and not model.system:
        return {**message, "role": "user"}
    calls = message.get("tool_calls")
    if not calls:
        return message
    thoughts = message.get("thoughts") or {}
    sent = {name: value for name, value in message.items() if name != "thoughts"}
    if model.thoughts is not None and thoughts.get("model") == model.litellm_name and model.thoughts in thoughts:
        sent[model.thoughts] = thoughts[model.thoughts]
    return {**sent, "tool_calls": [_sendable_call(call) for call in calls]}


def _sendable_call(call: Mapping[str, Any]) -> Mapping[str, Any]:
    function = call["function"]
    with suppress(ValueError, RecursionError):
        if isinstance(json.loads(function["arguments"]), dict):
            return call
    return {**call, "function": {**function, "arguments": "{}"}}
