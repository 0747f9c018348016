"""The agents as agents.yml and the prompts declare them."""

from common.agents.roster import load_roster
from common.app import Services
from common.settings import Settings

ROSTER = load_roster()


def test_the_first_agent_routes_and_has_no_tools() -> None:
    assert ROSTER.router.name == "Orchestrator"
    assert ROSTER.router.tools == ()


def test_every_tool_an_agent_names_exists() -> None:
    known = {tool.name for tool in Services(Settings()).registry.tools}
    assert {name for agent in ROSTER.specialists for name in agent.tools} == known


def test_every_tool_belongs_to_one_agent() -> None:
    named = [name for agent in ROSTER.agents.values() for name in agent.tools]
    assert len(named) == len(set(named))


def test_the_five_agents_and_their_number_of_tools() -> None:
    assert {agent.name: len(agent.tools) for agent in ROSTER.agents.values()} == {
        "Orchestrator": 0, "CostAnalyst": 5, "AlertManager": 4, "UsageAnalyst": 4, "Explorer": 3,
    }  # fmt: skip


def test_every_prompt_names_its_agent_and_its_tools() -> None:
    for agent in ROSTER.agents.values():
        assert agent.name in agent.prompt
        assert all(tool in agent.prompt for tool in agent.tools)


def test_the_router_may_hand_over_to_every_specialist_and_a_specialist_to_the_others() -> None:
    schema = ROSTER.transfer_schema(ROSTER.router)["function"]["parameters"]["properties"]["agent_name"]
    assert schema["enum"] == [agent.name for agent in ROSTER.specialists]
    assert ROSTER.may_transfer(ROSTER.router)


def test_an_unknown_agent_is_the_router() -> None:
    assert ROSTER.named("Nobody") is ROSTER.router
    assert ROSTER.named(None) is ROSTER.router
