"""``python -m local focus load FILE --org acme_inc``: a FOCUS bill into an organisation's costs.

A bill is read whole before anything of it is loaded. Another month adds; the same month of the same provider and
billing account is replaced, all or nothing, so that a load that was cut short is given again.
"""

import argparse
import asyncio
from datetime import UTC, datetime
from pathlib import Path

from google.api_core.exceptions import NotFound as GoogleNotFound
from google.cloud import bigquery
from rich.console import Console

from common.app import Services
from common.errors import NotFound
from common.tenant import Tenant, parse_org_slug
from local.data.focus.loading import Load, check, stored_team_tag, stored_teams
from local.data.focus.problems import FocusFileError
from local.data.progress import bars, watching
from local.operating import add_place, bigquery_of, complain, note, operate, profile_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    actions = parser.add_subparsers(dest="action", required=True)
    checked = actions.add_parser("check", allow_abbrev=False, help="only read the files and say what they hold")
    loaded = actions.add_parser("load", allow_abbrev=False, help="load them; months that are there are replaced")
    for action in (checked, loaded):
        action.add_argument(
            "files",
            nargs="+",
            metavar="FILE",
            help="a FOCUS 1.0 to 1.4 export: CSV, JSON lines or Parquet, also packed (gzip, zip); a file, several, a "
            "pattern or a folder in parts",
        )
        action.add_argument(
            "--team-tag", metavar="KEY", help="read the team of each charge from this tag; kept for the next bill"
        )
    add_place(loaded)
    loaded.add_argument("--org", required=True, help="the organisation's slug")


def run(args: argparse.Namespace) -> int:
    """Do it, and return 0; 1 where it is refused or fails, 2 for arguments or a bill that cannot be read."""
    try:
        if args.action == "check":
            print(check(args.files, args.team_tag).text)
            return 0
        return operate(args, lambda services: _load(services, args))
    except FocusFileError as error:
        complain(str(error))
        return error.exit_code


async def _load(services: Services, args: argparse.Namespace) -> int:
    tenant = services.directory.tenant(parse_org_slug(args.org))
    profile = await profile_of(services, tenant)
    client = bigquery_of(services.settings)
    currencies = await asyncio.to_thread(_bring, client, tenant, args.files, args.team_tag)
    own = profile["default_currency"]
    if currencies and own and own not in currencies:
        note(f"{tenant.org_slug} reads its costs in {own}; this bill is in {', '.join(currencies)}.")
    return 0


def _bring(client: bigquery.Client, tenant: Tenant, files: list[str | Path], team_tag: str | None) -> tuple[str, ...]:
    """Load the files, say what changed, and return the bill's currencies; none where it was loaded already."""
    shared = tenant.organizations_dataset
    tag = team_tag or stored_team_tag(client, tenant.org_slug, shared)
    with bars(Console(stderr=True)) as progress:
        load = Load(client, tenant.org_slug, files, datetime.now(UTC).date(), tag, watching(progress), shared)
        _check_table(client, load.table)
        try:
            if load.is_done():
                print(f"{', '.join(source.name for source in load.sources)}: loaded already")
                return ()
            load.read(stored_teams(client, tenant.org_slug, shared))
            loaded = load.replace()
        finally:
            load.close()
    print(loaded.text)
    return loaded.summary.currencies


def _check_table(client: bigquery.Client, table: str) -> None:
    try:
        client.get_table(table)
    except GoogleNotFound:
        raise NotFound(f"There is no table {table}: python -m local org create makes it, or Terraform.") from None
