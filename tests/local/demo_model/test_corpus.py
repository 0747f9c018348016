"""The questions that the model must understand, with their calls; and the size of what understands them."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from local.demo_model.table import load_table
from tests.local.demo_model.offered import BY_NAME, FIRST, TOOLS, decided

CORPUS = [
    json.loads(line) for line in Path(__file__).with_name("corpus.jsonl").read_text(encoding="utf-8").splitlines()
]
FOLDER = Path(__file__).parents[3] / "local" / "demo_model"
# Every agent hands a question of another subject on.
SUBJECTS = {
    "What did we spend per provider last month?": "CostAnalyst",
    "What is our most expensive model?": "CostAnalyst",
    "list my alerts": "AlertManager",
    "create an alert": "AlertManager",
    "how many requests did we send?": "UsageAnalyst",
    "failed pipeline runs": "UsageAnalyst",
    "which tables do I have?": "Explorer",
    "SELECT COUNT(*) FROM org_alert_history": "Explorer",
}


@pytest.mark.parametrize("asked", CORPUS, ids=lambda asked: asked["ask"][:60])
def test_a_question_becomes_the_calls_that_answer_it(asked: dict[str, Any]) -> None:
    today = date.fromisoformat(asked.get("today", "2026-11-20"))
    agent, decision = decided(asked["ask"], *asked.get("earlier", ()), today=today)
    calls = [[call.name, dict(call.arguments)] for call in decision.calls]
    assert agent == asked["agent"]
    assert calls == [
        [name, calls[at][1] if arguments is None else arguments] for at, (name, arguments) in enumerate(asked["calls"])
    ]
    assert calls or decision.text
    assert asked.get("says", "").lower() in decision.text.lower()


@pytest.mark.parametrize("question", SUBJECTS)
@pytest.mark.parametrize("first", list(TOOLS))
def test_every_agent_hands_a_question_to_the_one_it_belongs_to(question: str, first: str) -> None:
    assert decided(question, first=first)[0] == SUBJECTS[question]


@pytest.mark.parametrize("reply", ["thanks", "ok", "only critical", "and last week?", "yes", "AWS"])
def test_an_alert_that_is_set_up_is_never_set_up_again_by_a_later_word(reply: str) -> None:
    created = "create an alert when spend exceeds 500 USD on AWS"
    for first in (FIRST, "AlertManager"):
        assert "create_alert" not in [call.name for call in decided(reply, created, first=first)[1].calls]


def test_the_whole_folder_stays_small_and_a_tool_needs_few_lines() -> None:
    files = [path for path in FOLDER.rglob("*") if path.suffix in (".py", ".yml", ".md")]
    assert sum(len(path.read_text(encoding="utf-8").splitlines()) for path in files) <= 1_572
    entries = (FOLDER / "intents.yml").read_text(encoding="utf-8").split("\nintents:\n")[1].split("\n  - ")
    assert max(len(entry.splitlines()) for entry in entries) <= 15


def test_the_table_names_only_tools_and_agents_of_the_product() -> None:
    for intent in load_table()[0]:
        assert intent.agent in TOOLS
        assert not intent.tool or intent.tool in {tool.name for tool in TOOLS[intent.agent]}
        assert not intent.more.get("otherwise") or intent.more["otherwise"] in BY_NAME
