"""The rules of a roster, on agents made for the purpose."""

import pytest

from common.agents.roster import Agent, Roster

ROUTER = Agent("Router", "routes", "route", (), router=True)
ECHOER = Agent("Echoer", "echoes", "echo", ("echo",))
OTHER = Agent("Other", "else", "other", ())
# The router is found by its mark, wherever it stands.
ROSTER = Roster.of([ECHOER, ROUTER, OTHER])


def test_the_router_is_the_agent_that_says_so() -> None:
    assert ROSTER.router is ROUTER
    assert ROSTER.specialists == (ECHOER, OTHER)


def test_the_router_may_hand_over_to_every_specialist_and_a_specialist_to_the_others() -> None:
    for current, expected in ((ROUTER, ["Echoer", "Other"]), (ECHOER, ["Other"])):
        schema = ROSTER.transfer_schema(current)["function"]["parameters"]["properties"]["agent_name"]
        assert schema["enum"] == expected
        assert ROSTER.may_transfer(current)
    assert not Roster.of([ROUTER]).may_transfer(ROUTER)


def test_an_unknown_agent_is_the_router() -> None:
    assert ROSTER.named("Nobody") is ROUTER
    assert ROSTER.named(None) is ROUTER


@pytest.mark.parametrize("agents", [[ECHOER], [ROUTER, ECHOER, ECHOER], [ROUTER, Agent("R2", "", "", (), router=True)]])
def test_a_roster_has_one_router_and_unique_names(agents: list[Agent]) -> None:
    with pytest.raises(ValueError, match="agent"):
        Roster.of(agents)
