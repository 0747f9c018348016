"""``make bench``: every benchmark, each printing a table of medians and ratios measured in this one run."""

import asyncio
import os
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from local.data.__main__ import emulated_bigquery, emulated_kms
from local.data.prepare import prepare
from local.emulators.process import EmulatorProcess
from tests.bench import guard, stream, turn

PROJECT = "local-dev-project"


def main() -> int:
    console = Console()
    with tempfile.TemporaryDirectory() as directory, EmulatorProcess(PROJECT, Path(directory)) as emulators:
        os.environ.update(emulators.environment | {"GCP_PROJECT_ID": PROJECT, "ENVIRONMENT": "test"})
        os.environ |= {"USER_MESSAGES_PER_MINUTE": "100000", "LOG_LEVEL": "ERROR"}  # counted, and never reached
        today = datetime.now(UTC).date()
        prepare(emulated_bigquery(os.environ), emulated_kms(os.environ), today, None, console)
        asyncio.run(guard.run(console))
        asyncio.run(turn.run(console))
        asyncio.run(stream.run(console))
    return 0


if __name__ == "__main__":
    sys.exit(main())
