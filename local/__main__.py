"""``python -m local``: the product on one machine, and a question to it."""

import argparse
import sys
from pathlib import Path

from rich.console import Console

from local import ask, serve


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit code: 0 done, 1 failed, 2 not understood."""
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="serve every function, the emulators and demo data on one port")
    run.add_argument("--port", type=int, default=8002, help="the port on 127.0.0.1 (8002)")
    run.add_argument("--state", type=Path, default=Path(".local"), help="where the local cloud keeps its data (.local)")
    run.add_argument(
        "--focus", type=Path, help="a FOCUS 1.0-1.3 CSV (or .csv.gz) to load into the organisation focus_inc"
    )
    question = commands.add_parser("ask", help="ask one question, and see the answer with the SQL behind it")
    question.add_argument("--port", type=int, default=8002, help="where the product is served (8002)")
    question.add_argument("--org", default="acme_inc", help="acme_inc, globex_inc or focus_inc (acme_inc)")
    question.add_argument("--conversation", help="continue this conversation")
    question.add_argument("question", help="the question, in plain words")
    given = parser.parse_args(arguments)
    if given.command == "run":
        return serve.run(given.port, given.state, given.focus)
    return ask.run(Console(), given.port, given.org, given.question, given.conversation)


if __name__ == "__main__":
    sys.exit(main())
