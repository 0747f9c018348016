"""``python -m local usage``: what the chat used of the models in a month, and the ceilings, in the terminal."""

import argparse
import json
import sys
from collections.abc import Mapping
from typing import Any

from common.record.usage_sql import BYS, GROUPS
from local.terminal.access import access_of, add_access
from local.terminal.client import Client, ConnectionLostError, RefusedError
from local.terminal.id_token import AccessError
from local.terminal.screen import Screen
from local.terminal.served import NotServedError, served

_FIGURES = (
    ("turns", "Turns"), ("model_calls", "Model calls"), ("tool_calls", "Tool calls"), ("input_tokens", "Input"),
    ("cached_tokens", "of it cached"), ("output_tokens", "Output"), ("estimated_cost_usd", "USD (estimated)"),
)  # fmt: skip
_ENDS = {"tokens_per_day": "tokens a day", "usd_per_month": "USD a month"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_access(parser)
    parser.add_argument("--month", help="a month such as 2026-11 (this one, UTC)")
    parser.add_argument("--by", choices=BYS, default="model", help="what the rows are (model)")
    shapes = parser.add_mutually_exclusive_group()
    shapes.add_argument("--json", action="store_true", help="print what the product answered")
    shapes.add_argument("--csv", action="store_true", help="print the month's statement as CSV")


def run(args: argparse.Namespace) -> int:
    """Print the figures: 0 printed, 1 refused or failed, 2 not understood."""
    screen = Screen()
    month = {} if args.month is None else {"month": args.month}
    try:
        access = access_of(args, reads_input=False)
        with served(args.port, screen.note, elsewhere=access.url) as url, Client(url, access) as client:
            if args.csv:
                sys.stdout.write(client.statement(**month))
                return 0
            body = client.usage(by=args.by, **month)
    except AccessError as error:
        screen.complain(str(error))
        return 2
    except (RefusedError, ConnectionLostError) as error:
        screen.complain(error.detail)
        return 1
    except NotServedError as error:
        screen.complain(str(error))
        return 1
    if args.json:
        print(json.dumps(body, indent=2))
    else:
        _show(screen, body)
    return 0


def _show(screen: Screen, body: Mapping[str, Any]) -> None:
    """The rows and their sum, the bill beside them, and the ceilings."""
    whose = "the organisation" if body["scope"] == "organization" else str(body["user_id"])
    screen.say(f"{body['month']}, {whose}, by {body['by']}")
    names = tuple(GROUPS[body["by"]])
    lines = [[_shown(row[name]) for name in (*names, *_columns())] for row in body["rows"]]
    lines.append(["all", *[""] * (len(names) - 1), *(_shown(body["totals"][name]) for name in _columns())])
    screen.table((*names, *(title for _, title in _FIGURES)), lines)
    if body["truncated"]:
        screen.say(f"Only the first {len(lines) - 1} rows are shown; the sum is of all.")
    for each in body["bill"] or ():
        estimate, billed = _shown(each["estimated_cost_usd"]), f"{_shown(each['billed_cost'])} {each['currency']}"
        screen.say(f"{each['provider']}: estimated {estimate} USD here, billed {billed} until {each['last_day']}")
    for each in body["ceilings"]:
        used = f"{_shown(each['used'])} of {_shown(each['limit'])} {_ENDS[each['of']]}"
        screen.say(f"Ceiling of the {each['whose']}: {used}, {each['percent']} %")


def _columns() -> tuple[str, ...]:
    return tuple(name for name, _ in _FIGURES)


def _shown(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:,.4f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
