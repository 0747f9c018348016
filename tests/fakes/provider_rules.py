"""What the providers' APIs refuse, by model: facts of their own, held beside the catalogue and not read from it.

Each function returns the words of the provider's 400, or None where it would answer.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

Body = Mapping[str, Any]
# What the stub signs thoughts with; it comes back unchanged or the request is refused.
SIGNATURE = "c2lnbmVkIGJ5IHRoZSBzdHVi"
# What Gemini documents for a call that it did not sign: "skip_thought_signature_validator".
_STANDS_FOR_NONE = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="
_REASONS = re.compile(r"o\d|gpt-[56]")
_WITHOUT_EFFORT = re.compile(r"gpt-5\.6|gpt-6")
_OPENAI_MESSAGE = {"role", "content", "tool_calls", "tool_call_id", "name", "refusal"}
_MOST_OUTPUT = {
    "gpt-4o": 16384, "gpt-4o-mini": 16384, "gpt-4-turbo": 4096, "o1": 100000, "claude-opus-4-20250514": 32000,
    "claude-3-5-sonnet-20241022": 8192, "claude-3-5-haiku-20241022": 8192, "deepseek-chat": 8192,
    "deepseek-coder": 4096,
}  # fmt: skip
_NO_SAMPLING = re.compile(r"claude-(opus-4-[78]|(sonnet|opus|haiku)-5)|gemini-3\.[68]")
_THINKS_BY_DEFAULT = re.compile(r"claude-(sonnet|opus|haiku)-5|deepseek-(reasoner|v4)")
_NO_FORCED_TOOL = re.compile(r"claude-(sonnet|opus)-5-5|deepseek-(reasoner|v4)")
_NO_PREFILL = re.compile(r"claude-(sonnet-4-6|opus-4-[678]|(sonnet|opus|haiku)-5)")
_SIGNS_CALLS = re.compile(r"gemini-3|gemini-\w+-latest")


def refuse(provider: str, path: str, body: Body) -> str | None:
    """Why the provider refuses the request."""
    model = _gemini_model(path) if provider in ("gemini", "vertex_ai") else str(body.get("model"))
    return next(_RULES.get(provider, _chat_completions)(model, body), None)


def _openai(model: str, body: Body) -> Iterator[str]:
    yield from _chat_completions(model, body)
    effort, tools = body.get("reasoning_effort"), body.get("tools")
    if model.startswith("o1-mini"):
        if tools:
            yield "Unsupported parameter: 'tools' is not supported with this model."
        if any(message["role"] in ("system", "developer") for message in body["messages"]):
            yield "Unsupported value: 'messages[0].role' does not support 'system' with this model."
    if _WITHOUT_EFFORT.match(model) and tools and effort != "none":
        yield (
            f"Function tools with reasoning_effort are not supported for {model} in /v1/chat/completions. "
            "To use function tools, use /v1/responses or set reasoning_effort to 'none'."
        )
    if not _WITHOUT_EFFORT.match(model) and effort is not None:
        yield f"Unsupported value: 'reasoning_effort' does not support '{effort}' with this model."
    if _REASONS.match(model):
        if body.get("temperature", 1) != 1:
            yield "Unsupported value: 'temperature' does not support this value with this model."
        if "max_tokens" in body:
            yield "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
    for message in body["messages"]:
        if unknown := message.keys() - _OPENAI_MESSAGE:
            yield f"Unknown parameter: 'messages[0].{min(unknown)}'."


def _deepseek(model: str, body: Body) -> Iterator[str]:
    yield from _chat_completions(model, body)
    thinks = _THINKS_BY_DEFAULT.match(model)
    if "reasoning_effort" in body:
        yield "reasoning_effort is not supported"
    for message in body["messages"]:
        if unknown := message.keys() - _OPENAI_MESSAGE - {"reasoning_content"}:
            yield f"messages: unknown field {min(unknown)}"
        asks = message["role"] == "assistant" and message.get("tool_calls")
        if thinks and asks and not message.get("reasoning_content"):
            yield "The `reasoning_content` in the thinking mode must be passed back to the API."
        if "reasoning_content" in message and not (thinks and asks):
            yield "The reasoning_content is part of the input messages and must not be there."
    if _NO_FORCED_TOOL.match(model) and body.get("tool_choice") not in (None, "auto", "none"):
        yield f"{model} does not support this tool_choice"


def _chat_completions(model: str, body: Body) -> Iterator[str]:
    """The rules that everyone has who speaks OpenAI's format."""
    if body.get("tools") == []:
        yield "Invalid 'tools': empty array."
    if "tool_choice" in body and not body.get("tools"):
        yield "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified."
    wanted = body.get("max_tokens") or body.get("max_completion_tokens") or 0
    if wanted > _MOST_OUTPUT.get(model, wanted):
        yield f"max_tokens is too large: {wanted}."
    open_calls: set[str] = set()
    for message in body["messages"]:
        if message["role"] == "tool":
            if message["tool_call_id"] not in open_calls:
                yield "messages with role 'tool' must be a response to a preceding message with 'tool_calls'."
            open_calls.discard(message["tool_call_id"])
            continue
        if open_calls:
            yield "An assistant message with 'tool_calls' must be followed by tool messages for each 'tool_call_id'."
        if not message.get("tool_calls") and not message.get("content"):
            yield "Invalid type for 'messages[0].content': expected a string, got null."
        open_calls = {call["id"] for call in message.get("tool_calls") or ()}


