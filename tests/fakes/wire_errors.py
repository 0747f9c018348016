"""Errors in the shapes of the providers: of a request, and inside a stream that began well."""

import json
from collections.abc import Mapping
from typing import Any

from tests.fakes.further_formats import event_frame


def error_body(provider: str, status: int, message: str) -> Any:
    """An error in the provider's shape, with ``message`` as its text."""
    if provider == "anthropic":
        kinds = {400: "invalid_request_error", 401: "authentication_error", 403: "permission_error",
                 404: "not_found_error", 413: "request_too_large", 429: "rate_limit_error",
                 529: "overloaded_error"}  # fmt: skip
        return {"type": "error", "error": {"type": kinds.get(status, "api_error"), "message": message}}
    if provider in ("gemini", "vertex_ai"):
        kinds = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND",
                 429: "RESOURCE_EXHAUSTED", 503: "UNAVAILABLE"}  # fmt: skip
        return {"error": {"code": status, "message": message, "status": kinds.get(status, "INTERNAL")}}
    if provider in ("cohere", "bedrock", "mistral"):
        return {"message": message}
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": None}}


def error_frame(provider: str, message: str) -> bytes:
    """An error inside a stream that began well."""
    if provider == "anthropic":
        return _named({"type": "error", "error": {"type": "overloaded_error", "message": message}})
    if provider in ("gemini", "vertex_ai"):
        return _data({"error": {"code": 503, "message": message, "status": "UNAVAILABLE"}})
    if provider == "bedrock":
        return event_frame("internalServerException", {"message": message}, of="exception")
    return _data({"error": {"message": message, "type": "server_error", "code": 500}})


def _data(value: Any) -> bytes:
    return f"data: {json.dumps(value)}\n\n".encode()


def _named(value: Mapping[str, Any]) -> bytes:
    return f"event: {value['type']}\n".encode() + _data(value)
