"""The calls of an organisation's administrators: issuers, members and API keys; and who a caller is."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol

from pydantic import ConfigDict, Field
from starlette.responses import JSONResponse, Response
from typing_extensions import TypedDict

from common import limits
from common.bodies import Body
from common.errors import BadRequest
from common.metering.entrance import Entrance
from common.organizations.access import Access, Member
from common.organizations.access_store import AccessStore
from common.organizations.agent_rules import FEATURES, AgentRulesChange
from common.organizations.api_keys import ApiKeys, NewKey, serves
from common.organizations.issuers import NewIssuer
from common.tenant import WITHOUT_SCOPES, Permission, Principal
from common.web.endpoint import Call, Handler, Serving

if TYPE_CHECKING:
    # Only who reads or sets rules for agents imports them.
    from common.skills.loading import Skills
    from common.skills.offers import Offers

MAX_KEY_DAYS = 3_650


class NewApiKey(Body):
    """The body that makes an API key; without scopes it asks, reads and sets up alerts."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: str = Field(min_length=1, max_length=64, pattern=r"^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$")
    scopes: Annotated[list[Permission], Field(min_length=1)] | None = None
    expires_in_days: int | None = Field(None, ge=1, le=MAX_KEY_DAYS)


class MadeApiKey(TypedDict):
    """A key that was just made; it is shown this once."""

    key_id: str
    key: str


class ApiKeyList(TypedDict):
    """The organisation's API keys, newest first; never a key itself."""

    keys: list[dict[str, Any]]


class IssuerList(TypedDict):
    """The registered issuers; never anything of a secret."""

    version: int
    issuers: list[dict[str, Any]]


class MemberList(TypedDict):
    """The people that the organisation has given a role or blocked."""

    version: int
    members: list[dict[str, Any]]


class Caller(TypedDict):
    """The caller as the product knows them."""

    org_slug: str
    user_id: str
    name: str | None
    role: str
    permissions: list[str]


class AgentSettings(TypedDict):
    """The rules for agents and tools, and what there is to set rules for."""

    version: int
    rules: dict[str, Any]
    available: dict[str, list[dict[str, Any]]]


class Changed(TypedDict):
    """The answer to a change."""

    status: Literal["set", "removed", "revoked"]


class Administered(Serving, Protocol):
    """The parts of the composition root that administrators work with."""

    @property
    def entrance(self) -> Entrance: ...
    @property
    def access_store(self) -> AccessStore: ...
    @property
    def api_keys(self) -> ApiKeys: ...
    @property
    def skills(self) -> "Skills": ...
    @property
    def offers(self) -> "Offers": ...
    @property
    def clock(self) -> Any: ...


async def _caller(services: Administered, call: Call) -> Response:
    caller = await services.authenticator.principal(call.credentials)
    return JSONResponse(
        Caller(
            org_slug=caller.org_slug,
            user_id=caller.user_id,
            name=caller.name,
            role=caller.role,
            permissions=sorted(caller.scopes),
        )
    )


async def _agents(services: Administered, call: Call) -> Response:
    return JSONResponse(_agent_settings(services, await _access(services, call)))


async def _set_agents(services: Administered, call: Call) -> Response:
    change = await call.body(AgentRulesChange)
    caller = await _changer(services, call)
    services.offers.check(change.rules)
    access = await services.access_store.change(caller, "agents", lambda _: change.rules, change.version)
    return JSONResponse(_agent_settings(services, access))


def _agent_settings(services: Administered, access: Access) -> AgentSettings:
    roster, tools = services.skills.roster, services.skills.registry.tools
    agents = [
        {"name": each.name, "description": each.description, "tools": list(each.tools), "starts": each.starts}
        for each in roster.agents.values()
    ]
    listed = [{"name": each.name, "title": each.title, "changes": each.writes is not None} for each in tools]
    features = [{"name": name} for name in sorted(FEATURES)]
    return AgentSettings(
        version=access.version("agents"),
        rules=access.agents.model_dump(mode="json"),
        available={"agents": agents, "tools": listed, "features": features},
    )