def _anthropic(model: str, body: Body) -> Iterator[str]:
    if body["max_tokens"] > _MOST_OUTPUT.get(model, body["max_tokens"]):
        yield f"max_tokens: {body['max_tokens']} is more than the model may write."
    if _NO_SAMPLING.match(model) and {"temperature", "top_p", "top_k"} & body.keys():
        yield "`temperature` is deprecated for this model."
    if not 0 <= body.get("temperature", 1) <= 1:
        yield "temperature: range: 0..1"
    if _NO_FORCED_TOOL.match(model) and (body.get("tool_choice") or {}).get("type") in ("any", "tool"):
        yield "tool_choice: this model cannot be forced to use a tool"
    if _NO_PREFILL.match(model) and body["messages"][-1]["role"] == "assistant":
        yield "This model does not support assistant message prefill."
    open_calls: set[str] = set()
    for message in body["messages"]:
        blocks = message["content"]
        blocks = [{"type": "text", "text": blocks}] if isinstance(blocks, str) else blocks
        yield from _anthropic_blocks(model, message["role"], blocks)
        results = {block["tool_use_id"] for block in blocks if block["type"] == "tool_result"}
        if results != open_calls:
            yield "`tool_use` ids were found without `tool_result` blocks immediately after."
        open_calls = {block["id"] for block in blocks if block["type"] == "tool_use"}
        if open_calls and not body.get("tools"):
            yield "Requests which include `tool_use` or `tool_result` blocks must define tools"


def _anthropic_blocks(model: str, role: str, blocks: Sequence[Body]) -> Iterator[str]:
    for block in blocks:
        if block["type"] == "text" and not block["text"].strip():
            yield "messages: text content blocks must contain non-whitespace text"
        if block["type"] == "thinking" and block.get("signature") != SIGNATURE:
            yield "messages.1.content.0: Invalid `signature` in `thinking` block"
        if block["type"] in ("thinking", "redacted_thinking") and role != "assistant":
            yield "messages.1.content.0: `thinking` blocks belong to the assistant"
    asks = any(block["type"] == "tool_use" for block in blocks)
    if _THINKS_BY_DEFAULT.match(model) and asks and blocks[0]["type"] not in ("thinking", "redacted_thinking"):
        yield "messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found `tool_use`."


def _gemini(model: str, body: Body) -> Iterator[str]:
    settings = body.get("generationConfig") or {}
    if _NO_SAMPLING.match(model) and settings.get("temperature", 1.0) != 1.0:
        yield "temperature is not supported by this model."
    asked = 0
    for content in body["contents"]:
        parts = content["parts"]
        calls = [part for part in parts if "functionCall" in part or "function_call" in part]
        answers = [part for part in parts if "functionResponse" in part or "function_response" in part]
        if len(answers) != asked:
            yield "the number of function response parts must equal that of the function call parts"
        asked = len(calls)
        signature = (calls[0].get("thoughtSignature") or calls[0].get("thought_signature")) if calls else None
        if calls and _SIGNS_CALLS.match(model) and signature not in (SIGNATURE, _STANDS_FOR_NONE):
            yield "Function call is missing a thought_signature in functionCall parts."
        if "reasoning_content" in json.dumps(content):
            yield "Unknown name reasoning_content"


def _cohere(model: str, body: Body) -> Iterator[str]:
    yield from _chat_completions(model, body)
    if "stream_options" in body:
        yield "invalid request: stream_options is not supported"


def _bedrock(_: str, body: Body) -> Iterator[str]:
    open_calls: set[str] = set()
    for message in body["messages"]:
        for block in message["content"]:
            if "text" in block and not block["text"].strip():
                yield "The text field in the ContentBlock object is blank."
        results = {block["toolResult"]["toolUseId"] for block in message["content"] if "toolResult" in block}
        if results != open_calls:
            yield "Expected toolResult blocks for the toolUse blocks of the message before."
        open_calls = {block["toolUse"]["toolUseId"] for block in message["content"] if "toolUse" in block}
        if (open_calls or results) and not body.get("toolConfig"):
            yield "The toolConfig field must be defined when using toolUse and toolResult content blocks."


def _gemini_model(path: str) -> str:
    return path.split("/models/", 1)[1].split(":", 1)[0]


_RULES: Mapping[str, Callable[[str, Body], Iterator[str]]] = {
    "openai": _openai,
    "anthropic": _anthropic,
    "gemini": _gemini,
    "deepseek": _deepseek,
    "vertex_ai": _gemini,
    "bedrock": _bedrock,
    "cohere": _cohere,
}
