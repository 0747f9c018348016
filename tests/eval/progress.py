"""A run as it goes: each result is kept at once, so that a run that ended early goes on where it was."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.eval.episodes import Episode
from tests.eval.judged import EpisodeResult

_SAID_EVERY = 10
# Nothing gets better by asking once more; of the others, so many in a row.
_FINAL = frozenset({"key_invalid", "key_expired", "model_not_found", "cap_reached"})
_IN_A_ROW = 3


@dataclass
class Progress:
    """Keeps the results of a run in a file, says how far it is, and tells when it has to end."""

    file: Path
    total: int
    results: dict[str, EpisodeResult] = field(default_factory=dict)
    ended: str = ""
    failures: int = 0

    @classmethod
    def begun(cls, folder: Path, model: str, episodes: Sequence[Episode], *, resume: bool) -> "Progress":
        """Begin anew, or with the results of a run of the same model that are still of the same episodes."""
        folder.mkdir(parents=True, exist_ok=True)
        made = cls(folder / "results.jsonl", len(episodes))
        if resume and made.file.exists():
            made.results = _kept(made.file, model, episodes)
        lines = [json.dumps({"model": model}), *(json.dumps(each.as_json()) for each in made.results.values())]
        made.file.write_text("".join(f"{line}\n" for line in lines), "utf-8")
        return made

    def heard(self, result: EpisodeResult) -> bool:
        """Keep a result. Returns False where no further episode shall begin."""
        if result.stopped is None:
            self.failures = 0
            self.results[result.id] = result
            with self.file.open("a", encoding="utf-8") as file:
                file.write(json.dumps(result.as_json(), ensure_ascii=False) + "\n")
        else:
            self._failed(result.stopped)
        done = len(self.results)
        if sys.stderr.isatty() or done % _SAID_EVERY == 0 or done == self.total:
            end = "\r" if sys.stderr.isatty() and done < self.total else "\n"
            lost = sum(not each.is_won for each in self.results.values())
            sys.stderr.write(f"{done} of {self.total} episodes, {lost} lost{end}")
            sys.stderr.flush()
        return not self.ended

    def _failed(self, code: str) -> None:
        self.failures += 1
        if code == "cap_reached":
            self.ended = "The next call could pass the spending cap."
        elif code in _FINAL or self.failures >= _IN_A_ROW:
            self.ended = f"The provider failed ({code})."


def _kept(file: Path, model: str, episodes: Sequence[Episode]) -> dict[str, EpisodeResult]:
    """The results of a file that are of this model and of these episodes as they are now."""
    head, *lines = file.read_text("utf-8").splitlines()
    if json.loads(head).get("model") != model:
        return {}
    digests = {each.id: each.digest for each in episodes}
    found = {}
    for line in lines:
        try:
            result = EpisodeResult.from_json(json.loads(line))
        except (ValueError, KeyError, TypeError):
            continue  # Its last line may be cut, where the machine stopped.
        if digests.get(result.id) == result.digest:
            found[result.id] = result
    return found
