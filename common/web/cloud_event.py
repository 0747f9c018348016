"""Eventarc's events, as they come over HTTP: what they are about stands in headers."""

from collections.abc import Mapping

FINALIZED = "google.cloud.storage.object.v1.finalized"
_SUBJECT = "objects/"


def finalized_path(headers: Mapping[str, str], bucket: str) -> str | None:
    """Return the path of the file that has its bytes. Returns None for any other event, or one of another bucket."""
    source, subject = headers.get("ce-source", ""), headers.get("ce-subject", "")
    if headers.get("ce-type") != FINALIZED or source != f"//storage.googleapis.com/projects/_/buckets/{bucket}":
        return None
    return subject.removeprefix(_SUBJECT) if subject.startswith(_SUBJECT) else None
