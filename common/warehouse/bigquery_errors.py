"""BigQuery's errors, translated for a caller. A run-time error's text may hold other rows' values: it goes nowhere."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from google.api_core import exceptions as google
from google.auth.exceptions import GoogleAuthError
from requests.exceptions import RequestException

from common.errors import WarehouseBusy, WarehouseUnavailable
from common.text import shorten
from common.warehouse.dry_run import over_limit
from common.warehouse.query import GuardedQuery
from common.warehouse.result import QueryRefused

DRY_RUN_ERROR_CHARS = 500

NO_ANSWER = (google.GoogleAPIError, GoogleAuthError, RequestException, ConnectionError, TimeoutError)
# What the SDK raises for a reply that is not as BigQuery's replies are.
NO_SENSE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)

_REQUIRED = re.compile(r"(\d+) or higher required")
_OUT_OF_TIME = {"stopped", "timeout"}
# What a warehouse has no part for: BigQuery itself says it of little, an emulator of more.
_UNSUPPORTED = "notImplemented"
# BigQuery's own bound on the work of a query, measured against the bytes that it reads.
_TOO_MUCH_WORK = "billingTierLimitExceeded"
_PASSING = {
    "backendError",
    "internalError",
    "quotaExceeded",
    "rateLimitExceeded",
    "jobRateLimitExceeded",
    "jobBackendError",
    "jobInternalError",
}

# What BigQuery says of statements that change one table at the same time, under reasons that a wrong text has, too.
_AT_THE_SAME_TIME = re.compile(r"could not serialize access|too many dml statements outstanding", re.IGNORECASE)

# A job that BigQuery lost says nothing of the tables that it read.
_NO_JOB = re.compile(r"not found: job\b", re.IGNORECASE)

_FAILED = "The warehouse could not run this query. Simplify it, or query a shorter range."


@contextmanager
def failures(meaning: Callable[[google.GoogleAPICallError], Exception]) -> Iterator[None]:
    """Raise what the SDK raises as what it means: ``meaning`` for BigQuery's own answers, or else no answer."""
    try:
        yield
    except google.GoogleAPICallError as error:
        raise meaning(error) from error
    except (*NO_ANSWER, *NO_SENSE) as error:
        raise WarehouseUnavailable from error


def unavailable(_: google.GoogleAPICallError) -> Exception:
    """The exception where whatever BigQuery answered is no answer to the caller."""
    return WarehouseUnavailable()


def of_run(error: google.GoogleAPICallError, query: GuardedQuery, max_bytes: int) -> Exception:
    """The exception for a query that failed while it ran: one sentence per kind of failure."""
    reasons = _reasons(error)
    if "bytesBilledLimitExceeded" in reasons:
        required = _REQUIRED.search(str(error))
        return over_limit(query, max_bytes, int(required[1]) if required else None)
    if reasons & _OUT_OF_TIME:
        return out_of_time()
    if _UNSUPPORTED in reasons:
        return QueryRefused("not_supported", "This warehouse cannot run such a query. Write it in another way.")
    if _TOO_MUCH_WORK in reasons:
        return too_much_work()
    if _AT_THE_SAME_TIME.search(str(error.message)):
        return WarehouseBusy()
    if reasons & _PASSING:
        return WarehouseUnavailable()
    if isinstance(error, google.NotFound) and _NO_JOB.search(str(error.message)):
        return WarehouseUnavailable()
    if isinstance(error, google.NotFound):
        return QueryRefused("table_not_found", "The organisation has no such table yet: no data has been loaded.")
    if isinstance(error, google.Forbidden):
        return QueryRefused(
            "access_denied", "The warehouse does not let this assistant read that. An operator must grant access."
        )
    if isinstance(error, google.BadRequest):
        return QueryRefused("query_failed", _FAILED)
    return WarehouseUnavailable()


def of_dry_run(error: google.GoogleAPICallError, query: GuardedQuery, max_bytes: int) -> Exception:
    """The exception for a query whose dry run failed. A model reads BigQuery's words for its own text."""
    meant = of_run(error, query, max_bytes)
    if query.origin == "admitted" and isinstance(meant, QueryRefused):
        if meant.code == "query_failed":
            return QueryRefused("invalid_query", f"The query is not valid: {_one_line(error.message)}")
        if meant.code in ("table_not_found", "not_supported"):
            return QueryRefused(meant.code, _one_line(error.message))
    return meant


def out_of_time() -> QueryRefused:
    """The refusal of a query that took too long."""
    return QueryRefused("timeout", "The query took too long and was stopped. Narrow the dates or the filters.")


def too_much_work() -> QueryRefused:
    """The refusal of a query that reads little and computes without end."""
    return QueryRefused(
        "too_much_work",
        "The query was stopped: it takes far more work than its data explains, as a join of every row with every row "
        "does. Join on columns that match few rows, or aggregate each side before the join.",
    )


def _reasons(error: google.GoogleAPICallError) -> set[str]:
    return {str(entry.get("reason")) for entry in error.errors or () if isinstance(entry, dict)}


def _one_line(text: str | None) -> str:
    """BigQuery's sentence, without the address that the SDK puts before it and the job that it puts after."""
    sentence = re.sub(r"^(GET|POST) \S+: ", "", (text or "").strip()).split("\n")[0]
    return shorten(" ".join(sentence.split()), DRY_RUN_ERROR_CHARS)
