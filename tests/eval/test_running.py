"""``python -m tests.eval``: recordings, the cap, a provider that fails half-way, and a run that goes on."""

import io
import json
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from common.errors import ProviderUnavailable
from common.models.catalog import resolve
from common.models.completion import ModelCall
from common.secret import Secret
from tests.eval import recordings
from tests.eval.__main__ import main
from tests.eval.demo import Demo
from tests.eval.episodes import load
from tests.eval.judged import EpisodeResult, run_all
from tests.eval.metering import CapReached, Metered
from tests.eval.progress import Progress
from tests.eval.recordings import Recorder, Replayed, read_all
from tests.eval.report import Report, write
from tests.eval.running import staged
from tests.fakes.scripted_model import ScriptedModel, say

NAMES = ["cost-provider-last-month", "fu-only-aws"]


@pytest.fixture
def offline(emulators: dict[str, str]) -> dict[str, str]:
    return emulators


async def test_a_recording_is_played_again_without_its_model(
    offline: dict[str, str], today: date, tmp_path: Path
) -> None:
    episodes = load(only=NAMES)
    recorder = Recorder(Demo(), "demo", today, {each.id: each.digest for each in episodes})
    async with staged(today, recorder) as stage:
        first = await run_all(stage, episodes)
    for each in episodes:
        recorder.write(each.id, tmp_path)
    replayed = Replayed(read_all(tmp_path))
    async with staged(today, replayed) as stage:
        second = await run_all(stage, episodes)
    assert not replayed.stale
    assert [each.is_won for each in second] == [True, True]
    assert [turn.answer for each in second for turn in each.turns] == [t.answer for each in first for t in each.turns]


async def test_a_recording_of_another_request_is_stale_and_its_reply_is_not_said(
    offline: dict[str, str], today: date, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    episodes = load(only=NAMES[:1])
    recorder = Recorder(Demo(), "demo", today, {each.id: each.digest for each in episodes})
    async with staged(today, recorder) as stage:
        await run_all(stage, episodes)
    recorder.write(episodes[0].id, tmp_path)
    replayed = Replayed(read_all(tmp_path))
    monkeypatch.setattr("common.turn.briefing.system_context", lambda *_: "Today is 2020-01-01 (UTC).")
    async with staged(today, replayed) as stage:
        (result,) = await run_all(stage, episodes)
    assert result.stopped == "recording_missing"
    assert replayed.stale == {episodes[0].id: "request 1 has other prompt than were recorded"}


def test_a_file_that_is_no_recording_is_named(tmp_path: Path) -> None:
    (tmp_path / "odd.json").write_text("{}")
    with pytest.raises(recordings.RecordingError, match=r"odd\.json is no recording"):
        read_all(tmp_path)


async def test_the_cap_stops_before_it_is_passed() -> None:
    model = resolve("openai", "gpt-4o-mini", deployed=True)
    call = ModelCall(model, Secret("k"), [{"role": "user", "content": "word " * 2_000}], (), 0.0, 1_000)
    metered = Metered(ScriptedModel([say("ok")]), cap_usd=Decimal("0.004"))

    async def spend() -> None:
        for _ in range(100_000):
            async for _piece in metered.stream(call):
                pass

    with pytest.raises(CapReached):
        await spend()
    assert metered.is_stopped
    assert 0 < metered.spent_usd <= Decimal("0.004")
    assert metered.reserved_usd == 0


async def test_a_provider_that_fails_half_way_leaves_a_report_that_goes_on(
    offline: dict[str, str], today: date, tmp_path: Path
) -> None:
    episodes = load(only=["gr-", "bi-emoji", "cost-provider-last-month", "cost-team", "cost-service"])
    failing = ScriptedModel([say("Costs, spend, budgets and alerts are what I answer."), ProviderUnavailable()])
    progress = Progress.begun(tmp_path, "x:y", episodes, resume=False)
    async with staged(today, failing) as stage:
        await run_all(stage, episodes, at_once=1, heard=progress.heard)
    assert progress.ended == "The provider failed (provider_unavailable)."
    assert 0 < len(progress.results) < len(episodes)
    report = Report("x:y", today, progress.total, list(progress.results.values()), progress.ended)
    assert not report.is_won
    assert "**Not whole:** The provider failed (provider_unavailable)." in write(report, tmp_path).read_text()
    again = Progress.begun(tmp_path, "x:y", episodes, resume=True)
    assert again.results.keys() == progress.results.keys()
    assert not Progress.begun(tmp_path, "another:model", episodes, resume=True).results


def result(name: str, said: dict[str, str | None]) -> EpisodeResult:
    turn = {"asked": "?", "answer": "!", "agent": "A", "calls": [], "said": said, "model_calls": 2, "input_tokens": 9,
            "output_tokens": 1, "cost_usd": "0.01", "seconds": 0.1}  # fmt: skip
    return EpisodeResult.from_json({"id": name, "kind": "costs", "digest": "d", "turns": [turn]})


def test_a_report_says_what_has_changed_since_the_last(tmp_path: Path) -> None:
    day = date(2026, 11, 28)
    write(Report("demo", day, 2, [result("one", {"figures": ""}), result("two", {"figures": "wrong"})]), tmp_path)
    page = write(Report("demo", day, 2, [result("one", {"tool": "none"}), result("two", {"figures": ""})]), tmp_path)
    text = page.read_text()
    assert "- Lost: one (tool)" in text
    assert "- Won back: two" in text
    assert json.loads((tmp_path / "report.json").read_text())["scorers"]["figures"] == {"judged": 1, "red": 0}


def test_a_run_from_the_command_line(
    offline: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--only", "bi-empty", "--out", str(tmp_path)]) == 0
    assert "1 of 1 episodes won, 0 lost." in capsys.readouterr().out
    bad = tmp_path / "bad.jsonl"
    bad.write_text("{\n")
    assert main(["--episodes", str(bad)]) == 2
    assert "bad.jsonl, line 1: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--only", "no-such-episode"], "no episode is named"),
        (["--at-once", "0"], "--at-once"),
        (["--record"], "go with --model"),
        (["--model", "nobody:x"], "no provider 'nobody'"),
        (["--model", "openai:gpt-4o-mini", "--cap-usd", "-1"], "--cap-usd"),
        (["--model", "openai:something-unknown"], "no price"),
    ],
)
def test_what_cannot_be_run_is_said_before_a_key_is_asked_for(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert main([*arguments, "--out", str(tmp_path)]) == 2
    assert said in capsys.readouterr().err