async def _issuers(services: Administered, call: Call) -> Response:
    access = await _access(services, call)
    issuers = [each.shown() for each in access.issuers.issuers]
    return JSONResponse(IssuerList(version=access.version("issuers"), issuers=issuers))


async def _add_issuer(services: Administered, call: Call) -> Response:
    new = await call.body(NewIssuer)
    stored = await services.access_store.add_issuer(await _changer(services, call), new)
    return JSONResponse(stored.shown())


async def _remove_issuer(services: Administered, call: Call) -> Response:
    await services.access_store.remove_issuer(await _changer(services, call), call.value("issuer_id"))
    return JSONResponse(Changed(status="removed"))


async def _members(services: Administered, call: Call) -> Response:
    access = await _access(services, call)
    members = [{"user_id": name, **each.model_dump()} for name, each in sorted(access.members.members.items())]
    return JSONResponse(MemberList(version=access.version("members"), members=members))


async def _set_member(services: Administered, call: Call) -> Response:
    member = await call.body(Member)
    await services.access_store.set_member(await _changer(services, call), _user_id(call), member)
    return JSONResponse(Changed(status="set"))


async def _remove_member(services: Administered, call: Call) -> Response:
    await services.access_store.remove_member(await _changer(services, call), _user_id(call))
    return JSONResponse(Changed(status="removed"))


async def _keys(services: Administered, call: Call) -> Response:
    caller = await services.authenticator.principal(call.credentials)
    stored = await services.api_keys.stored(caller.tenant)
    return JSONResponse(ApiKeyList(keys=[_shown(each, services.clock()) for each in stored]))


async def _make_key(services: Administered, call: Call) -> Response:
    wanted = await call.body(NewApiKey)
    caller = await _changer(services, call)
    scopes = frozenset(wanted.scopes or WITHOUT_SCOPES)
    for scope in sorted(scopes):
        # Nobody hands on what they do not have.
        caller.require(scope)
    days = wanted.expires_in_days
    expires_at = services.clock() + timedelta(days=days) if days is not None else None
    key_id, key = await services.api_keys.create(caller.tenant, NewKey(wanted.name, scopes, expires_at))
    _audit(services, caller, "keys")
    made = MadeApiKey(key_id=key_id, key=key.reveal())
    key.drop()
    return JSONResponse(made, headers={"Cache-Control": "no-store"})


async def _revoke_key(services: Administered, call: Call) -> Response:
    caller = await _changer(services, call)
    await services.api_keys.revoke(caller.tenant, call.value("key_id"))
    _audit(services, caller, "keys")
    return JSONResponse(Changed(status="revoked"))


HANDLERS: Mapping[str, Handler[Administered]] = {
    "caller": _caller,
    "agents": _agents,
    "set_agents": _set_agents,
    "issuers": _issuers,
    "add_issuer": _add_issuer,
    "remove_issuer": _remove_issuer,
    "members": _members,
    "set_member": _set_member,
    "remove_member": _remove_member,
    "keys": _keys,
    "make_key": _make_key,
    "revoke_key": _revoke_key,
}


async def _access(services: Administered, call: Call) -> Access:
    _, entry = await services.authenticator.authenticate(call.credentials)
    return entry.organization.access if entry.organization else Access()


async def _changer(services: Administered, call: Call) -> Principal:
    return await services.entrance.admit(call.credentials, "settings_changes")


def _user_id(call: Call) -> str:
    user_id = call.value("user_id")
    if len(user_id) > limits.MAX_USER_ID_CHARS or not user_id.isascii() or not user_id.isprintable():
        raise BadRequest(f"A user id has 1 to {limits.MAX_USER_ID_CHARS} printable ASCII characters.")
    return user_id


def _audit(services: Administered, caller: Principal, changed: str) -> None:
    services.log.info("access.changed", org=caller.org_slug, user_id=caller.user_id, changed=changed)


def _shown(key: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    return {
        "key_id": key["org_api_key_id"],
        "name": key["org_api_key_name"],
        "active": serves(key, now),
        "scopes": sorted(key["scopes"] or WITHOUT_SCOPES),
        "created_at": key["created_at"].isoformat(),
        "expires_at": key["expires_at"].isoformat() if key["expires_at"] else None,
    }
