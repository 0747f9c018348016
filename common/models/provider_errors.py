"""The meaning of a provider's error, read from status and body. The body goes no further."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import ceil
from typing import Any

from common import limits
from common.errors import (
    ContentRefused,
    ContextTooLong,
    KeyInvalid,
    ModelError,
    ModelNotFound,
    ProviderRateLimited,
    ProviderUnavailable,
    ServiceError,
)

MODEL_RETRY_AFTER_TOLD_SECONDS = 3600

_NO_CREDIT = "The provider account behind the organisation's key has no credit left. Top it up, or use another key."
# Words of the providers' own error bodies, in lower case.
_CONTEXT = (
    "context_length_exceeded",
    "maximum context length",
    "prompt is too long",
    "input is too long",
    "too many tokens",
    "exceeds the maximum number of tokens",
    "exceed context limit",
    "request_too_large",
)
_REFUSED = ("content_policy", "content_filter", "content policy", "content management policy", "content exists risk")
_KEY = ("api_key_invalid", "api key not valid", "api key expired", "invalid_api_key")
_CREDIT = ("insufficient_quota", "credit balance is too low", "insufficient balance", "billing_hard_limit_reached")
_MODEL = ("model_not_found", "model not exist", "not_found_error")
_SECONDS = re.compile(r"(\d+(?:\.\d+)?)s")


def refusal(status: int, headers: Mapping[str, str], body: bytes) -> ServiceError:
    """The error that an HTTP answer of 400 or more stands for."""
    text = body[: limits.MODEL_ERROR_BYTES].decode(errors="replace").lower()
    if status == 402 or _any(_CREDIT, text):
        return ProviderRateLimited(_NO_CREDIT)
    if status in (401, 403):
        return ModelNotFound() if _any(_MODEL, text) else KeyInvalid()
    if status == 404:
        return ModelNotFound()
    if status == 413:
        return ContextTooLong()
    if status == 429:
        return ProviderRateLimited(retry_after=_retry_after(headers, body))
    if status == 408 or status >= 500:
        return ProviderUnavailable(retry_after=_retry_after(headers, body))
    return _by_words(text)


def worded(text: str) -> ServiceError:
    """The error that a message inside a stream that began well stands for."""
    text = text[: limits.MODEL_ERROR_BYTES].lower()
    if _any(("rate_limit", "resource_exhausted", "throttling", "too many requests"), text):
        return ProviderRateLimited()
    if _any(("overloaded", "unavailable", "internal", "server_error", "api_error", "timeout"), text):
        return ProviderUnavailable()
    return _by_words(text)


def may_pass(error: ServiceError) -> bool:
    """Return true if the same request may succeed a moment later: a limit or an outage, not an empty account."""
    return isinstance(error, ProviderRateLimited | ProviderUnavailable) and error.detail != _NO_CREDIT


def _by_words(text: str) -> ServiceError:
    if _any(_CONTEXT, text) or ("token count" in text and "exceeds" in text):
        return ContextTooLong()
    if _any(_REFUSED, text):
        return ContentRefused()
    if _any(_KEY, text):
        return KeyInvalid()
    if _any(_MODEL, text):
        return ModelNotFound()
    return ModelError()


def _any(words: tuple[str, ...], text: str) -> bool:
    return any(word in text for word in words)


def _retry_after(headers: Mapping[str, str], body: bytes) -> int | None:
    """The seconds to wait, from Retry-After or Gemini's RetryInfo. Returns None if neither is there."""
    said = headers.get("retry-after", "").strip()
    seconds: float | None = None
    if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", said):
        seconds = float(said)
    elif said:
        try:
            seconds = (parsedate_to_datetime(said) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):
            seconds = None
    if seconds is None:
        seconds = _retry_info(body)
    return None if seconds is None else min(max(1, ceil(seconds)), MODEL_RETRY_AFTER_TOLD_SECONDS)


def _retry_info(body: bytes) -> float | None:
    try:
        parsed: Any = json.loads(body)
        parsed = parsed[0] if isinstance(parsed, list) else parsed
        delays = [detail["retryDelay"] for detail in parsed["error"]["details"] if "retryDelay" in detail]
        match = _SECONDS.fullmatch(delays[0])
    except (ValueError, KeyError, TypeError, IndexError):
        return None
    return float(match[1]) if match else None
