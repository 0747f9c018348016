"""``python -m local record``: rows that BigQuery rejects, listed with their reasons and tried again.

Nothing that was said is dropped: a row that the record rejects stays in the outbox, is tried again after 2 minutes,
then 4, at most a day, and shows in readiness. Once its reason is repaired, ``replay`` has it tried at once.
"""

import argparse
import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from common.app import Services
from common.record.dead_letters import DeadLetter
from common.tenant import parse_org_slug
from local.operating import add_place, complain, note, operate
from local.terminal.neutral import neutral_line

_PAGE = 200
_MOST_WAITED = 3_600
_PAUSE_SECONDS = 1.0
_REASONS = {
    "query_failed": "the table does not take the row: python -m local doctor says which columns it lacks",
    "unreadable": "the entry does not say which row it is of: its document in outbox has to be repaired by hand",
}
_OTHER_REASON = "see sync.rejected in the log"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    actions = parser.add_subparsers(dest="action", required=True)
    listed = actions.add_parser("list", allow_abbrev=False, help="the rejected rows, and why")
    replayed = actions.add_parser("replay", allow_abbrev=False, help="try rejected rows at once, all or those named")
    for action in (listed, replayed):
        add_place(action)
        action.add_argument("--org", help="only of this organisation")
    listed.add_argument("--limit", type=int, default=100, help="how many, at most 10,000 (100)")
    listed.add_argument("--json", action="store_true", help="print a JSON object a line")
    replayed.add_argument("entries", nargs="*", metavar="ENTRY", help="the ids that list shows")
    replayed.add_argument("--all", action="store_true", help="every rejected row")
    replayed.add_argument(
        "--wait", type=int, default=0, metavar="SECONDS", help="wait until they are written or rejected once more (0)"
    )


def run(args: argparse.Namespace) -> int:
    """Do it, and return 0; 1 where rows are rejected again or not there, 2 where it is not understood."""
    if args.action == "list":
        if not 1 <= args.limit <= 10_000:
            complain("--limit: a number from 1 to 10,000.")
            return 2
        return operate(args, lambda services: _list(services, args))
    if args.all == bool(args.entries):
        complain("Name the entries that record list shows, or all of them: --all")
        return 2
    if any("/" in entry or entry in (".", "..") or not entry for entry in args.entries):
        complain("An entry is named as record list shows it, without slashes.")
        return 2
    if not 0 <= args.wait <= _MOST_WAITED:
        complain(f"--wait: 0 to {_MOST_WAITED:,} seconds.")
        return 2
    return operate(args, lambda services: _replay(services, args))


async def _list(services: Services, args: argparse.Namespace) -> int:
    shown: list[DeadLetter] = []
    async for letter in _rejected(services, args.org):
        if len(shown) == args.limit:
            note("There are more: raise --limit.")
            break
        shown.append(letter)
        print(json.dumps(_plain(letter), ensure_ascii=False) if args.json else "\t".join(_cells(letter)))
    if not shown:
        note("The record rejects nothing.")
    for reason in sorted({letter.reason for letter in shown}):
        note(f"{reason}: {_REASONS.get(reason, _OTHER_REASON)}")
    return 0


async def _replay(services: Services, args: argparse.Namespace) -> int:
    if args.all:
        wanted = {letter.entry_id: letter async for letter in _rejected(services, args.org)}
    else:
        found = await services.dead_letters.read(args.entries)
        wanted = {name: each for name, each in found.items() if each is not None and _is_of(each, args.org)}
    released = [name for name in wanted if await services.dead_letters.release(name)]
    missing = [name for name in args.entries if name not in released]
    for name in missing:
        complain(f"{neutral_line(name)} is not in the outbox{f' of {args.org}' if args.org else ''}.")
    print(f"{len(released):,} rows are tried at once: the next sync sends them.")
    code = 1 if missing else 0
    if released and args.wait:
        code = max(code, await _watch(services, {name: wanted[name].attempts for name in released}, args.wait))
    return code


async def _watch(services: Services, attempts: dict[str, int], seconds: int) -> int:
    """Wait until every entry is written or was rejected once more; say which, and return 1 unless all are written."""
    until = time.monotonic() + seconds
    while True:
        found = await services.dead_letters.read(list(attempts))
        again = [each for name, each in found.items() if each is not None and each.attempts > attempts[name]]
        written = sum(each is None for each in found.values())
        waiting = len(found) - written - len(again)
        if not waiting or time.monotonic() >= until:
            break
        await asyncio.sleep(_PAUSE_SECONDS)
    print(f"{written:,} written, {len(again):,} rejected again, {waiting:,} not tried yet.")
    _tell_again(again)
    return 1 if again or waiting else 0


def _tell_again(letters: Sequence[DeadLetter]) -> None:
    for letter in letters:
        complain(f"{neutral_line(letter.entry_id)}: {letter.reason}")


async def _rejected(services: Services, org: str | None) -> AsyncIterator[DeadLetter]:
    """Yield the rejected entries, of one organisation where it is named. Raises BadSlug."""
    slug = parse_org_slug(org) if org else None
    last: DeadLetter | None = None
    while page := await services.dead_letters.page(last, _PAGE):
        for letter in page:
            if _is_of(letter, slug):
                yield letter
        last = page[-1]


def _is_of(letter: DeadLetter, org: str | None) -> bool:
    return org is None or letter.org_slug == org


def _plain(letter: DeadLetter) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in asdict(letter).items()}


def _cells(letter: DeadLetter) -> list[str]:
    """The columns of a line; an id is its client's to choose, so it is shown and never obeyed."""
    tried = f"{letter.attempts} attempts"
    later = f"next {letter.next_try_at:%Y-%m-%d %H:%M}" if letter.next_try_at else ""
    return [neutral_line(letter.entry_id), letter.reason, tried, later]
