"""The product's own skills, and one that is made up here."""

from pathlib import Path

import pytest

from common.skills.loading import load_skills, own_folders

SKILLS = load_skills()
ROSTER = SKILLS.roster


def test_every_tool_that_a_skill_makes_is_named_by_one_agent_or_more() -> None:
    named = {name for agent in ROSTER.specialists for name in agent.tools}
    assert {tool.name for tool in SKILLS.registry.tools} == named


def test_a_conversation_begins_with_the_analyst_of_costs_who_can_hand_over_to_every_other_agent() -> None:
    first = ROSTER.choose_first(None)
    assert first.name == "CostAnalyst"
    assert {first.name, *(agent.name for agent in ROSTER.others(first))} == set(ROSTER.agents)
    assert ROSTER.agents["Orchestrator"].tools == ()


def test_no_agent_names_a_tool_twice() -> None:
    for agent in ROSTER.agents.values():
        assert len(agent.tools) == len(set(agent.tools))


def test_every_prompt_names_its_agent_and_its_tools() -> None:
    for agent in ROSTER.agents.values():
        assert agent.name in agent.prompt
        assert all(tool in agent.prompt for tool in agent.tools)


def test_every_folder_of_a_skill_is_read() -> None:
    assert {folder.name for folder in own_folders()} == {
        path.name for path in own_folders()[0].parent.iterdir() if path.is_dir() and path.name != "__pycache__"
    }


TOOLS = '''
from common.tools.registry import tool
from common.tools.result import ToolResult

async def {name}(principal, context, *, word: str) -> ToolResult:
    """Answer with a word."""
    return ToolResult(None, ({{"word": word}},), {{}})

TOOLS = (tool("made_up", {name}),)
'''


def make(folder: Path, entry: str, tool: str = "say_word") -> Path:
    """A skill's folder with one tool and one entry of agent.yml."""
    folder.mkdir()
    (folder / "tools.py").write_text(TOOLS.format(name=tool))
    (folder / "agent.yml").write_text(f"agents:\n  - {entry}\n")
    (folder / "prompt.md").write_text("You are Speaker; say_word says a word.")
    (folder / "more.md").write_text("Use say_word for words.")
    return folder


def test_a_skill_may_declare_an_agent(tmp_path: Path) -> None:
    skills = load_skills(make(tmp_path / "words", "{name: Speaker, description: Says words., tools: [say_word]}"))
    assert skills.roster.specialists[-1].name == "Speaker"
    assert skills.registry.tools[-1].name == "say_word"
    assert len(skills.registry.tools) == len(SKILLS.registry.tools) + 1


def test_a_skill_may_extend_another_one_s_agent(tmp_path: Path) -> None:
    skills = load_skills(make(tmp_path / "lent", "{extends: CostAnalyst, tools: [say_word], prompt: more.md}"))
    analyst = skills.roster.agents["CostAnalyst"]
    assert analyst.tools == (*ROSTER.agents["CostAnalyst"].tools, "say_word")
    assert analyst.prompt.endswith("Use say_word for words.")
    assert len(skills.roster.agents) == len(ROSTER.agents)


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("{name: Speaker, description: x, tools: [unheard_of]}", "unheard_of"),
        ("{extends: Nobody, tools: [say_word]}", "Nobody"),
        ("{name: Speaker, description: x, tools: [say_word], starts: true}", "starts"),
    ],
)
def test_a_skill_that_does_not_fit_is_refused(tmp_path: Path, entry: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        load_skills(make(tmp_path / "odd", entry))
