"""An organisation's own rules for agents and tools: which are on and for whom, and agents of its own."""

from typing import Annotated, Literal, Self, get_args

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from common.bodies import Body
from common.tenant import Role

MAX_RULES = 100
INSTRUCTIONS_CHARS = 2_000
MAX_OWN_AGENTS = 10
MAX_OWN_TOOLS = 12
OWN_DESCRIPTION_CHARS = 300
OWN_PROMPT_CHARS = 4_000

# What of the product an organisation has switched on, by the function or part that it is about.
Feature = Literal["mcp", "a2a", "copilotkit", "completions", "tools", "own_agents"]
FEATURES: frozenset[str] = frozenset(get_args(Feature))


def _printable(text: str) -> str:
    if any(not each.isprintable() and each not in "\n\t" for each in text) or not text.strip():
        raise ValueError("write printable text")
    return text


def _one_line(text: str) -> str:
    return " ".join(_printable(text).split())


Text = Annotated[str, AfterValidator(_printable)]
Line = Annotated[str, AfterValidator(_one_line)]


class _Strict(Body):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Switch(_Strict):
    """A switch of an agent or a tool: on or off for all, or on for the roles that are named."""

    enabled: bool = True
    roles: list[Role] | None = None

    def is_on(self, role: Role) -> bool:
        """Return true if it is on for a role."""
        return self.enabled and (self.roles is None or role in self.roles)


class AgentRule(Switch):
    """The rule of one of the product's agents; ``instructions`` are read after its own prompt."""

    instructions: Annotated[Text, Field(max_length=INSTRUCTIONS_CHARS)] | None = None


class OwnAgent(Switch):
    """An agent of the organisation's own: some of the product's tools under a prompt of its own."""

    name: str = Field(pattern=r"^[A-Z][A-Za-z0-9]{2,39}$")
    description: Annotated[Line, Field(min_length=10, max_length=OWN_DESCRIPTION_CHARS)]
    prompt: Annotated[Text, Field(min_length=1, max_length=OWN_PROMPT_CHARS)]
    tools: Annotated[list[str], Field(min_length=1, max_length=MAX_OWN_TOOLS)]


class AgentRules(_Strict):
    """All rules of an organisation; what is not named is on for everybody."""

    agents: Annotated[dict[str, AgentRule], Field(max_length=MAX_RULES)] = Field(default_factory=dict)
    tools: Annotated[dict[str, Switch], Field(max_length=MAX_RULES)] = Field(default_factory=dict)
    own: Annotated[list[OwnAgent], Field(max_length=MAX_OWN_AGENTS)] = Field(default_factory=list)
    features: dict[Feature, bool] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _names_each_once(self) -> Self:
        names = [each.name.casefold() for each in self.own]
        if len(set(names)) < len(names):
            raise ValueError("own: two agents have the same name")
        return self

    def has(self, feature: Feature) -> bool:
        """Return true unless the organisation has switched a feature off."""
        return self.features.get(feature, True)


class AgentRulesChange(AgentRules):
    """The body of PUT settings/agents: all rules as they shall be. ``version`` is the one that was read."""

    version: int | None = Field(None, ge=0)

    @property
    def rules(self) -> AgentRules:
        return AgentRules(**{name: getattr(self, name) for name in AgentRules.model_fields})
