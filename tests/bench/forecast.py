"""The forecast over every series, with 120 and with 400 days of history: errors beside its rivals', and coverage."""

from statistics import fmean

from rich.console import Console
from rich.table import Table

from tests.bench.results import Results
from tests.bench.stage import Stage
from tests.skills.forecast import backtests, series

HORIZONS, HISTORIES = (30, 90), (120, 400)


async def run(console: Console, stage: Stage, found: Results) -> None:
    """Print a table for each horizon and history; nothing is served for it."""
    seeds = range(1) if found.quick else backtests.SEEDS
    for history in HISTORIES:
        for horizon in HORIZONS:
            console.print(_table(horizon, history, seeds))


def _table(horizon: int, history: int, seeds: range) -> Table:
    table = Table(title=f"{horizon} days ahead, {history} days of history: error of days / of the total, %")
    for column in ("series", "ours", "seasonal naive", "AutoETS", "held, days / total"):
        table.add_column(column, justify="left" if column == "series" else "right")
    scores = {kind: backtests.score(kind, seeds, horizon, history) for kind in series.KINDS}
    for kind, score in scores.items():
        errors = (f"{score.wape(model):.1f} / {score.ape(model):.1f}" for model in ("ours", "naive", "ets"))
        table.add_row(kind, *errors, "{:.0f} / {:.0f}".format(*score.cover))
    every = list(scores.values())
    means = (
        f"{fmean(each.wape(model) for each in every):.1f} / {fmean(each.ape(model) for each in every):.1f}"
        for model in ("ours", "naive", "ets")
    )
    covers = (fmean(each.cover[index] for each in every) for index in (0, 1))
    table.add_row("mean", *means, "{:.0f} / {:.0f}".format(*covers), style="bold")
    return table
