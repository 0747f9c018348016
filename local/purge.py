"""``python -m local purge``: conversations erased for good, at once: one, several, or all of a person.

They go from Firestore, the outbox and the record, with their messages, tool calls and feedback. Backups and BigQuery's
time travel hold them for as long as those are kept. The command may be given again: what was stopped half-way is
finished, by it or by the next sync.
"""

import argparse

from common import limits
from common.app import Services
from common.tenant import parse_org_slug
from common.transcript.ids import ID_RULE, is_id
from local.operating import add_place, complain, confirmed, note, operate
from local.terminal.neutral import neutral_line

_MOST = 500


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_place(parser)
    parser.add_argument("--org", required=True, help="the organisation's slug")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--conversation", action="append", metavar="ID", help="a conversation; may be given again")
    what.add_argument("--user", metavar="ID", help="all conversations of this person, as X-User-Id names it")
    parser.add_argument("--yes", action="store_true", help="do not ask for the organisation's slug once more")


def run(args: argparse.Namespace) -> int:
    """Do it, and return 0, also where nothing is stored; 1 where it is refused or fails, 2 where not understood."""
    if args.user is not None and not 1 <= len(args.user) <= limits.MAX_USER_ID_CHARS:
        complain(f"--user: 1 to {limits.MAX_USER_ID_CHARS} characters.")
        return 2
    named = args.conversation or ()
    if len(named) > _MOST or not all(map(is_id, named)):
        complain(f"--conversation: {ID_RULE}; at most {_MOST} at a time.")
        return 2
    return operate(args, lambda services: _purge(services, args))


async def _purge(services: Services, args: argparse.Namespace) -> int:
    tenant = services.directory.tenant(parse_org_slug(args.org))
    if args.user:
        found = await services.erasure.of_user(tenant, args.user)
    else:
        named = list(dict.fromkeys(args.conversation))
        found = await services.erasure.stored(tenant, named)
        for missing in (each for each in named if each not in found):
            note(f"Nothing is stored of conversation {neutral_line(missing)}.")
    if found and not args.yes and not confirmed(args, f"This erases {len(found):,} conversations for good."):
        return 1
    if found:
        await services.erasure.erase(tenant, found, lambda done: note(f"{done:,} of {len(found):,} erased"))
    if args.user:
        await services.erasure.forget_list(tenant, args.user)
    print(f"{len(found):,} conversations of {tenant.org_slug} are erased.")
    return 0
