"""An organisation's own rules of access: issuers of its people's tokens, members, agents and tools.

A kind of it is one JSON text with a version. It is read with the organisation's copy, so it costs no request of its
own, and each text is parsed once on an instance.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from common.bodies import Body
from common.errors import Unavailable
from common.organizations.agent_rules import AgentRules
from common.organizations.issuers import MAX_ISSUERS, StoredIssuer
from common.tenant import Role

MAX_MEMBERS = 500
PARSED_REMEMBERED = 1_000

Kind = Literal["issuers", "members", "agents"]
T = TypeVar("T", bound=BaseModel)


class Issuers(BaseModel):
    """The registered issuers."""

    model_config = ConfigDict(frozen=True)

    issuers: Annotated[tuple[StoredIssuer, ...], Field(max_length=MAX_ISSUERS)] = ()

    def named(self, issuer: str) -> StoredIssuer | None:
        """Return the issuer of exactly this name. Returns None if it is not registered."""
        return next((each for each in self.issuers if each.issuer == issuer), None)


class Member(Body):
    """A person as the organisation knows them: a role in place of the token's, or blocked."""

    role: Role | None = None
    blocked: bool = False


class Members(BaseModel):
    """The people of whom the organisation says something, by their user ids."""

    model_config = ConfigDict(frozen=True)

    members: Annotated[dict[str, Member], Field(max_length=MAX_MEMBERS)] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Policy:
    """One kind as it is stored: its JSON text, and the version that it is."""

    version: int
    text: str


@dataclass(frozen=True, slots=True)
class Access:
    """All kinds of an organisation; one that was never written is empty."""

    policies: Mapping[str, Policy] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def issuers(self) -> Issuers:
        return self._parsed(Issuers, "issuers")

    @property
    def members(self) -> Members:
        return self._parsed(Members, "members")

    @property
    def agents(self) -> AgentRules:
        return self._parsed(AgentRules, "agents")

    def text(self, kind: Kind) -> str:
        """Return the stored text of a kind; empty for one that was never written."""
        policy = self.policies.get(kind)
        return policy.text if policy else ""

    def version(self, kind: Kind) -> int:
        """Return the version of a kind; 0 for one that was never written."""
        policy = self.policies.get(kind)
        return policy.version if policy else 0

    def _parsed(self, model: type[T], kind: Kind) -> T:
        found = _parse(model, self.text(kind) or "{}")
        assert isinstance(found, model)
        return found


def access_of(data: Mapping[str, Any] | None) -> Access:
    """Return the access of an organisation's copy."""
    return Access({kind: Policy(each["version"], each["body"]) for kind, each in (data or {}).items()})


@lru_cache(PARSED_REMEMBERED)
def _parse(model: type[BaseModel], text: str) -> BaseModel:
    """Parse a text. Raises Unavailable for one that this version cannot read: nobody is let in by guessing."""
    try:
        return model.model_validate_json(text)
    except ValidationError:
        raise Unavailable("What the organisation has set of its access cannot be read. Set it anew.") from None
