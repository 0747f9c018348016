"""Says in plain words what a tool's error means and what to do."""

from collections.abc import Mapping
from typing import Any

from local.demo_model.formatting import text

TRY_AGAIN = "Try again in a moment; if it keeps failing, tell your administrator."

# The first whose words the error's code holds.
_ADVICE: tuple[tuple[tuple[str, ...], str], ...] = (
    (("unknown_table",), 'Ask "Which tables do I have?" for their names.'),
    (("_entity",), "Ask again with the name of one of these."),
    (("timeout", "timed_out", "deadline"), "It took too long. Ask about a shorter period, or try again."),
    (("bytes", "scan", "too_large"), "It would read too much data. Ask about a shorter period or fewer groups."),
    (("sql_unavailable", "sql_busy"), TRY_AGAIN),
    (("sql_",), "Change that in the query and send it again."),
    (
        ("argument", "invalid", "validation", "date"),
        "It did not accept what I asked for. Name the period and filters differently.",
    ),
    (("history",), "Ask for the costs of days that have data instead."),
    (("too_many", "repeated"), "Ask for less at a time."),
    (("forbidden", "denied", "permission"), "The data may not be read. Ask your administrator for access."),
    (
        ("not_found", "missing"),
        "The data is not there yet. Check that cost data has been loaded for your organisation.",
    ),
    (("rate", "quota", "limit"), "A limit was reached. Wait a minute and ask again."),
)
_ADVICE_OF: Mapping[str, tuple[tuple[str, str], ...]] = {
    "acknowledge_alert": (("not_found", '"Which alerts fired last week?" lists the alerts with their ids.'),),
    "create_alert": (("invalid_arguments", "Nothing was set up. Name the amount, currency and scope differently."),),
    "run_read_query": (("not_found", 'Ask "Which tables do I have?" and check the names in the query.'),),
}


def failed(tool: str, called: str, error: Any) -> str:
    """What went wrong with a call, and what to do about it."""
    code = str(error.get("code", "")) if isinstance(error, Mapping) else ""
    message = error.get("message") if isinstance(error, Mapping) else error
    if code == "not_approved":
        return f"I did not make the {called}: it was not approved. Nothing was changed."
    own = next((advice for key, advice in _ADVICE_OF.get(tool, ()) if key in code), None)
    found = next((advice for keys, advice in _ADVICE if any(key in code.lower() for key in keys)), TRY_AGAIN)
    said = f": {text(message).rstrip('.')}" if message else ""
    return f"The {called} failed{said}. {own or found}"
