"""Answers with a thumb down become episodes that the evaluation reads, and that do not tell whose they are."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from common.warehouse import schema
from local.__main__ import main
from local.data.__main__ import emulated_bigquery
from local.data.warehouse import append_table, wait_for, write_ndjson
from local.episodes import Redaction, episode_of
from tests.conftest import PROJECT, Cloud
from tests.eval.episodes import load

NAMES = Redaction(["Priya Raman", "Acme Inc", "user-7"])


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("Ask Priya Raman, or PRIYA", "Ask <name>, or <name>"),
        ("mail a.b+c@acme.example now", "mail <email> now"),
        ("the key sk-proj-abcdef0123456789 leaked", "the key <key> leaked"),
        ("AKIAIOSFODNN7EXAMPLE is one", "<key> is one"),
        ("account 123456789012 and 1234-5678-9012", "account <id> and <id>"),
        ("conversation 3f2504e0-4f89-41d3-9a0c-0305e82c3301", "conversation <id>"),
        ("see https://acme.example/bill?id=7", "see <address>"),
        ("instance i-0abc123def456", "instance <id>"),
        ("We spent 12,345,678.90 USD on AWS in October 2026", "We spent 12,345,678.90 USD on AWS in October 2026"),
        ("EC2 in us-east-1 by gpt-5-mini", "EC2 in us-east-1 by gpt-5-mini"),
    ],
)
def test_what_tells_whose_it_is_is_replaced_and_the_question_stays(text: str, redacted: str) -> None:
    assert NAMES(text) == redacted


def test_an_answer_that_the_record_does_not_have_is_no_episode() -> None:
    assert episode_of({"conversation_id": "c", "message_id": "gone", "reason": None}, [], NAMES) is None


def _load(cloud: Cloud, table: str, rows: list[dict[str, Any]], folder: Path) -> None:
    client, described = emulated_bigquery(cloud.environment), schema.load("organizations", table)
    with (folder / table).open("w+b") as file:
        write_ndjson(file, rows)
        wait_for(append_table(client, f"{PROJECT}.organizations.{table}", described, file))


def test_answers_rated_down_are_printed_redacted_and_can_be_evaluated(
    cloud: Cloud, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    now = datetime.now(UTC)
    base = {"org_slug": "acme_inc", "user_id": "user-7"}
    said = [
        ("q1", "user", "What did Priya Raman spend?"),
        ("a1", "assistant", "USD 5"),
        ("q2", "user", "x@acme.example"),
    ]
    for number, (rating, status) in enumerate((("down", "active"), ("up", "active"), ("down", "deleted"))):
        name = {"conversation_id": f"rated-{number}"}
        times = {"created_at": now, "updated_at": now}
        model = {"title": "t", "provider": "demo", "model_id": "m", "message_count": 3, "last_message_at": now}
        _load(cloud, "org_chat_conversations", [{**base, **name, **times, **model, "status": status}], tmp_path)
        messages = [
            {"org_slug": "acme_inc", **name, "message_id": f"{each}-{number}", "role": role, "content": text,
             "created_at": now + timedelta(seconds=place), "agent_name": "CostAnalyst" if role == "assistant" else None}
            for place, (each, role, text) in enumerate(said)
        ]  # fmt: skip
        _load(cloud, "org_chat_messages", messages, tmp_path)
        feedback = {**base, **name, **times, "message_id": f"a1-{number}", "rating": rating, "reason": "wrong_numbers"}
        _load(cloud, "org_chat_feedback", [feedback], tmp_path)
    assert main(["episodes", "--org", "acme_inc"]) == 0
    printed = capsys.readouterr().out
    (line,) = [json.loads(each) for each in printed.splitlines() if "<name> spend" in each]
    assert line["turns"] == [{"ask": "What did <name> spend?"}]
    assert "wrong_numbers" in line["note"]
    assert "Priya" not in printed
    assert "x@acme" not in printed
    (tmp_path / "mine.jsonl").write_text(json.dumps(line))
    assert load([tmp_path / "mine.jsonl"])[0].kind == "rated down"


def test_another_organisation_sees_none_of_them(cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["episodes", "--org", "globex_inc"]) == 0
    assert not capsys.readouterr().out


@pytest.mark.parametrize("wrong", [["--days", "0"], ["--days", "366"], ["--limit", "0"], ["--limit", "1001"]])
def test_a_number_out_of_bounds_is_named(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["episodes", "--org", "acme_inc", *wrong]) == 2
    assert wrong[0] in capsys.readouterr().err
