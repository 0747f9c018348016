"""Run the emulator by itself: python -m local.emulators.bigquery --project P [--directory D] [--port N]."""

import argparse
import signal
import threading
from pathlib import Path

from local.emulators.bigquery import BigQueryEmulator


def main() -> None:
    parser = argparse.ArgumentParser(prog="bigquery-emulator", description=__doc__)
    parser.add_argument("--project", default="local-dev-project")
    parser.add_argument("--directory", type=Path, default=None)
    parser.add_argument("--port", type=int, default=0)
    arguments = parser.parse_args()
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    with BigQueryEmulator(arguments.project, arguments.directory, arguments.port) as emulator:
        print(f"BigQuery emulator listening on {emulator.url}", flush=True)
        stopped.wait()


if __name__ == "__main__":
    main()
