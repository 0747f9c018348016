"""A person in a terminal: questions, tables, charts, the work behind an answer, and what has been said before."""

import json
from pathlib import Path

from tests.api.conftest import Product
from tests.clients.terminal import CONTROL_D, Terminal, terminal


def chat(product: Product, user: str, state: Path, *arguments: str) -> tuple[str, ...]:
    return ("chat", "--port", product.url.rsplit(":", 1)[1], "--user", user, "--state", str(state), *arguments)


def say(at: Terminal, line: str, prompt: str = "acme_inc> ") -> str:
    """Type a line at the prompt, and return what came until the next one."""
    before = len(at.text)
    at.enter(line)
    end = at.wait_for(prompt, at.wait_for("\n", before))
    return at.text[before:end]


def test_a_conversation_goes_on_and_is_found_again(product: Product, tmp_path: Path) -> None:
    with terminal(*chat(product, "chatting", tmp_path)) as at:
        at.wait_for("acme_inc> ")
        answer = say(at, "What did we spend per provider last month?")
        assert "CostAnalyst · query costs by provider, 20" in answer
        assert " rows, " in answer
        assert "| ---" not in answer
        assert "USD" in answer
        followed = say(at, "and only AWS?")
        assert "AWS" in followed
        assert "OpenAI" not in followed
        assert "Renamed." in say(at, "/rename Monthly review")
        assert "A new conversation" in say(at, "/new")
        say(at, "Top 3 services by cost last month")
        listed = say(at, "/list")
        assert "1*  Top 3 services by cost last month" in listed
        assert "2   Monthly review" in listed
        assert "and only AWS?" in say(at, "/open 2")
        assert "AWS" in say(at, "and in the month before that?")
        found = say(at, "/search only aws")
        assert "and only AWS?" in found
        assert "user" in found
        assert "Nothing was found." in say(at, "/search 100%_sure")
        at.enter("/quit")
        assert at.code() == 0
    assert "Traceback" not in at.text


def test_the_work_and_the_chart_are_one_command_away_also_of_an_answer_from_before(
    product: Product, tmp_path: Path
) -> None:
    with terminal(*chat(product, "working", tmp_path)) as at:
        at.wait_for("acme_inc> ")
        assert "There is no answer yet." in say(at, "/sql")
        assert "has no chart" in say(at, "/chart")
        answer = say(at, "Show the cost per day in the last 14 days")
        assert "SELECT" not in answer
        assert "max " in answer
        line = next(line for line in answer.splitlines() if "▁" in line)
        assert "█" in line
        say(at, "/new")
        say(at, "/list")
        assert line in say(at, "/open 1")
        assert line in say(at, "/chart")
        work = say(at, "/sql")
        assert "filters: none" in work
        assert "period: " in work
        assert " bytes" in work
        assert "cost_data_standard_1_3" in work
        assert "@start = " in work
        at.type(CONTROL_D)
        assert at.code() == 0


def test_a_breakdown_is_drawn_as_bars(product: Product, tmp_path: Path) -> None:
    with terminal(*chat(product, "drawing", tmp_path, "--work")) as at:
        at.wait_for("acme_inc> ")
        answer = say(at, "What did we spend per provider last month?")
        drawn = {line.split()[0]: line.count("█") for line in answer.splitlines() if "█" in line}
        assert drawn["AWS"] > drawn["OpenAI"] > drawn["Anthropic"] > 0
        assert "cost_data_standard_1_3" in answer
        at.enter("/quit")
        assert at.code() == 0


def test_another_organisation_is_asked_and_has_its_own_conversations(product: Product, tmp_path: Path) -> None:
    with terminal(*chat(product, "switching", tmp_path)) as at:
        at.wait_for("acme_inc> ")
        assert "USD" in say(at, "What did we spend last month?")
        say(at, "/org globex_inc", "globex_inc> ")
        assert "no conversations yet" in say(at, "/list", "globex_inc> ")
        assert "EUR" in say(at, "What did we spend last month?", "globex_inc> ")
        assert "Type /org and one of" in say(at, "/org nobody", "globex_inc> ")
        at.enter("/quit")
        assert at.code() == 0


def test_a_conversation_is_written_to_a_file_and_no_file_is_lost(product: Product, tmp_path: Path) -> None:
    path = tmp_path / "said.json"
    with terminal(*chat(product, "exporting", tmp_path)) as at:
        at.wait_for("acme_inc> ")
        assert "no conversation yet" in say(at, "/export")
        say(at, "What did we spend last month?")
        assert "bytes" in say(at, f"/export {path}")
        assert "is there already" in say(at, f"/export {path}")
        assert "cannot be written" in say(at, f"/export {tmp_path}/no/where.json")
        at.enter("/quit")
        assert at.code() == 0
    exported = json.loads(path.read_text())
    assert [message["role"] for message in exported["messages"]] == ["user", "assistant"]


def test_what_is_not_understood_is_explained(product: Product, tmp_path: Path) -> None:
    with terminal(*chat(product, "learning", tmp_path)) as at:
        at.wait_for("acme_inc> ")
        listed = say(at, "/help")
        assert all(command in listed for command in ("/new", "/list", "/open", "/sql", "/export", "/quit"))
        assert "There is no command /lst" in say(at, "/lst")
        assert "There is no number 7" in say(at, "/open 7")
        assert "no such conversation" in say(at, "/open nothing-of-mine")
        assert "no conversation yet" in say(at, "/rename Review")
        assert "Nothing is unanswered" in say(at, "/retry")
        assert "There are no more" in say(at, "/list more")
        at.type("/he\t")
        assert "/rename TITLE" in say(at, "")
        at.type(CONTROL_D)
        assert at.code() == 0


def test_on_a_terminal_one_question_is_answered_with_a_table_a_chart_and_its_period(product: Product) -> None:
    port = product.url.rsplit(":", 1)[1]
    with terminal("ask", "--port", port, "--", "What did we spend per provider last month?") as at:
        assert at.code() == 0
    assert "✓ CostAnalyst · query costs by provider" in at.text
    assert "\x1b[" in at.written.decode()
    assert "| ---" not in at.text
    assert "█" in at.text
    assert "cost_data_standard_1_3" not in at.text
    assert " · filters: none · " in at.text.strip().splitlines()[-1]


def test_a_terminal_without_colours_gets_plain_text(product: Product) -> None:
    port = product.url.rsplit(":", 1)[1]
    with terminal("ask", "--port", port, "--", "Say hello", environment={"TERM": "dumb"}) as at:
        assert at.code() == 0
    assert "\x1b" not in at.written.decode()
