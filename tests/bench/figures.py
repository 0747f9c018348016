"""The figure check of an answer: a table of 100 figures beside results of 500 numbers, and of ten times as many."""

import random
import statistics
import time
from typing import Any

from rich.console import Console

from common.figures.checking import unverified_figures
from common.figures.sources import Sources
from tests.bench.results import Results, Table, Verdict, shown
from tests.bench.stage import Stage

MOST_MS = 2.0
# Figures of the answer, numbers of the results, and the share of figures that are invented.
SIZES = ((100, 500, 0.0), (100, 500, 0.5), (1_000, 5_000, 0.0), (1_000, 5_000, 0.5))


async def run(console: Console, stage: Stage, results: Results) -> None:
    """Check answers of several sizes, and print one table. Each time has the reading of the results in it."""
    taken = {size: _measure(*size, times=20 if stage.quick else 100) for size in SIZES}
    rows = tuple(
        (f"{figures:,}", f"{numbers:,}", f"{share:.0%}", shown(taken[figures, numbers, share]))
        for figures, numbers, share in SIZES
    )
    table = Table("figure check, CPU ms, median", ("figures", "numbers", "invented", "ms"), rows)
    table.show(console)
    verdict = Verdict("Check of 100 figures beside 500 numbers", taken[SIZES[0]], MOST_MS, "ms")
    results.add("figures", table, verdicts=[verdict])


def _measure(figures: int, numbers: int, share: float, times: int) -> float:
    text, result = _answer(figures, numbers, share)
    found = []
    for _ in range(times):
        began = time.process_time()
        sources = Sources()
        sources.add(result)
        sources.say("What did we spend per service last month?")
        unverified_figures(text, sources)
        found.append((time.process_time() - began) * 1000)
    return statistics.median(found)


def _answer(figures: int, numbers: int, share: float) -> tuple[str, dict[str, Any]]:
    """A table of amounts and shares, and the result that it is of."""
    chance = random.Random(5)
    rows: list[dict[str, Any]] = [
        {
            "service": _name(number),
            "currency": "USD",
            "billed_cost": round(chance.uniform(1, 99_999), 2),
            "effective_cost": round(chance.uniform(1, 99_999), 2),
            "line_items": chance.randrange(1, 4_000),
            "pct_of_total": round(chance.uniform(0, 100), 3),
        }
        for number in range(numbers // 4)
    ]
    # The names have no figure, so that there are as many as is said.
    lines = ["| Service | Cost | Share |", "| --- | ---: | ---: |"]
    for row in rows[: figures // 2]:
        cost = row["billed_cost"] + (17.17 if chance.random() < share else 0)
        lines.append(f"| {row['service']} | USD {cost:,.2f} | {row['pct_of_total']:.1f}% |")
    return "\n".join(lines), {
        "rows": rows,
        "summary": {"period": {"start_date": "2026-10-01", "end_date": "2026-10-31"}},
    }


def _name(number: int) -> str:
    return f"Amazon {''.join(chr(ord('a') + int(digit)) for digit in str(number)).title()}"
