"""`python -m local.emulators`: the emulators in one process, for one project."""

import argparse
import asyncio
import sys
from pathlib import Path

from local.emulators.cluster import SERVICES, ClusterSettings, run
from local.ports import HIGHEST


def _port(text: str) -> tuple[str, int]:
    service, _, number = text.partition("=")
    if service not in SERVICES or not number.isdecimal() or int(number) > HIGHEST:
        raise argparse.ArgumentTypeError(f"{text!r} is not service=port with a service of {', '.join(SERVICES)}")
    return service, int(number)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local.emulators", description=__doc__)
    parser.add_argument("--project", default="local-dev-project")
    parser.add_argument("--directory", type=Path, help="where data lives; in memory without it")
    parser.add_argument("--services", nargs="+", choices=SERVICES, default=list(SERVICES))
    parser.add_argument("--ports", nargs="+", type=_port, default=[], metavar="SERVICE=PORT")
    parser.add_argument("--until-stdin-closes", action="store_true", help="also stop when standard input ends")
    return parser.parse_args()


def main() -> int:
    """Run until told to stop; 1 with a sentence on stderr when a port is taken."""
    arguments = _arguments()
    settings = ClusterSettings(arguments.project, arguments.directory, tuple(arguments.services), dict(arguments.ports))
    try:
        asyncio.run(run(settings, arguments.until_stdin_closes))
    except OSError as error:
        sys.stderr.write(f"the emulators cannot start: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
