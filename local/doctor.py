"""``python -m local doctor``: what is wrong with a project, and what to do about it.

It looks at tables and columns, Firestore with its indexes and expiry, the KMS key, the record, the rights of an
account, the project's quotas, and at the organisations that are named. It changes nothing: rights are tried as dry
runs, a document that it writes is deleted, and the key seals a text that is nobody's.
"""

import argparse
import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import asdict
from functools import partial

from common.app import Services
from common.tenant import parse_org_slug
from local.diagnosis.finding import Finding, looked
from local.diagnosis.organizations import organization, record
from local.diagnosis.quotas import quotas
from local.diagnosis.rights import FUNCTIONS, OPERATOR
from local.diagnosis.stores import StoresCheck, expiry
from local.diagnosis.warehouse import WarehouseCheck
from local.operating import add_place, bigquery_of, operate


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_place(parser)
    parser.add_argument("--org", action="append", default=[], help="look at this organisation too; may be given again")
    parser.add_argument(
        "--function",
        choices=sorted(FUNCTIONS),
        help="try what this function does, not what an operator does; with its account's credentials: gcloud auth "
        "application-default login --impersonate-service-account=ACCOUNT",
    )
    parser.add_argument(
        "--region", default="us-central1", help="the functions' region, whose quotas count (us-central1)"
    )
    parser.add_argument("--json", action="store_true", help="print a JSON object a line")


def run(args: argparse.Namespace) -> int:
    """Print a line for each finding; 0 where nothing is wrong, 1 where something is, 2 where it is not understood."""
    return operate(args, lambda services: _examine(services, args))


async def _examine(services: Services, args: argparse.Namespace) -> int:
    faults = 0
    async for finding in _findings(services, args):
        faults += finding.state == "fault"
        print(json.dumps(asdict(finding), ensure_ascii=False) if args.json else _line(finding), flush=True)
    if not args.json:
        print(f"{faults} faults." if faults else "Nothing is wrong.")
    return 1 if faults else 0


async def _findings(services: Services, args: argparse.Namespace) -> AsyncIterator[Finding]:
    tenants = tuple(services.directory.tenant(parse_org_slug(org)) for org in dict.fromkeys(args.org))
    settings = services.settings
    client = bigquery_of(settings)
    rights = FUNCTIONS[args.function] if args.function else OPERATOR
    warehouse = WarehouseCheck(client, settings.organizations_dataset, settings.catalog_dataset, tenants)
    stores = StoresCheck(services, rights)
    checks: list[tuple[str, Callable[[], Awaitable[list[Finding]]]]] = [
        ("BigQuery tables", partial(asyncio.to_thread, warehouse.tables)),
        ("BigQuery rights", partial(asyncio.to_thread, warehouse.rights, rights)),
        ("Firestore", stores.firestore),
        ("Firestore indexes", stores.indexes),
        ("Firestore expiry", partial(expiry, services.settings)),
    ]
    if rights.key is not None:
        checks.append(("KMS", stores.key))
    checks.append(("record", partial(record, services)))
    if args.function is None:
        checks += [(tenant.org_slug, partial(organization, services, tenant, client)) for tenant in tenants]
    if args.function is None:
        checks.append(("quotas", partial(asyncio.to_thread, quotas, services.settings, args.region)))
    for subject, check in checks:
        async for finding in looked(subject, check):
            yield finding


def _line(finding: Finding) -> str:
    mark = {"ok": "ok     ", "fault": "FAULT  ", "unknown": "unknown"}[finding.state]
    return f"{mark} {finding.subject}: {finding.said}{f'  ->  {finding.remedy}' if finding.remedy else ''}"
