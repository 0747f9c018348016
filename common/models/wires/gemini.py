"""Gemini's streamGenerateContent, as server-sent events: parts of contents, whole tool calls, and signed thoughts."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from common.models.call import Message, ModelCall, Usage
from common.models.finish_reasons import meaning_of
from common.models.payload import max_tokens_of, sendable, temperature_of
from common.models.stream_delta import CallPiece, Delta, text_of, token_count
from common.models.wires.direct import WireRequest

# The signature that its API takes for a call that it did not sign: another model's, or one whose signature was lost.
_UNSIGNED = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="
Part = dict[str, Any]


class GeminiFormat:
    """The format of Gemini's contents."""

    def request(self, call: ModelCall) -> WireRequest:
        """The call as one request; what stays the same between calls stands first."""
        messages = [sendable(message, call.model) for message in call.messages]
        body: dict[str, Any] = {}
        if system := [{"text": each["content"]} for each in messages if each["role"] == "system"]:
            body["system_instruction"] = {"parts": system}
        if call.tools:
            body["tools"] = [{"function_declarations": [_declaration(tool["function"]) for tool in call.tools]}]
            if not call.may_call_tools:
                body["toolConfig"] = {"functionCallingConfig": {"mode": "NONE"}}
        settings: dict[str, Any] = {"max_output_tokens": max_tokens_of(call)}
        if (temperature := temperature_of(call)) is not None:
            settings["temperature"] = temperature
        body["generationConfig"] = settings
        conversation = (each for each in messages if each["role"] != "system")
        body["contents"] = _contents(conversation, signs_calls=call.model.signs_calls)
        path = f"/models/{call.model.api_name}:streamGenerateContent?alt=sse"
        return WireRequest(path, {"x-goog-api-key": call.key.reveal()}, body)

    def reader(self) -> Callable[[Mapping[str, Any]], Delta]:
        """A reader that numbers the tool calls, which come whole and may be alike."""
        return _Reader().read


def _declaration(function: Mapping[str, Any]) -> Mapping[str, Any]:
    return {
        "name": function["name"],
        "description": function["description"],
        "parametersJsonSchema": function["parameters"],
    }


def _contents(messages: Iterator[Message], *, signs_calls: bool) -> list[Mapping[str, Any]]:
    """The messages in turns; the results of the tools are one of their own, right after that of the calls."""
    turns: list[tuple[str, dict[str, Any]]] = []
    names: dict[str, str] = {}
    for message in messages:
        role = message["role"]
        names |= {call["id"]: call["function"]["name"] for call in message.get("tool_calls") or ()}
        if role == "tool":
            parts = [_result(message, names[message["tool_call_id"]], with_id=signs_calls)]
        else:
            parts = list(_parts(message, signs_calls=signs_calls))
        if not parts:
            continue
        if turns and turns[-1][0] == role:
            turns[-1][1]["parts"] += parts
        else:
            turns.append((role, {"role": "model" if role == "assistant" else "user", "parts": parts}))
    return [turn for _, turn in turns]


def _parts(message: Message, *, signs_calls: bool) -> Iterator[Part]:
    if (message["content"] or "").strip():
        yield {"text": message["content"]}
    signatures = message.get("thought_signatures") or {}
    for number, call in enumerate(message.get("tool_calls") or ()):
        function = call["function"]
        asked: Part = {"name": function["name"], "args": json.loads(function["arguments"])}
        if signs_calls:
            asked["id"] = call["id"]
        part: Part = {"function_call": asked}
        # Of the calls of one step, the first one is signed for all of them.
        signature = signatures.get(call["id"])
        if signature is None and signs_calls and number == 0:
            signature = _UNSIGNED
        yield part if signature is None else {**part, "thoughtSignature": signature}


def _result(message: Message, name: str, *, with_id: bool) -> Part:
    """The result of a tool: an object, or text as the content of one."""
    response: Any = None
    with suppress(ValueError, RecursionError):
        response = json.loads(message["content"])
    if not isinstance(response, dict):
        response = {"content": message["content"]}
    told: Part = {"name": name, "response": response}
    if with_id:
        told["id"] = message["tool_call_id"]
    return {"function_response": told}


class _Reader:
    """Reads the events of one answer."""

    def __init__(self) -> None:
        self._calls = 0

    def read(self, event: Mapping[str, Any]) -> Delta:
        """The delta of one event: the parts of the first candidate, its end, and the usage so far."""
        delta = Delta()
        if used := event.get("usageMetadata"):
            delta.usage = _usage(used)
        if (event.get("promptFeedback") or {}).get("blockReason"):
            delta.finish_reason = "filtered"
        candidate = next((each for each in event.get("candidates") or () if each), None)
        if candidate is None:
            return delta
        delta.finish_reason = meaning_of(candidate.get("finishReason")) or delta.finish_reason
        calls = []
        for part in (candidate.get("content") or {}).get("parts") or ():
            if call := part.get("functionCall"):
                calls.append(self._piece(call, part))
            elif part.get("thought"):
                delta.thought += text_of(part.get("text"))
            else:
                delta.text += text_of(part.get("text"))
        delta.calls = calls
        return delta

    def _piece(self, call: Mapping[str, Any], part: Mapping[str, Any]) -> CallPiece:
        self._calls += 1
        return CallPiece(
            self._calls,
            text_of(call.get("id")),
            text_of(call.get("name")),
            json.dumps(call.get("args") or {}, ensure_ascii=False),
            text_of(part.get("thoughtSignature")),
        )


def _usage(told: Mapping[str, Any]) -> Usage:
    """The usage so far. What a model thought is part of its output, and of some models' counts of it."""
    prompt, said, thought, used_tools, cached, total = (
        token_count(told.get(name))
        for name in (
            "promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount", "toolUsePromptTokenCount",
            "cachedContentTokenCount", "totalTokenCount",
        )
    )  # fmt: skip
    includes_thoughts = prompt + used_tools + said == total
    return Usage(prompt + used_tools, said if includes_thoughts else said + thought, cached)
