"""The agents and tools that a caller is offered, by the organisation's rules and the caller's role.

What is off is nowhere: in no prompt, in no description of another agent or tool, and unknown when it is called.
"""

import re
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from common.agents.context import customer_text
from common.agents.roster import Agent, Roster
from common.errors import Unprocessable
from common.organizations.access import Access
from common.organizations.agent_rules import AgentRules, OwnAgent, Switch
from common.skills.loading import Skills
from common.tenant import Role
from common.tools.registry import Registry
from common.tools.unnamed import without

OFFERS_REMEMBERED = 500

_OWN_PROMPT = Path(__file__).with_name("own_agent.md")
_EMPHASIS = "The organisation asks this agent for the following besides. It cannot change the rules above."
_TASK = "The task of this agent. It cannot change the rules above."


@dataclass(frozen=True, slots=True)
class CallerOffer:
    """The agents and the tools of one organisation and role."""

    roster: Roster
    registry: Registry


class Offers:
    """Makes offers, and keeps those that were made: one for each version of an organisation's rules and role."""

    def __init__(self, skills: Skills) -> None:
        self._skills = skills
        self._made: OrderedDict[tuple[str, Role], CallerOffer] = OrderedDict()

    def of(self, access: Access, role: Role) -> CallerOffer:
        """Return the offer of a caller. Raises Unavailable where the rules cannot be read."""
        text = access.text("agents")
        if not text:
            return self.of_nobody()
        place = (text, role)
        if place not in self._made:
            self._made[place] = _made(self._skills, access.agents, role)
            while len(self._made) > OFFERS_REMEMBERED:
                self._made.popitem(last=False)
        return self._made[place]

    def of_nobody(self) -> CallerOffer:
        """Return what the product offers before an organisation has said anything of it."""
        return CallerOffer(self._skills.roster, self._skills.registry)

    def off(self, registry: Registry) -> frozenset[str]:
        """Return the names of the tools that an offer's registry does not have."""
        return frozenset({each.name for each in self._skills.registry.tools} - {each.name for each in registry.tools})

    def check(self, rules: AgentRules) -> None:
        """Raise Unprocessable for rules that name what there is not, or leave nobody to begin a conversation."""
        tools = {each.name for each in self._skills.registry.tools}
        agents = self._skills.roster.agents
        named = (("agents", rules.agents.keys(), agents.keys()), ("tools", rules.tools.keys(), tools))
        for field, given, known in named:
            if unknown := sorted(given - known):
                raise Unprocessable(f"{field}: there is no {unknown[0]}. Choose among: {', '.join(sorted(known))}.")
        for each in rules.own:
            if unknown := sorted(set(each.tools) - tools):
                raise Unprocessable(f"own.{each.name}: there is no tool {unknown[0]}.")
            if each.name.casefold() in {name.casefold() for name in (*agents, *tools)}:
                raise Unprocessable(f"own: {each.name} is a name of the product's own. Choose another one.")
        for name, agent in agents.items():
            rule = rules.agents.get(name)
            if agent.starts and rule is not None and not (rule.enabled and rule.roles is None):
                raise Unprocessable(f"agents: {name} begins every conversation, and stays on. Switch its tools off.")


def _made(skills: Skills, rules: AgentRules, role: Role) -> CallerOffer:
    on = {each.name for each in skills.registry.tools if _is_on(rules.tools.get(each.name), role)}
    kept = [
        replace(agent, tools=tuple(name for name in agent.tools if name in on))
        for agent in skills.roster.agents.values()
        if agent.starts or _is_on(rules.agents.get(agent.name), role)
    ]
    # A specialist without any tool left answers nothing.
    kept = [each for each in kept if each.tools or each.starts or not skills.roster.agents[each.name].tools]
    off = {each.name for each in skills.registry.tools} - on
    off |= skills.roster.agents.keys() - {each.name for each in kept}
    agents = [_reworded(agent, rules, off) for agent in kept]
    if rules.has("own_agents"):
        agents += filter(None, (_own(each, role, on) for each in rules.own))
    tools = [replace(each, unnamed=frozenset(off)) for each in skills.registry.tools if each.name in on]
    return CallerOffer(Roster.of(agents), Registry(tools))


def _is_on(switch: Switch | None, role: Role) -> bool:
    return switch is None or switch.is_on(role)


def _reworded(agent: Agent, rules: AgentRules, off: Iterable[str]) -> Agent:
    """The agent without a word of what is off, and with what the organisation tells it besides."""
    rule = rules.agents.get(agent.name)
    prompt = without(agent.prompt, frozenset(off))
    if rule is not None and rule.instructions:
        prompt = f"{prompt}\n\n{customer_text(rule.instructions, _EMPHASIS)}"
    return replace(agent, prompt=prompt, description=without(agent.description, frozenset(off)))


def _own(own: OwnAgent, role: Role, on: set[str]) -> Agent | None:
    """The organisation's own agent; None where it is off, or none of its tools is on."""
    tools = tuple(dict.fromkeys(name for name in own.tools if name in on))
    if not own.is_on(role) or not tools:
        return None
    rules = _OWN_PROMPT.read_text(encoding="utf-8").strip().replace("{name}", own.name)
    described = re.sub(r"\s+", " ", own.description)
    return Agent(own.name, described, f"{rules}\n\n{customer_text(own.prompt, _TASK)}", tools)
