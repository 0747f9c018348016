"""The rules of a roster, on agents made for the purpose."""

import pytest

from common.agents.roster import Agent, Roster

ROUTER = Agent("Router", "routes", "route", ())
ECHOER = Agent("Echoer", "echoes", "echo", ("echo",))
OTHER = Agent("Other", "else", "other", ("else",), starts=True)
# The first agent is found by its mark, wherever it stands.
ROSTER = Roster.of([ECHOER, ROUTER, OTHER])


def test_specialists_are_the_agents_with_tools() -> None:
    assert ROSTER.specialists == (ECHOER, OTHER)


@pytest.mark.parametrize(
    ("current", "expected"),
    [(ROUTER, ["Echoer", "Other"]), (ECHOER, ["Router", "Other"]), (OTHER, ["Echoer", "Router"])],
)
def test_every_agent_may_hand_over_to_every_other_one(current: Agent, expected: list[str]) -> None:
    function = ROSTER.transfer_schema(current)["function"]
    assert function["parameters"]["properties"]["agent_name"]["enum"] == expected
    assert [line.split(":")[0] for line in function["description"].splitlines()[1:]] == [
        f"- {name}" for name in expected
    ]
    assert not Roster.of([OTHER]).others(OTHER)


def test_a_turn_begins_with_the_specialist_that_answered_last() -> None:
    assert ROSTER.choose_first("Echoer") is ECHOER


@pytest.mark.parametrize("last", [None, "Nobody", "Router"])
def test_a_turn_begins_with_the_agent_that_starts_where_no_specialist_answered_last(last: str | None) -> None:
    assert ROSTER.choose_first(last) is OTHER


@pytest.mark.parametrize("agents", [[ECHOER], [OTHER, ECHOER, ECHOER], [OTHER, Agent("O2", "", "", (), starts=True)]])
def test_a_roster_has_one_first_agent_and_unique_names(agents: list[Agent]) -> None:
    with pytest.raises(ValueError, match="agent"):
        Roster.of(agents)
