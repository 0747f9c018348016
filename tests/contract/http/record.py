"""Record the exchanges anew: ``python -m tests.contract.http.record``.

Writes ``recording.json`` beside this file. It comes out the same whenever it runs: a difference that version control
shows is a change of the contract, of a SQL text or of a stored document, and is to be read before it is committed.
``--to FILE`` writes elsewhere.
"""

import argparse
import asyncio
from pathlib import Path

from tests.contract.http.serving import Entry, as_text, play

RECORDING = Path(__file__).with_name("recording.json")


async def _played() -> list[Entry]:
    return [entry async for entry in play()]


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m tests.contract.http.record", description=__doc__)
    parser.add_argument("--to", type=Path, default=RECORDING, metavar="FILE")
    path = parser.parse_args().to
    entries = asyncio.run(_played())
    path.write_text(as_text(entries), "utf-8")
    print(f"{len(entries)} exchanges in {path}")


if __name__ == "__main__":
    main()
