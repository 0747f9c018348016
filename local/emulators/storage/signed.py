"""The conditions of a signed address (V4): what Cloud Storage refuses although the signature is right."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

_RANGE = "x-goog-content-length-range"
_GENERATION = "x-goog-if-generation-match"


def refusal(query: Mapping[str, list[str]], headers: Mapping[str, str], exists: bool) -> int | None:
    """Return the status with which an upload is refused, None for one that meets its conditions.

    The signature itself is not checked: whoever reaches this emulator is on the machine.
    """
    if "X-Goog-Signature" not in query:
        return None
    made = datetime.strptime(query["X-Goog-Date"][0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    if datetime.now(UTC) > made + timedelta(seconds=int(query["X-Goog-Expires"][0])):
        return 400
    signed = query["X-Goog-SignedHeaders"][0].split(";")
    if any(name != "host" and name not in headers for name in signed):
        return 403
    if _RANGE in headers:
        least, most = (int(part) for part in headers[_RANGE].split(","))
        if not least <= int(headers.get("content-length", "0")) <= most:
            return 400
    return 412 if exists and headers.get(_GENERATION) == "0" else None
