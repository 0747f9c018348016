"""``python -m local guard``: one verdict, or one a line."""

import argparse
import io
import json
from pathlib import Path

import pytest

from local import guard


def run(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser()
    guard.add_arguments(parser)
    return guard.run(parser.parse_args(arguments))


def test_one_query_is_explained(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("SELECT x FROM spend"))
    assert run(["--org", "acme_inc", "--project", "p-1"]) == 0
    verdict = json.loads(capsys.readouterr().out)
    assert verdict["admitted"] is True
    assert verdict["tables"] == ["p-1.acme_inc_prod.spend"]
    assert verdict["sql"] == "SELECT x FROM `p-1.acme_inc_prod.spend` AS spend LIMIT 500"


def test_a_file_of_cases_is_decided_line_by_line_in_order(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    lines = [{"id": str(n), "sql": f"SELECT {n} AS n" if n % 2 else "DROP TABLE t", "org": "acme"} for n in range(100)]
    file = tmp_path / "cases.jsonl"
    file.write_text("\n".join(map(json.dumps, lines)))
    assert run(["--jsonl", str(file)]) == 0
    verdicts = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [verdict["id"] for verdict in verdicts] == [line["id"] for line in lines]
    assert {verdict["code"] for verdict in verdicts} == {None, "not_a_query"}


@pytest.mark.parametrize("text", ["not json", "[]", '{"id": 1}', '{"sql": "SELECT 1", "org": "Bad Slug"}'])
def test_unusable_input_is_exit_code_2(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "cases.jsonl"
    file.write_text(text)
    assert run(["--jsonl", str(file)]) == 2
    assert capsys.readouterr().err.startswith("guard: ")


def test_a_missing_file_is_exit_code_2(tmp_path: Path) -> None:
    assert run(["--jsonl", str(tmp_path / "none")]) == 2
