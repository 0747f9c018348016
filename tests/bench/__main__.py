"""``make bench``: benchmarks, each a table of medians and ratios measured in this one run.

``python -m tests.bench concurrency cold`` runs a choice, ``--quick`` repeats less, and ``python -m tests.bench table``
prints the latest run as Markdown.
"""

import argparse
import asyncio
import os
import signal
import sys

from rich.console import Console

from tests.bench import (
    alerts,
    bills,
    bodies,
    cold,
    concurrency,
    consulting,
    cost_tools,
    fairness,
    figures,
    first_token,
    forecast,
    growth,
    guard,
    history,
    hostile,
    ingest,
    knowledge,
    lists,
    metering,
    model_call,
    results,
    stream,
    sync,
    tokens,
    tool_query,
    turn,
)
from tests.bench.results import Results
from tests.bench.stage import staged

BENCHMARKS = {
    "cold": cold.run,
    "turn": turn.run,
    "first_token": first_token.run,
    "concurrency": concurrency.run,
    "fairness": fairness.run,
    "hostile": hostile.run,
    "knowledge": knowledge.run,
    "ingest": ingest.run,
    "lists": lists.run,
    "history": history.run,
    "growth": growth.run,
    "guard": guard.run,
    "tool_query": tool_query.run,
    "cost_tools": cost_tools.run,
    "forecast": forecast.run,
    "model_call": model_call.run,
    "stream": stream.run,
    "sync": sync.run,
    "alerts": alerts.run,
    "bills": bills.run,
    "bodies": bodies.run,
    "metering": metering.run,
    "tokens": tokens.run,
    "consulting": consulting.run,
    "figures": figures.run,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="benchmark", help=f"table, or any of {', '.join(BENCHMARKS)}; all without it"
    )
    parser.add_argument("--quick", action="store_true", help="fewer repetitions")
    arguments = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 160)
    if arguments.names == ["table"]:
        return _print_newest(console)
    names = arguments.names or list(BENCHMARKS)
    if unknown := [name for name in names if name not in BENCHMARKS]:
        parser.error(f"no such benchmark: {', '.join(unknown)}")
    found = Results.begun(quick=arguments.quick)
    # A stop at any moment ends by the with statements, so that nothing that was started stays.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with staged(console, quick=arguments.quick) as stage:
        # Some benchmarks run parts of the product in this process.
        os.environ.update(stage.environment | {"LOG_LEVEL": "ERROR"})
        for name in names:
            console.rule(name)
            asyncio.run(BENCHMARKS[name](console, stage, found))
            file = found.save()  # What was measured stays, whatever becomes of the rest.
    if found.verdicts:
        found.judged().show(console)
    if found.busy:
        console.print(f"No verdicts: the machine was busy as it began (a load above {results.QUIET_LOAD}).")
    console.print(f"Written to {file}", soft_wrap=True, highlight=False)
    return 0


def _print_newest(console: Console) -> int:
    file = results.newest()
    if file is None:
        console.print("Nothing was measured here yet: make bench")
        return 1
    sys.stdout.write(results.load(file).markdown())
    return 0


if __name__ == "__main__":
    sys.exit(main())
