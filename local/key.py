"""``python -m local key``: an organisation's API keys, made, listed and revoked.

A key is shown once, when it is made: on standard output, or in a file that only its owner can read. Its SHA-256 is
stored, and nothing else of it.
"""

import argparse
import json
import os
import re
import sys
from contextlib import ExitStack, suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import IO, Any

from common.app import Services
from common.errors import NotFound
from common.organizations.api_keys import NewKey, serves
from common.secret import Secret
from common.tenant import EVERY_PERMISSION, WITHOUT_SCOPES, parse_org_slug
from local.operating import add_place, complain, note, operate, profile_of

_NAME = re.compile(r"[\x21-\x7e]([\x20-\x7e]{0,62}[\x21-\x7e])?")
_MOST_DAYS = 3_650


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    actions = parser.add_subparsers(dest="action", required=True)
    made = actions.add_parser("create", allow_abbrev=False, help="make a key, and show it once")
    listed = actions.add_parser("list", allow_abbrev=False, help="the keys' ids, names, scopes and ends; never a key")
    revoked = actions.add_parser("revoke", allow_abbrev=False, help="refuse a key from now on")
    for action in (made, listed, revoked):
        add_place(action)
        action.add_argument("--org", required=True, help="the organisation's slug")
    made.add_argument("--name", required=True, type=_named, help="to know it by; one active key has it")
    made.add_argument(
        "--scope",
        action="append",
        choices=sorted(EVERY_PERMISSION),
        help=f"what it may do; may be given again ({', '.join(sorted(WITHOUT_SCOPES))})",
    )
    made.add_argument(
        "--expires", type=_end, metavar="DATE|DAYS", help="its last day (2027-06-30, UTC), or how many days it serves"
    )
    made.add_argument("--out", type=Path, metavar="FILE", help="write it to this new file instead of standard output")
    listed.add_argument("--json", action="store_true", help="print a JSON object a line")
    revoked.add_argument("--id", required=True, help="the key's id, as list shows it")


def run(args: argparse.Namespace) -> int:
    """Do it, and return 0; 1 where it is refused or fails, 2 where it is not understood."""
    if args.action == "create":
        return _create_into(args)
    if args.action == "list":
        return operate(args, lambda services: _list(services, args))
    return operate(args, lambda services: _revoke(services, args))


def _create_into(args: argparse.Namespace) -> int:
    """Open what takes the key before there is one, so that no key is made that nobody receives."""
    with ExitStack() as stack:
        out: IO[str] = sys.stdout
        if args.out is not None:
            try:
                made = os.open(args.out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            except OSError as error:
                complain(f"{args.out} cannot be made: {error.strerror}. Name a file that is not there yet.")
                return 2
            out = stack.enter_context(open(made, "w", encoding="utf-8"))
        code = operate(args, lambda services: _create(services, args, out))
    if args.out is not None and code != 0:
        args.out.unlink(missing_ok=True)
    return code


async def _create(services: Services, args: argparse.Namespace, out: IO[str]) -> int:
    tenant = services.directory.tenant(parse_org_slug(args.org))
    await profile_of(services, tenant)
    wanted = NewKey(args.name, frozenset(args.scope or WITHOUT_SCOPES), args.expires)
    key_id, key = await services.api_keys.create(tenant, wanted)
    try:
        _hand_over(key, out)
    except OSError:
        await services.api_keys.revoke(tenant, key_id)
        complain("The key could not be written, and was revoked.")
        # What is left in the buffer would fail once more at the end.
        with suppress(OSError):
            out.close()
        return 1
    note(f"Key {key_id} ({args.name}) of {tenant.org_slug}: {_ends(args.expires)} It is not shown again.")
    return 0


def _hand_over(key: Secret, out: IO[str]) -> None:
    try:
        out.write(f"{key.reveal()}\n")
        out.flush()
    finally:
        key.drop()


async def _list(services: Services, args: argparse.Namespace) -> int:
    tenant = services.directory.tenant(parse_org_slug(args.org))
    if await services.profiles.read(tenant) is None:
        raise NotFound(f"There is no organisation {tenant.org_slug}.")
    for key in await services.api_keys.stored(tenant):
        shown = _shown(key, services.clock())
        print(json.dumps(shown, ensure_ascii=False) if args.json else "\t".join(map(_cell, shown.values())))
    return 0


async def _revoke(services: Services, args: argparse.Namespace) -> int:
    tenant = services.directory.tenant(parse_org_slug(args.org))
    revoked = await services.api_keys.revoke(tenant, args.id)
    print(f"Key {args.id} of {tenant.org_slug} {'is' if revoked else 'was'} revoked.")
    return 0


def _shown(key: dict[str, Any], now: datetime) -> dict[str, Any]:
    status = "active" if serves(key, now) else "expired" if key["is_active"] else "revoked"
    return {
        "id": key["org_api_key_id"],
        "name": key["org_api_key_name"],
        "status": status,
        "scopes": sorted(key["scopes"] or WITHOUT_SCOPES),
        "created": key["created_at"].date().isoformat(),
        "expires": key["expires_at"].isoformat() if key["expires_at"] else None,
    }


def _cell(value: Any) -> str:
    return ",".join(value) if isinstance(value, list) else str(value or "")


def _ends(expires: datetime | None) -> str:
    return f"it serves until {expires:%Y-%m-%d %H:%M} UTC." if expires else "it does not expire."


def _named(text: str) -> str:
    if _NAME.fullmatch(text) is None:
        raise argparse.ArgumentTypeError("a name has 1 to 64 printable ASCII characters, and no blank around it")
    return text


def _end(text: str) -> datetime:
    """Read the end of a key: the end of a day in UTC, or a number of days from now. Raises ArgumentTypeError."""
    now = datetime.now(UTC)
    if text.isascii() and text.isdecimal():
        if not 1 <= int(text) <= _MOST_DAYS:
            raise argparse.ArgumentTypeError(f"give 1 to {_MOST_DAYS} days")
        return now + timedelta(days=int(text))
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no date, such as 2027-06-30, and no number of days") from None
    if day < now.date():
        raise argparse.ArgumentTypeError(f"{text} is over already")
    if day > now.date() + timedelta(days=_MOST_DAYS):
        raise argparse.ArgumentTypeError(f"give a day within {_MOST_DAYS} days")
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
