"""What a run found: as JSON for the next run to compare with, and as Markdown for a person."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any

from tests.eval.judged import EpisodeResult, total_cost
from tests.eval.scorers import SCORERS

_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Report:
    """A run: its model and day, the results so far, and why it ended before all were there, if it did.

    ``stale`` are the recordings that are of other requests than today's; ``votes`` is what a judge said of misses.
    """

    model: str
    today: date
    planned: int
    results: Sequence[EpisodeResult]
    ended: str = ""
    stale: Sequence[str] = ()
    votes: Mapping[str, str] = field(default_factory=dict)

    @property
    def lost(self) -> list[EpisodeResult]:
        return [each for each in self.results if not each.is_won]

    @property
    def is_whole(self) -> bool:
        return not self.ended and len(self.results) == self.planned

    @property
    def is_won(self) -> bool:
        return self.is_whole and not self.lost

    def scorers(self) -> dict[str, tuple[int, int]]:
        """Per scorer, how many turns it judged and how many of these are red."""
        said = [turn.said for each in self.results for turn in each.turns]
        return {
            name: (sum(each.get(name) is not None for each in said), sum(bool(each.get(name)) for each in said))
            for name in SCORERS
        }

    def as_json(self) -> dict[str, Any]:
        turns = [turn for each in self.results for turn in each.turns]
        return {
            "model": self.model,
            "today": self.today.isoformat(),
            "is_whole": self.is_whole,
            "ended": self.ended,
            "planned": self.planned,
            "won": len(self.results) - len(self.lost),
            "lost": len(self.lost),
            "scorers": {name: {"judged": judged, "red": red} for name, (judged, red) in self.scorers().items()},
            "turns": len(turns),
            "model_calls": sum(turn.model_calls for turn in turns),
            "input_tokens": sum(turn.input_tokens for turn in turns),
            "output_tokens": sum(turn.output_tokens for turn in turns),
            "cost_usd": str(total_cost(self.results)),
            "stale": list(self.stale),
            "votes": dict(self.votes),
            "episodes": [each.as_json() for each in self.results],
        }

    def markdown(self, last: Mapping[str, Any] | None = None) -> str:
        """The report for a person; ``last`` is the JSON of the run that it is compared with."""
        data = self.as_json()
        parts = [f"# Evaluation of {self.model}", self._headline(data)]
        if self.ended:
            parts.append(f"**Not whole:** {self.ended} {self.planned - len(self.results)} episodes were not played.")
        parts += [_table(("scorer", "judged", "red"), ((n, j, r) for n, (j, r) in self.scorers().items()))]
        parts += ["## By kind", self._kinds(), "## Effort", self._effort()]
        if self.lost:
            parts += ["## Lost", *map(self._lost, self.lost[:_SHOWN])]
        if self.stale:
            parts += ["## Stale recordings", "\n".join(f"- {each}" for each in self.stale)]
        if last is not None:
            parts += ["## Since the last run", compare(data, last)]
        return "\n\n".join(parts) + "\n"

    def _headline(self, data: Mapping[str, Any]) -> str:
        judged, red = self.scorers()["figures"]
        right = f", {100 * (judged - red) / judged:.1f} % of the turns with figures right" if judged else ""
        return f"{self.today}: {data['won']} of {self.planned} episodes won, {data['lost']} lost{right}."

    def _kinds(self) -> str:
        kinds: defaultdict[str, list[EpisodeResult]] = defaultdict(list)
        for each in self.results:
            kinds[each.kind].append(each)
        return _table(
            ("kind", "episodes", "won"),
            ((kind, len(found), sum(each.is_won for each in found)) for kind, found in sorted(kinds.items())),
        )

    def _effort(self) -> str:
        turns = [turn for each in self.results for turn in each.turns]
        if not turns:
            return "Nothing was answered."
        calls = sum(turn.model_calls for turn in turns)
        tokens = f"{sum(t.input_tokens for t in turns):,} tokens in, {sum(t.output_tokens for t in turns):,} out"
        return (
            f"{len(turns)} turns, {calls} model calls ({calls / len(turns):.2f} a turn), {tokens}, "
            f"{total_cost(self.results):.4f} USD, {median(t.seconds for t in turns):.2f} s a turn (median)."
        )

    def _lost(self, result: EpisodeResult) -> str:
        lines = [f"### {result.id}"]
        if result.stopped:
            lines.append(f"It could not be judged: {result.stopped}.")
        for turn in result.turns:
            lines += [f"> {' '.join(turn.asked.split())[:300]}", ""]
            lines += [f"- **{name}**: {said}" for name, said in turn.red.items()]
        if result.id in self.votes:
            lines.append(f"- a judge, as a signal only: {self.votes[result.id]}")
        return "\n".join(lines)


def compare(now: Mapping[str, Any], last: Mapping[str, Any]) -> str:
    """What another run changed: episodes lost and won back, and tokens, calls and cost."""
    before, after = (_states(each) for each in (last, now))
    both = [name for name in after if name in before]
    lost = [f"{name} ({', '.join(sorted(after[name]))})" for name in both if after[name] and not before[name]]
    won = [name for name in both if before[name] and not after[name]]
    new, gone = sorted(set(after) - set(before)), sorted(set(before) - set(after))
    lines = [f"Compared with {last['model']} of {last['today']}."]
    for title, names in (("Lost", lost), ("Won back", won), ("New", new), ("Not played", gone)):
        if names:
            lines.append(f"- {title}: {', '.join(names[:_SHOWN])}{' …' if len(names) > _SHOWN else ''}")
    effort = ("model_calls", "input_tokens", "output_tokens", "cost_usd")
    lines += [f"- {name}: {last[name]} → {now[name]}" for name in effort if str(now[name]) != str(last[name])]
    return "\n".join(lines) if len(lines) > 1 else f"{lines[0]} Nothing changed."


def _states(data: Mapping[str, Any]) -> dict[str, set[str]]:
    """Per episode, the scorers that are red."""
    found = (EpisodeResult.from_json(each) for each in data["episodes"])
    return {each.id: set(each.red) | ({each.stopped} if each.stopped else set()) for each in found}


def _table(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = [names, ["---", *["---:"] * (len(names) - 1)], *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def write(report: Report, folder: Path) -> Path:
    """Write report.json and report.md; the ones before become last.json, which they are compared with."""
    newest, last = folder / "report.json", folder / "last.json"
    if newest.exists():
        newest.replace(last)
    compared = json.loads(last.read_text("utf-8")) if last.exists() else None
    newest.write_text(json.dumps(report.as_json(), indent=1, ensure_ascii=False) + "\n", "utf-8")
    page = folder / "report.md"
    page.write_text(report.markdown(compared), "utf-8")
    return page
