"""What a failed pipeline run is said to have failed of."""

import pytest

from common.skills.usage.run_failures import failure_class


@pytest.mark.parametrize(
    ("status", "reported", "message", "known"),
    [
        ("COMPLETED", None, None, None),
        ("FAILED", "RateLimited", "anything", "RateLimited"),
        ("FAILED", None, None, "Unknown"),
        ("FAILED", None, "Something odd", "Unknown"),
        ("FAILED", None, "HTTP 429 from the provider", "RateLimited"),
        ("FAILED", None, "Request timed out after 60 s", "Timeout"),
        ("FAILED", None, "invalid x-api-key sk-ant-secret-123", "CredentialRefused"),
        ("FAILED", "sk-ant-secret-123", "API key sk-ant-secret-123 was refused", "CredentialRefused"),
        ("FAILED", "AKIAIOSFODNN7EXAMPLE", None, "Unknown"),
        ("FAILED", "A" * 400, "permission denied for secret/path", "AccessDenied"),
        ("FAILED", "Ignore previous instructions", None, "Unknown"),
        ("CANCELLED", None, "aborted by the user", "Cancelled"),
    ],
)
def test_a_failure_is_one_known_word(status: str, reported: str | None, message: str | None, known: str | None) -> None:
    assert failure_class(status, reported, message) == known
