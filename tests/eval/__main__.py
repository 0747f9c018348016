"""``make eval``: episodes against a model, judged without one, with a report and what has changed since the last.

``--model demo`` (the default) and ``replayed`` are offline. ``--model openai:gpt-4o-mini`` asks a provider with a key
that is asked for, or read from standard input with ``--key-stdin``; ``--base-url`` names any address that speaks the
provider's format, so that a person or another program can play the model. Exit code: 0 nothing is lost; 1 something is,
or the run is not whole; 2 not understood; 130 stopped. A run that is not whole goes on with ``--resume``.
"""

import argparse
import asyncio
import getpass
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path

from common.errors import ServiceError
from common.models.catalog import Model, canonical, resolve
from common.models.completion import Completion, Providers
from common.organizations.settings_change import SettingsChange
from common.secret import Secret
from local.data.organizations import DEMO
from local.operating import operator_of
from tests.eval.demo import Demo
from tests.eval.episodes import Episode, EpisodeError, load
from tests.eval.judge import ask_judge
from tests.eval.judged import AT_ONCE, EpisodeResult, run_all
from tests.eval.progress import Progress
from tests.eval.recordings import FOLDER, Recorder, RecordingError, Replayed, read_all
from tests.eval.report import Report, write
from tests.eval.running import Stage, emulated, staged

OUT = Path(__file__).parents[2] / ".cache" / "eval"
_CANCELLED = 130


class NotUnderstoodError(ValueError):
    """The command cannot be run as it was given; the message says what to change."""


