"""Files of episodes: each line is checked before anything is asked, and one that cannot be read is named."""

from datetime import date
from pathlib import Path

import pytest

from common.skills.loading import load_skills
from tests.eval.days import DayError, Days, Span
from tests.eval.episodes import EpisodeError, load

GOOD = '{"id": "one", "kind": "costs", "turns": [{"ask": "What did we spend in {M-1}?"}]}'


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "no JSON at character 2"),
        ('{"id": "one"}', "kind: Field required"),
        ('{"id": "NO SPACES", "kind": "costs", "turns": [{"ask": "x"}]}', "id: "),
        ('{"id": "two", "kind": "costs", "turns": []}', "turns: "),
        ('{"id": "two", "kind": "costs", "org": "nobody", "turns": [{"ask": "x"}]}', "org: "),
        ('{"id": "two", "kind": "costs", "turns": [{"ask": "x", "periode": "M-1"}]}', "turns.0.periode: "),
        ('{"id": "two", "kind": "costs", "turns": [{"ask": "x", "period": "tomorrow"}]}', "names no days"),
        ('{"id": "two", "kind": "costs", "turns": [{"ask": "in {M-1:cow}"}]}', "no such form"),
        ('{"id": "two", "kind": "costs", "turns": [{"ask": "x", "says": ["("]}]}', "unterminated subpattern"),
        ('{"id": "two", "kind": "costs", "turns": [{"ask": "x", "truth": [{"sum": "rows", "of": "cats"}]}]}', "cats"),
        ('{"id": "two", "kind": "costs", "turns": [{"ask": "x", "truth": [{"of": "costs"}]}]}', "truth wants 'sum'"),
        ('{"id": "two", "kind": "costs", "turns": [{"ask": "x", "truth": [{"sum": "rows", "was": 1}]}]}', "no 'was'"),
        (GOOD, "another episode 'one'"),
    ],
)  # fmt: skip
def test_a_bad_line_is_named_with_its_file_and_number(tmp_path: Path, line: str, said: str) -> None:
    file = tmp_path / "mine.jsonl"
    file.write_text(f"{GOOD}\n\n{line}\n")
    with pytest.raises(EpisodeError) as refused:
        load([file])
    assert str(refused.value).startswith("mine.jsonl, line 3: ")
    assert said in str(refused.value)


def test_a_file_that_cannot_be_read_and_a_name_that_is_nobodys_are_said(tmp_path: Path) -> None:
    (tmp_path / "latin.jsonl").write_bytes(b"\xff\xfe")
    for wrong in (tmp_path / "latin.jsonl", tmp_path / "missing.jsonl"):
        with pytest.raises(EpisodeError, match="cannot be read"):
            load([wrong])
    with pytest.raises(EpisodeError, match="no episode is named nothing-like-this"):
        load(only=["nothing-like-this"])


def test_a_choice_is_by_id_by_its_beginning_or_by_kind() -> None:
    assert {each.id for each in load(only=["cost-provider-last-month"])} == {"cost-provider-last-month"}
    assert all(each.id.startswith("fu-") for each in load(only=["fu-"]))
    assert {each.kind for each in load(only=["budgets"])} == {"budgets"}


def test_episodes_reach_every_agent_and_every_tool() -> None:
    skills, turns = load_skills(), [turn for each in load() for turn in each.turns]
    named = {name for turn in turns for name in turn.tools or ()}
    specialists = {agent.name for agent in skills.roster.specialists}
    assert {tool for agent in skills.roster.specialists for tool in agent.tools} <= named
    assert specialists <= {name for turn in turns for name in turn.agents or ()}


def test_there_are_episodes_of_every_kind() -> None:
    kinds = {each.kind for each in load()}
    wanted = {"follow-ups", "currencies", "empty periods", "ambiguous", "unanswerable", "injection", "other tenants"}
    assert wanted | {"bad input", "several intents"} <= kinds
    assert len(load()) >= 250


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("M-1", "2026-02-01", "2026-02-28"), ("M0", "2026-03-01", "2026-03-15"), ("M0!", "2026-03-01", "2026-03-31"),
        ("D-7..D-1", "2026-03-08", "2026-03-14"), ("W-1", "2026-03-02", "2026-03-08"),
        ("W0", "2026-03-09", "2026-03-15"), ("M-2..M-1", "2026-01-01", "2026-02-28"),
        ("Q-1", "2025-10-01", "2025-12-31"), ("Y0", "2026-01-01", "2026-03-15"), ("Y-1", "2025-01-01", "2025-12-31"),
        ("FY0", "2025-04-01", "2026-03-15"), ("FQ-1", "2025-10-01", "2025-12-31"),
    ],
)  # fmt: skip
def test_names_of_days_are_read_as_of_a_day(name: str, first: str, last: str) -> None:
    days = Days(date(2026, 3, 15), fiscal=4)
    assert days.span(name) == Span(date.fromisoformat(first), date.fromisoformat(last))


def test_places_in_a_question_are_filled() -> None:
    days = Days(date(2026, 3, 15))
    assert days.fill("{M-1} {M-1:name} {M-1:first} {M-1:last} {Q-1} {Y-1} {D-1} {D-1:long}") == (
        "February 2026 February 2026-02-01 2026-02-28 Q4 2025 2025 2026-03-14 March 14, 2026"
    )
    with pytest.raises(DayError):
        days.span("X-1")
