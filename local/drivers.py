"""``python -m local drivers FILE --org acme_inc``: load an organisation's own counts, for costs per order."""

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

from local.data import drivers
from local.data.__main__ import warehouse_of
from local.running import NotRunningError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("file", type=Path, metavar="FILE", help="a CSV: date, driver, quantity[, team, aggregation]")
    parser.add_argument("--org", required=True, help="the organisation's slug")
    parser.add_argument("--check", action="store_true", help="only read the file and say what it holds")
    parser.add_argument("--project", help="a real project; without it, the running make run")
    parser.add_argument("--state", type=Path, default=Path(".local"), help="where make run keeps its data (.local)")


def run(options: argparse.Namespace) -> int:
    """Load the file and return the exit code: 1 where it could not be read, nothing is loaded then."""
    try:
        rows = drivers.read_file(options.file, datetime.now(UTC))
    except drivers.DriverFileError as error:
        print(error, file=sys.stderr)
        return 1
    names = ", ".join(sorted({row["driver_name"] for row in rows})) or "nothing"
    if not options.check:
        try:
            client = warehouse_of(options.project, options.state)
        except NotRunningError as error:
            print(error, file=sys.stderr)
            return 1
        drivers.load_rows(client, options.org, rows)
    print(f"{len(rows):,} counts of {names} {'read' if options.check else f'loaded for {options.org}'}.")
    return 0