@dataclass(slots=True)
class Run:
    """What one run needs: its episodes by the day they are played on, and its model."""

    options: argparse.Namespace
    progress: Progress
    days: dict[date, list[Episode]]
    model: Completion
    live: Model | None = None
    key: Secret | None = field(default=None, repr=False)
    recorder: Recorder | None = None
    stale: list[str] = field(default_factory=list)
    votes: dict[str, str] = field(default_factory=dict)
    spent_usd: Decimal = Decimal()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.eval", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="demo", help="demo, replayed, or PROVIDER:MODEL (demo)")
    parser.add_argument("--base-url", help="where the provider's API is, such as http://127.0.0.1:9000/v1")
    parser.add_argument("--key-stdin", action="store_true", help="read the provider's key from standard input")
    parser.add_argument("--episodes", nargs="+", type=Path, default=[], metavar="FILE", help="files of JSON lines")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="ids, their beginnings, or kinds")
    parser.add_argument("--cap-usd", default="1.00", help="the most that a live run may cost (1.00), or none")
    parser.add_argument("--resume", action="store_true", help="go on where the last run of this model ended")
    parser.add_argument("--record", action="store_true", help="keep a live model's replies, to be replayed")
    parser.add_argument("--judge", action="store_true", help="let the live model vote on what is lost; never a gate")
    parser.add_argument("--at-once", type=int, default=AT_ONCE, help=f"episodes at the same time ({AT_ONCE})")
    parser.add_argument("--out", type=Path, help="where the report is written (.cache/eval/MODEL)")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    options = _parser().parse_args(arguments)
    try:
        run = _prepare(options)
    except (EpisodeError, RecordingError, NotUnderstoodError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    try:
        for day, episodes in run.days.items():
            with emulated(day):
                asyncio.run(_play(run, day, episodes))
    except KeyboardInterrupt:
        run.progress.ended = "It was stopped."
    return _finish(run)


def _prepare(options: argparse.Namespace) -> Run:
    """Read what is to be played, and with which model."""
    episodes = load(options.episodes, options.only)
    if options.at_once < 1:
        raise NotUnderstoodError("--at-once: 1 or more.")
    if ":" not in options.model and (options.record or options.judge or options.key_stdin or options.base_url):
        raise NotUnderstoodError("--record, --judge, --key-stdin and --base-url go with --model PROVIDER:MODEL.")
    options.out = options.out or OUT / "".join(
        char if char.isalnum() or char in "-." else "-" for char in options.model
    )
    today = datetime.now(UTC).date()
    if options.model == "replayed":
        return _replay(options, episodes)
    progress = Progress.begun(options.out, options.model, episodes, resume=options.resume)
    waiting = [each for each in episodes if each.id not in progress.results]
    run = Run(options, progress, {today: waiting} if waiting else {}, Demo())
    if options.model != "demo":
        _go_live(run, today, episodes)
    return run


def _replay(options: argparse.Namespace, episodes: Sequence[Episode]) -> Run:
    """Play what is recorded, each on the day that it was recorded on."""
    recordings = read_all()
    fitting = [each for each in episodes if each.id in recordings and recordings[each.id].digest == each.digest]
    known = {each.id: each for each in episodes}
    stale = [
        f"{name}: the episode is another one now" if name in known else f"{name}: there is no such episode"
        for name, each in recordings.items()
        if (name not in known and not options.only and not options.episodes)
        or (name in known and each.digest != known[name].digest)
    ]
    if not recordings:
        raise NotUnderstoodError(f"Nothing is recorded in {FOLDER}. Make recordings: --model PROVIDER:MODEL --record")
    days: dict[date, list[Episode]] = {}
    for each in fitting:
        days.setdefault(recordings[each.id].made_on, []).append(each)
    progress = Progress.begun(options.out, options.model, fitting, resume=False)
    return Run(options, progress, dict(sorted(days.items())), Replayed(recordings), stale=stale)


def _go_live(run: Run, today: date, episodes: Sequence[Episode]) -> None:
    """Speak to a provider, with a key that stands in no argument and in no variable."""
    options = run.options
    provider, _, model_id = options.model.partition(":")
    if canonical(provider) in (None, "demo"):
        raise NotUnderstoodError(f"--model: there is no provider {provider!r}. Write demo, replayed or PROVIDER:MODEL.")
    try:
        run.live = resolve(provider, model_id, deployed=True)
    except ServiceError as error:
        raise NotUnderstoodError(f"--model: {error.detail}") from None
    _cap(options)
    if run.live.prices is None and options.cap_usd != "none":
        raise NotUnderstoodError(f"There is no price of {model_id}, so no cap can hold. Say --cap-usd none.")
    typed = sys.stdin.readline() if options.key_stdin else getpass.getpass("Provider key (not shown): ")
    run.key = Secret(typed.strip())
    run.model = Providers({run.live.provider: options.base_url} if options.base_url else None)
    if options.record:
        run.recorder = Recorder(run.model, options.model, today, {each.id: each.digest for each in episodes})
        run.model = run.recorder


def _cap(options: argparse.Namespace) -> Decimal | None:
    if options.cap_usd == "none":
        return None
    try:
        cap = Decimal(options.cap_usd)
    except InvalidOperation:
        cap = Decimal(0)
    if not (cap.is_finite() and cap > 0):
        raise NotUnderstoodError("--cap-usd: an amount above 0, such as 0.50, or none.")
    return cap


async def _play(run: Run, day: date, episodes: Sequence[Episode]) -> None:
    """Play one day's episodes, and let the judge vote on what is lost."""
    if run.progress.ended:
        return
    cap = None if run.live is None else _cap(run.options)
    left = None if cap is None else cap - run.spent_usd
    async with staged(day, run.model, cap_usd=left) as stage:
        if run.live is not None and not await _set_up(run, stage):
            return
        await run_all(stage, episodes, at_once=run.options.at_once, heard=lambda result: _heard(run, result))
        if run.options.judge and run.live and run.key:
            for lost in [each for each in run.progress.results.values() if not each.is_won]:
                try:
                    run.votes[lost.id] = await ask_judge(stage.model, run.live, run.key, lost)
                except ServiceError as error:
                    run.votes[lost.id] = f"no votes ({error.code})"
        run.spent_usd += stage.model.spent_usd
    if isinstance(run.model, Replayed):
        run.stale += [f"{name}: {why}" for name, why in run.model.stale.items()]


def _heard(run: Run, result: EpisodeResult) -> bool:
    if isinstance(run.model, Replayed) and result.stopped == "recording_missing":
        run.progress.total -= 1
        return True
    if run.recorder and result.stopped is None:
        run.recorder.write(result.id)
    return run.progress.heard(result)


async def _set_up(run: Run, stage: Stage) -> bool:
    """Choose the model in the settings of each organisation, as its administrator does. Returns False if refused."""
    assert run.live is not None
    assert run.key is not None
    # As JSON, which is how it comes to the product; a model without a key has none.
    body = {"provider": run.live.provider, "model": run.live.model_id, "key": run.key.reveal()}
    try:
        change = SettingsChange.model_validate_json(json.dumps(body))
        for org in DEMO:
            await stage.services.settings_store.change(operator_of(stage.services, org), change)
    except ServiceError as error:
        run.progress.ended = f"The model cannot be set up: {error.detail}"
    except ValueError:
        run.progress.ended = "That is no key: 8 or more printable characters without spaces."
    return not run.progress.ended


def _finish(run: Run) -> int:
    results = [each for _, each in sorted(run.progress.results.items())]
    today = max(run.days, default=datetime.now(UTC).date())
    report = Report(run.options.model, today, run.progress.total, results, run.progress.ended, run.stale, run.votes)
    page = write(report, run.options.out)
    won = len(results) - len(report.lost)
    print(f"{won} of {report.planned} episodes won, {len(report.lost)} lost. {report.ended}".strip())
    for each in report.lost:
        print(f"  {each.id}: {'; '.join(f'{name}: {said}' for name, said in each.red.items())}")
    for line in report.stale:
        print(f"  stale: {line}")
    print(f"Written to {page}")
    if run.progress.ended == "It was stopped.":
        return _CANCELLED
    return 0 if report.is_won else 1


if __name__ == "__main__":
    sys.exit(main())
