"""The public contract, the SQL texts and the stored documents are, byte for byte, those of the recording."""

import difflib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.contract.http import record, requests, serving
from tests.contract.http.serving import Entry, as_text

RECORDED: dict[str, Entry] = {entry["name"]: entry for entry in json.loads(record.RECORDING.read_text("utf-8"))}
AGAIN = "If this is meant, record anew (python -m tests.contract.http.record) and read what changed."
CONTEXT = 4
# A random id, or a moment of a real clock.
VARYING = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-|(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])|202[6-9]-\d\d-\d\dT")
Played = dict[str, Entry]


@pytest.fixture(scope="module")
async def played() -> Played:
    """Every exchange, played once for all tests."""
    return {entry["name"]: entry async for entry in serving.play()}


# A new tool or agent is no change of the others: lists may grow, by members that their name or id tells apart.
GROWING = {"mcp tools": "tools", "card": "skills", "the organisation's card": "skills"}


def without_new(name: str, entry: Entry) -> Entry:
    """The exchange without the members of its list that were not recorded."""
    if name not in GROWING:
        return entry
    member, key = GROWING[name], "name" if GROWING[name] == "tools" else "id"
    known = {each[key] for each in members(json.loads("".join(RECORDED[name]["body"])), member)}
    body = json.loads("".join(entry["body"]))
    found = members(body, member)
    found[:] = [each for each in found if each[key] in known]
    return entry | {"body": body}


def members(body: dict[str, Any], member: str) -> list[dict[str, Any]]:
    """The list in an answer, of JSON-RPC or plain."""
    listed: list[dict[str, Any]] = body.get("result", body)[member]
    return listed


@pytest.mark.parametrize("name", [ask.name for ask in requests.REQUESTS])
def test_an_exchange_is_as_it_was_recorded(played: Played, name: str) -> None:
    recorded, now = (as_text([without_new(name, entries[name])]) for entries in (RECORDED, played))
    if recorded != now:
        changed = difflib.unified_diff(recorded.splitlines(), now.splitlines(), "recorded", "now", "", "", CONTEXT, "")
        pytest.fail(f"{name}: not as recorded. {AGAIN}\n" + "\n".join(changed), pytrace=False)


def test_the_recording_holds_these_requests_and_no_others() -> None:
    assert list(RECORDED) == [ask.name for ask in requests.REQUESTS]


def test_every_function_is_asked_at_its_own_address() -> None:
    functions = {main.parent.name for main in (Path(__file__).parents[3] / "functions").glob("*/main.py")}
    assert {ask.function for ask in requests.REQUESTS if ask.function} >= functions - {"a2a"}


def test_every_kind_of_refusal_is_recorded() -> None:
    assert {entry["status"] for entry in RECORDED.values()} >= {400, 401, 403, 404, 405, 409, 413, 422, 429, 503}


def test_nothing_that_differs_from_run_to_run_is_recorded() -> None:
    assert not VARYING.search(record.RECORDING.read_text("utf-8"))
