"""What an organisation may ask in a minute, whoever of it asks, over every channel and on every instance."""

import itertools
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from common import limits
from common.app import Services
from common.documents import Document
from common.errors import RateLimited
from common.identity.authenticate import Credentials, read_credentials
from common.metering import rate_limits
from common.metering.rate_limits import RateLimits
from common.settings import load_settings
from common.tenant import OrgSlug, Tenant
from common.turn import SendRequest, open_turn
from local.gateway import Gateway
from tests.fakes.clock import Clock
from tests.fakes.scripted_model import ScriptedModel, say
from tests.metering.test_rate_limits import FIRST, MIDDAY, counters, limited
from tests.organizations.conftest import Serving
from tests.organizations.organizations import Made
from tests.organizations.serving import close

TENANT = Tenant(OrgSlug("acme_inc"), "local-dev-project", "organizations")
CALL = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {"name": "query_costs", "arguments": {"group_by": "planet"}},
}
ACCEPT = {"Accept": "application/json, text/event-stream"}
Ask = Callable[[dict[str, str]], Awaitable[httpx.Response]]


@pytest.fixture
async def everything() -> AsyncIterator[httpx.AsyncClient]:
    """All functions, over the services that are in use."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(Gateway()), base_url="http://all", timeout=60) as http:
        yield http


def channels(http: httpx.AsyncClient, made: Made) -> dict[str, Ask]:
    """The ways to ask."""
    base = f"/api/v1/chat/{made.slug}"

    def posting(path: str, body: Callable[[], dict[str, Any]], more: dict[str, str] | None = None) -> Ask:
        return lambda headers: http.post(f"{base}/{path}", json=body(), headers=headers | (more or {}))

    def run() -> dict[str, Any]:
        message = {"id": uuid.uuid4().hex, "role": "user", "content": "hello"}
        thread = {"threadId": uuid.uuid4().hex, "runId": "r1", "messages": [message]}
        return {**thread, "tools": [], "context": [], "state": {}, "forwardedProps": {}}

    def message() -> dict[str, Any]:
        said = {"messageId": uuid.uuid4().hex, "role": "ROLE_USER", "parts": [{"text": "hello"}]}
        return {"jsonrpc": "2.0", "id": 1, "method": "SendMessage", "params": {"message": said}}

    return {
        "send": posting("send", lambda: {"message": "hello"}),
        "stream": posting("stream", lambda: {"message": "hello"}),
        "copilotkit": posting("copilotkit", run),
        "a2a": posting("a2a", message, {"A2A-Version": "1.0"}),
        "mcp": posting("mcp", lambda: CALL, ACCEPT),
    }


def refused(answer: httpx.Response) -> bool:
    """Return true for a call that was one too many; an A2A client is told so in its message."""
    return answer.status_code == 429 or "rate_limited" in answer.text


def as_user(made: Made, number: int) -> dict[str, str]:
    return made.member | {"X-User-Id": f"user-{number}"}


async def test_the_limits_are_on_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("USER", "ORG"):
        for kind in ("MESSAGES", "MCP_CALLS", "SEARCHES", "SETTINGS_CHANGES", "FAILED_KEYS"):
            monkeypatch.delenv(f"{name}_{kind}_PER_MINUTE", raising=False)
    settings = load_settings()
    assert settings.org_messages_per_minute == limits.ORG_MESSAGES_PER_MINUTE == 120
    assert settings.user_mcp_calls_per_minute == limits.MCP_CALLS_PER_MINUTE == 60
    assert settings.user_searches_per_minute == limits.SEARCHES_PER_MINUTE == 60
    assert settings.org_searches_per_minute == limits.ORG_SEARCHES_PER_MINUTE == 240
    assert settings.user_settings_changes_per_minute == limits.SETTINGS_CHANGES_PER_MINUTE == 5
    assert settings.org_settings_changes_per_minute == limits.ORG_SETTINGS_CHANGES_PER_MINUTE == 10
    assert settings.org_failed_keys_per_minute == limits.ORG_FAILED_KEYS_PER_MINUTE == 60


async def test_ten_users_of_an_organisation_together_have_its_limit(serving: Serving, made: Made) -> None:
    product = await limited(serving, made, org_messages_per_minute=12)
    before = len(product.model.calls)
    answers = [await product.send(as_user(made, number % 10)) for number in range(20)]
    assert [answer.status_code for answer in answers] == [200] * 12 + [429] * 8
    assert len(product.model.calls) == before + 12
    told = answers[-1]
    assert (told.json()["code"], told.headers["retry-after"]) == ("rate_limited", "45")
    assert "the organisation may make 12 a minute" in told.json()["detail"]
    # A new user id, no user id and another key of the organisation gain nothing; another organisation loses nothing.
    for headers in (as_user(made, 99), {**made.admin}, {k: v for k, v in made.member.items() if k != "X-User-Id"}):
        assert (await product.send(headers)).status_code == 429
    other = product.rows.make()
    assert (await product.put(other, **FIRST)).status_code == 200
    assert (await product.send(other.member)).status_code == 200


async def test_the_limit_of_the_organisation_holds_across_instances(serving: Serving, made: Made) -> None:
    product = await limited(serving, made, org_messages_per_minute=10)
    clock, model = Clock(), ScriptedModel([say("OK")])
    clock.now = MIDDAY
    instances = [Services(product.services.settings, clock, model) for _ in range(3)]
    for instance in instances:
        instance.__dict__["log"] = product.services.log

    async def ask(number: int) -> int:
        headers = {name.lower(): value for name, value in as_user(made, number).items()}
        try:
            request = SendRequest(message="hello")
            turn = await open_turn(instances[number % 3].turns, read_credentials(headers, None), request)
            await turn.finished()
        except RateLimited:
            return 429
        return 200

    try:
        assert Counter([await ask(number) for number in range(15)]) == {200: 10, 429: 5}
    finally:
        for instance in instances:
            await close(instance)


async def test_turns_of_every_channel_and_mcp_calls_count_together(
    serving: Serving, made: Made, everything: httpx.AsyncClient
) -> None:
    product = await limited(serving, made, org_messages_per_minute=5)
    ways = channels(everything, made)
    for number, (way, ask) in enumerate(ways.items()):
        answer = await ask(as_user(made, number))
        assert answer.status_code == 200, (way, answer.text)
        assert not refused(answer), (way, answer.text)
    model_calls = len(product.model.calls)
    product.reset_counts()
    for number, (way, ask) in enumerate(ways.items()):
        answer = await ask(as_user(made, 50 + number))
        assert refused(answer), (way, answer.text)
    assert len(product.model.calls) == model_calls
    assert (product.bigquery_calls(), product.firestore.calls()["Commit"]) == (0, 0)


async def test_a_person_may_make_so_many_mcp_calls_a_minute(
    serving: Serving, made: Made, everything: httpx.AsyncClient
) -> None:
    await limited(serving, made, user_mcp_calls_per_minute=3)
    ask = channels(everything, made)["mcp"]
    assert [(await ask(made.member)).status_code for _ in range(4)] == [200, 200, 200, 429]
    told = await ask(made.member)
    assert (told.json()["code"], told.headers["retry-after"]) == ("rate_limited", "45")
    assert "MCP calls" in told.json()["detail"]
    assert (await ask(as_user(made, 1))).status_code == 200
    # What asks for no data is not counted.
    listing = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
    answer = await everything.post(f"/api/v1/chat/{made.slug}/mcp", json=listing, headers=made.member | ACCEPT)
    assert answer.status_code == 200


@pytest.mark.parametrize("whose", ["user", "org"])
async def test_so_many_searches_are_made_a_minute(
    serving: Serving, made: Made, everything: httpx.AsyncClient, whose: str
) -> None:
    product = await limited(serving, made, **{f"{whose}_searches_per_minute": 3})
    users = itertools.count() if whose == "org" else itertools.repeat(1)
    path = f"/api/v1/chat/{made.slug}/messages/search"
    answers = [await everything.get(path, params={"q": "x"}, headers=as_user(made, next(users))) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200] * 3
    product.reset_counts()
    told = await everything.get(path, params={"q": "x"}, headers=as_user(made, next(users)))
    assert (told.status_code, told.json()["code"], told.headers["retry-after"]) == (429, "rate_limited", "45")
    assert product.bigquery_calls() == 0
    assert product.firestore.calls()["RunQuery"] == 0
    other = await everything.get(path, params={"q": "x"}, headers=as_user(made, 1_000))
    assert other.status_code == (429 if whose == "org" else 200)


@pytest.mark.parametrize("whose", ["user", "org"])
async def test_changes_of_settings_are_no_oracle_for_keys(serving: Serving, made: Made, whose: str) -> None:
    product = await limited(serving, made)
    product.services.__dict__["rate_limits"] = RateLimits(
        product.services.settings.model_copy(update={f"{whose}_settings_changes_per_minute": 3})
    )
    del product.services.__dict__["entrance"]
    users = itertools.count() if whose == "org" else itertools.repeat(1)
    asked = len(product.model.calls)

    async def change(key: str) -> httpx.Response:
        headers = made.admin | {"X-User-Id": f"user-{next(users)}"}
        return await product.settings.put("/settings", json={**FIRST, "key": key}, headers=headers)

    for number in range(3):
        assert (await change(f"sk-stolen-{number}-0123456789")).status_code == 200
    assert len(product.model.calls) == asked + 3
    told = await change("sk-stolen-3-0123456789")
    assert (told.status_code, told.json()["code"], told.headers["retry-after"]) == (429, "rate_limited", "45")
    deleted = await product.settings.delete("/settings", headers=made.admin | {"X-User-Id": f"user-{next(users)}"})
    assert deleted.status_code == 429
    assert len(product.model.calls) == asked + 3
    # Who may not change settings learns nothing of a key, and a body that is none is not counted.
    refused = await product.settings.put("/settings", json={**FIRST, "key": "sk-0123456789"}, headers=made.member)
    assert refused.json()["code"] == "scope_missing"


async def test_counting_for_the_organisation_costs_no_request_of_its_own(serving: Serving, made: Made) -> None:
    product = await limited(serving, made, user_messages_per_minute=15, org_messages_per_minute=120)
    await product.send(made.member)
    product.reset_counts()
    assert (await product.send(made.member)).status_code == 200
    assert product.firestore.calls() == {"BatchGetDocuments": 1, "Commit": 2}
    assert product.kms.calls() == {"Decrypt": 1}
    assert product.bigquery_calls() == 0
    assert sorted(counters(product, made).values()) == [2, 2]


async def test_a_counter_in_parts_is_held_whole_against_its_limit(serving: Serving, made: Made) -> None:
    each = rate_limits.MOST_PER_PART
    product = await limited(serving, made, org_messages_per_minute=4 * each)
    for part, total in enumerate((each, each + 5, each - 5, each - 1)):
        path = f"orgs/{made.slug}/counters/all-messages-{MIDDAY:%Y%m%dT%H%M}.{part}"
        product.documents.document(path).set({"total": total, "expire_at": MIDDAY})
    assert [(await product.send(as_user(made, number))).status_code for number in range(3)] == [200, 429, 429]
    assert sum(counters(product, made).values()) == 4 * each


@pytest.mark.parametrize("most", [1, 240, 241, 3_000, 100_000])
def test_a_counter_has_a_part_for_so_many_changes(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    settings = load_settings().model_copy(update={"org_messages_per_minute": most, "user_messages_per_minute": 0})
    caller = Credentials(OrgSlug("acme_inc"), "a-key", "u1")
    now = datetime.now(UTC)
    allowed = RateLimits(settings).for_caller(TENANT, caller, now)
    paths = allowed.paths
    assert len(paths) == min(rate_limits.MOST_PARTS, -(-most // rate_limits.MOST_PER_PART))
    each = -(-(most - 1) // len(paths))
    documents: dict[str, Document | None] = {path: Document(path, {"total": 0}, now) for path in paths}
    left = most - 1
    for path in paths:
        documents[path] = Document(path, {"total": min(each, left)}, now)
        left -= min(each, left)
    allowed.check(documents)
    (count,) = allowed.count()
    assert count.path in paths
    found = documents[count.path]
    assert found is not None
    count.total = found.data["total"] + 1
    allowed.check_counted([count])
    count.total += 1
    with pytest.raises(RateLimited):
        allowed.check_counted([count])
