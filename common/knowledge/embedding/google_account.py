"""The account that a function acts as, as the header of a request to Google's APIs."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

from common.errors import EmbeddingUnavailable

_SCOPE = "https://www.googleapis.com/auth/cloud-platform"


@asynccontextmanager
async def bearer() -> AsyncIterator[Mapping[str, str]]:
    """Yield the header with a token that is valid for now. Raises EmbeddingUnavailable."""
    from google.auth.exceptions import GoogleAuthError

    try:
        token = await asyncio.to_thread(_token)
    except (GoogleAuthError, OSError) as error:
        raise EmbeddingUnavailable from error
    yield {"Authorization": f"Bearer {token}"}


def _token() -> str:
    from google.auth.transport.requests import Request

    credentials = _credentials()
    if not credentials.valid:
        credentials.refresh(Request())
    return str(credentials.token)


@cache
def _credentials() -> Any:
    import google.auth

    found: Any = google.auth.default(scopes=[_SCOPE])
    return found[0]
