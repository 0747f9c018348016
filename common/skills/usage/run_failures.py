"""The kind of failure that ended a pipeline run: one word of a bounded kind, never the text that the provider sent."""

import re

# What a pipeline reports by itself: a class name. A key or an id has digits or signs, and is not taken for one.
_CLASS = re.compile(r"[A-Z][a-z]+(?:[A-Z][a-z]*){0,5}")
_LONGEST = 40

# The first that the message speaks of.
_SIGNS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (name, re.compile(words, re.IGNORECASE))
    for name, words in (
        ("RateLimited", r"rate.?limit|too many requests|slow down|throttl|\b429\b"),
        ("QuotaExceeded", r"quota|limit (?:was |is )?(?:reached|exceeded)"),
        ("Timeout", r"time[d ]?.?out|deadline|not ready within"),
        ("CredentialExpired", r"expired"),
        ("AccessDenied", r"permission|forbidden|access denied|not allowed|\b403\b"),
        ("CredentialRefused", r"credential|api.?key|unauthori[sz]ed|unauthenticated|token|password|secret|\b401\b"),
        ("NotFound", r"not found|does not exist|no such|\b404\b"),
        ("SchemaMismatch", r"schema|column|unexpected type|parse|malformed|invalid json"),
        ("ServiceUnavailable", r"unavailable|connection|network|dns|unreachable|\b50[0234]\b"),
        ("Cancelled", r"cancel|abort"),
    )
)


def failure_class(status: str, reported: str | None, message: str | None) -> str | None:
    """The class of a run's failure; None for a run that has not failed, Unknown where nothing tells."""
    if reported is not None and len(reported) <= _LONGEST and _CLASS.fullmatch(reported):
        return reported
    if message:
        return next((name for name, words in _SIGNS if words.search(message)), "Unknown")
    return "Unknown" if status.upper() == "FAILED" else None
