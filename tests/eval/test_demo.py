"""The gate: the demo model wins every episode. A wrong figure is red, and a restriction that is dropped unsaid too."""

from tests.eval.episodes import load
from tests.eval.judged import run_all
from tests.eval.running import Stage
from tests.eval.scorers import SCORERS


async def test_the_demo_model_wins_every_episode(stage: Stage) -> None:
    results = await run_all(stage, load())
    lost = [f"{each.id}: {each.stopped or each.red}" for each in results if not each.is_won]
    assert not lost, "\n".join(lost)
    # Each scorer has judged something: one that never does could not be lost.
    judged = {name for each in results for turn in each.turns for name, said in turn.said.items() if said is not None}
    assert judged == set(SCORERS)
