"""An episode's result: what each scorer said of each turn, and what the turns took."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

from tests.eval.episodes import Episode
from tests.eval.observed import Observed
from tests.eval.recordings import EPISODE
from tests.eval.running import Stage
from tests.eval.scorers import Case, score


@dataclass(frozen=True, slots=True)
class TurnResult:
    """One turn: the question as it was asked, the answer, and what each scorer said."""

    asked: str
    answer: str
    agent: str
    calls: list[dict[str, Any]]
    said: dict[str, str | None]
    model_calls: int
    input_tokens: int
    output_tokens: int
    cost_usd: str
    seconds: float

    @property
    def red(self) -> dict[str, str]:
        """The scorers that are red, with their sentences."""
        return {name: said for name, said in self.said.items() if said}


@dataclass(frozen=True, slots=True)
class EpisodeResult:
    """One episode as it went; ``stopped`` is the code of what ended it before it could be judged."""

    id: str
    kind: str
    digest: str
    turns: list[TurnResult]
    stopped: str | None = None

    @property
    def red(self) -> dict[str, str]:
        return {name: said for turn in reversed(self.turns) for name, said in turn.red.items()}

    @property
    def is_won(self) -> bool:
        return self.stopped is None and not self.red

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "EpisodeResult":
        turns = [TurnResult(**turn) for turn in data["turns"]]
        return cls(data["id"], data["kind"], data["digest"], turns, data.get("stopped"))


# What the provider is to blame for, not the answer.
PROVIDER_CODES = frozenset(
    {"provider_unavailable", "provider_timeout", "rate_limited_by_provider", "key_invalid", "key_expired",
     "model_error", "model_not_found", "cap_reached", "recording_missing"}
)  # fmt: skip
# What a loaded machine's emulators are to blame for: the episode is played again.
_MACHINE_CODES = frozenset(
    {"warehouse_unavailable", "warehouse_busy", "session_store_unavailable", "key_service_unavailable"}
)
_ATTEMPTS = 3
AT_ONCE = 4


async def run_all(
    stage: Stage,
    episodes: Sequence[Episode],
    *,
    at_once: int = AT_ONCE,
    heard: Callable[[EpisodeResult], bool] = lambda _: True,
) -> list[EpisodeResult]:
    """Play episodes, some at once, and judge them; in the order in which they are given.

    ``heard`` is told of each result as it comes. Once it returns False, no further episode begins.
    """
    waiting = list(enumerate(episodes))[::-1]
    results: dict[int, EpisodeResult] = {}

    async def play() -> None:
        while waiting:
            number, episode = waiting.pop()
            results[number] = await run_episode(stage, episode)
            if not heard(results[number]):
                waiting.clear()

    await asyncio.gather(*(play() for _ in range(at_once)))
    return [results[number] for number in sorted(results)]


async def run_episode(stage: Stage, episode: Episode) -> EpisodeResult:
    """Play an episode and judge it."""
    for attempt in range(1, _ATTEMPTS + 1):
        token = EPISODE.set(episode.id)
        try:
            seen = await stage.play(episode)
        finally:
            EPISODE.reset(token)
        wanted, code = episode.turns[len(seen) - 1].code, seen[-1].code
        if code not in _MACHINE_CODES or attempt == _ATTEMPTS:
            break
    if code in PROVIDER_CODES and code != wanted:
        return EpisodeResult(episode.id, episode.kind, episode.digest, [], code)
    turns = [_judge(stage, episode, number, each) for number, each in enumerate(seen)]
    return EpisodeResult(episode.id, episode.kind, episode.digest, turns)


def _judge(stage: Stage, episode: Episode, number: int, seen: Observed) -> TurnResult:
    case = Case(episode.turns[number], seen, stage.ledger(episode.org), stage.others(episode.org))
    return TurnResult(
        asked=case.question,
        answer=seen.text,
        agent=seen.agent,
        calls=[{"name": call.name, "arguments": dict(call.arguments)} for call in seen.calls],
        said=score(case),
        model_calls=seen.spent.model_calls,
        input_tokens=seen.spent.input_tokens,
        output_tokens=seen.spent.output_tokens,
        cost_usd=str(seen.spent.cost_usd),
        seconds=round(seen.seconds, 3),
    )


def total_cost(results: Sequence[EpisodeResult]) -> Decimal:
    """US dollars of all turns."""
    return sum((Decimal(turn.cost_usd) for each in results for turn in each.turns), Decimal())
