"""The providers' words for how an answer ended, and what each of them means here."""

from common.models.call import FinishReason

_MEANINGS: dict[FinishReason, tuple[str, ...]] = {
    "length": (
        "length",
        "max_tokens",
        "max_output_tokens",
        "model_context_window_exceeded",
        "model_length",
        "error_limit",
    ),
    "tool_calls": ("tool_calls", "tool_use", "function_call", "tool_call"),
    "filtered": (
        "content_filter",
        "content_filtered",
        "refusal",
        "sensitive",
        "safety",
        "recitation",
        "language",
        "blocklist",
        "prohibited_content",
        "spii",
        "image_safety",
        "guardrail_intervened",
        "error_toxic",
    ),
    "malformed": (
        "malformed_function_call",
        "unexpected_tool_call",
        "malformed_response",
        "too_many_tool_calls",
        "missing_thought_signature",
    ),
    "broken": ("insufficient_system_resource", "error", "network_error"),
}
_BY_WORD: dict[str, FinishReason] = {word: reason for reason, words in _MEANINGS.items() for word in words}


def meaning_of(word: object) -> FinishReason | None:
    """The meaning of a provider's word, in whichever case; None where it says nothing, "stop" for every other one."""
    if not isinstance(word, str) or not word:
        return None
    return _BY_WORD.get(word.lower(), "stop")
