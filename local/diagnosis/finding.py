"""A finding of the doctor: what was looked at, how it is, and what to do about it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from google.api_core import exceptions as google
from google.auth.exceptions import GoogleAuthError

from common.errors import ServiceError

State = Literal["ok", "fault", "unknown"]
CHECK_SECONDS = 60.0
_SIGN_IN = "gcloud auth application-default login"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the diagnosis; ``remedy`` is empty where nothing is to be done."""

    subject: str
    state: State
    said: str
    remedy: str = ""


async def looked(subject: str, check: Callable[[], Awaitable[list[Finding]]]) -> AsyncIterator[Finding]:
    """Yield the findings of a check; one that fails or does not end is a finding itself."""
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            found = await check()
    except TimeoutError:
        found = [Finding(subject, "fault", f"no answer in {CHECK_SECONDS:.0f} s", "see whether the service is up")]
    except (ServiceError, google.GoogleAPICallError, GoogleAuthError) as error:
        found = [fault_of(subject, error)]
    for finding in found:
        yield finding


def fault_of(subject: str, error: Exception) -> Finding:
    """The finding that an error is, by the cause of it that Google named."""
    cause: BaseException | None = error
    while cause is not None:
        for kind, said, remedy in _MEANINGS:
            if isinstance(cause, kind):
                return Finding(subject, "fault", said, remedy)
        cause = cause.__cause__
    return Finding(subject, "fault", f"{error} ({type(error).__name__})", "see whether the service is up")


_MEANINGS: tuple[tuple[type[BaseException], str, str], ...] = (
    (google.Forbidden, "access is denied", "grant the role in terraform/locals.tf: terraform apply"),
    (google.NotFound, "it is not there", "terraform apply makes it; see that its name is the one in the settings"),
    (google.Unauthenticated, "the credentials are not accepted", _SIGN_IN),
    (google.Unauthorized, "the credentials are not accepted", _SIGN_IN),
    (GoogleAuthError, "there are no Google credentials", _SIGN_IN),
    (google.FailedPrecondition, "it is not ready", "see whether an index is being built, a key version is disabled"),
)
