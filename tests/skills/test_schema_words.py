"""Schemas refer a model only to tools that it has."""

import json

import pytest

from common.skills.loading import load_skills

SKILLS = load_skills()
# Tools that several agents share describe themselves where they are made.
SHARED = {"list_values", "data_status"}


@pytest.mark.parametrize("name", ["Optimizer", "UsageAnalyst"])
def test_arguments_refer_to_no_tool_of_another_agent(name: str) -> None:
    agent = SKILLS.roster.agents[name]
    others = {tool.name for tool in SKILLS.registry.tools} - set(agent.tools)
    own = [tool for tool in SKILLS.registry.tools if tool.name in set(agent.tools) - SHARED]
    assert own
    for tool in own:
        text = json.dumps(tool.schema())
        assert not [other for other in others if other in text], tool.name
