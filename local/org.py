"""``python -m local org``: organisations made, shown, suspended and ended, by whoever operates the platform.

An organisation is its row of org_profiles and its dataset; a key (``python -m local key``), a model
(``python -m local settings``) and costs (``python -m local focus``) make it complete. Every command may be given again:
what is done already stays as it is.
"""

import argparse
import asyncio
import json
from datetime import datetime
from typing import Any

from google.api_core.exceptions import NotFound as GoogleNotFound
from google.cloud import bigquery
from pydantic import ValidationError

from common.app import Services
from common.bodies import problems
from common.errors import NotFound
from common.organizations.api_keys import serves
from common.organizations.profiles import NewProfile
from common.tenant import Principal, Tenant, parse_org_slug
from local import offboard
from local.data import warehouse
from local.operating import (
    add_place,
    add_readers,
    bigquery_of,
    complain,
    note,
    operate,
    operator_of,
    profile_of,
    readers_of,
)

_LIST_SQL = """
SELECT org_slug, company_name, status, default_currency, created_at
FROM `{table}`
WHERE org_slug > @after
ORDER BY org_slug
LIMIT @most
"""
_MOST = 1_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    actions = parser.add_subparsers(dest="action", required=True)
    made = actions.add_parser("create", allow_abbrev=False, help="make an organisation, its dataset and its tables")
    add_place(made)
    made.add_argument("--org", required=True, help="its slug: 3 to 50 lower-case letters, digits and underscores")
    made.add_argument("--name", required=True, help="the company's name")
    made.add_argument("--email", required=True, help="the e-mail address of its first administrator")
    made.add_argument("--currency", default="USD", help="in which it reads its costs, an ISO 4217 code (USD)")
    made.add_argument("--timezone", default="UTC", help="its IANA time zone (UTC)")
    made.add_argument("--fiscal-month", type=int, default=1, help="the month in which its fiscal year begins (1)")
    made.add_argument("--country", help="an ISO 3166-1 code, such as DE")
    made.add_argument("--language", help="a BCP 47 tag, such as de-DE")
    made.add_argument("--plan", help="its plan, such as ENTERPRISE")
    made.add_argument(
        "--dataset",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="make <slug>_prod and its tables where they are missing (yes); no: a pipeline does",
    )
    add_readers(made, "who may read the dataset")
    listed = actions.add_parser("list", allow_abbrev=False, help="the organisations, by slug")
    add_place(listed)
    listed.add_argument("--after", default="", metavar="SLUG", help="begin behind this slug")
    listed.add_argument("--limit", type=int, default=100, help=f"how many, at most {_MOST:,} (100)")
    listed.add_argument("--json", action="store_true", help="print a JSON object a line")
    for name, purpose in (
        ("show", "its profile, keys, model and tables, as JSON; never anything of a key"),
        ("suspend", "refuse its keys from now on; nothing is deleted"),
        ("resume", "serve a suspended organisation again"),
    ):
        action = actions.add_parser(name, allow_abbrev=False, help=purpose)
        add_place(action)
        action.add_argument("--org", required=True, help="its slug")
    granted = actions.add_parser("grant", allow_abbrev=False, help="let accounts read <slug>_prod, whoever made it")
    add_place(granted)
    granted.add_argument("--org", required=True, help="its slug")
    add_readers(granted, "who may read the dataset", required=True)
    offboard.add_arguments(
        actions.add_parser("offboard", allow_abbrev=False, help="end an organisation and delete what it has said")
    )


def run(args: argparse.Namespace) -> int:
    """Do it, and return 0; 1 where it is refused or fails, 2 where it is not understood."""
    if args.action == "list":
        if not 1 <= args.limit <= _MOST:
            complain(f"--limit: a number from 1 to {_MOST}.")
            return 2
        return operate(args, lambda services: _list(services, args))
    if args.action == "create":
        try:
            profile = _profile(args)
        except ValidationError as error:
            complain(problems(error, "The organisation"))
            return 2
        return operate(args, lambda services: _create(services, args, profile))
    if args.action == "offboard":
        return offboard.run(args)
    if args.action == "grant":
        if not readers_of(args.readers):
            complain("--readers: name an account, or group:ADDRESS.")
            return 2
        return operate(args, lambda services: _grant(services, args))
    work = {"show": _show, "suspend": _suspend, "resume": _resume}[args.action]
    return operate(args, lambda services: work(services, operator_of(services, args.org)))


async def _create(services: Services, args: argparse.Namespace, profile: NewProfile) -> int:
    tenant = services.directory.tenant(parse_org_slug(args.org))
    client = bigquery_of(services.settings)
    if services.settings.bigquery_emulator_host:
        # No Terraform has made it there.
        datasets = (tenant.organizations_dataset, tenant.catalog_dataset)
        await asyncio.to_thread(warehouse.create_shared, client, *datasets)
    await asyncio.to_thread(_check_shared, client, tenant)
    await services.profiles.check(tenant, profile)
    readers = readers_of(args.readers)
    if args.dataset:
        await asyncio.to_thread(warehouse.create_tenant, client, tenant.org_slug, tenant.organizations_dataset, readers)
    elif readers:
        await asyncio.to_thread(_let_read, client, tenant, readers)
    # Last, so that an organisation that can sign in has its tables.
    new = await services.profiles.create(tenant, profile)
    print(f"{tenant.org_slug} is {'made' if new else 'there already, as it was asked for'}: {profile.company_name}.")
    if args.dataset and args.project and not args.readers:
        note(f"No function may read {tenant.dataset} by this: python -m local org grant --readers lets them.")
    return 0


def _let_read(client: bigquery.Client, tenant: Tenant, readers: list[str]) -> None:
    try:
        warehouse.let_read(client, tenant.org_slug, readers)
    except GoogleNotFound:
        raise NotFound(
            f"There is no dataset {tenant.dataset} in {tenant.project_id} that anybody could read."
        ) from None


async def _grant(services: Services, args: argparse.Namespace) -> int:
    tenant, readers = services.directory.tenant(parse_org_slug(args.org)), readers_of(args.readers)
    await profile_of(services, tenant)
    await asyncio.to_thread(_let_read, bigquery_of(services.settings), tenant, readers)
    print(f"{tenant.dataset} is read by {', '.join(readers)}.")
    return 0


def _check_shared(client: bigquery.Client, tenant: Tenant) -> None:
    try:
        client.get_dataset(f"{tenant.project_id}.{tenant.organizations_dataset}")
    except GoogleNotFound:
        raise NotFound(
            f"There is no dataset {tenant.organizations_dataset} in {tenant.project_id}: terraform apply makes it. "
            "Another one is named by ORGANIZATIONS_DATASET."
        ) from None


async def _list(services: Services, args: argparse.Namespace) -> int:
    client = bigquery_of(services.settings)
    table = f"{client.project}.{services.settings.organizations_dataset}.org_profiles"
    config = bigquery.QueryJobConfig(
        query_parameters=[
            bigquery.ScalarQueryParameter("after", "STRING", args.after),
            bigquery.ScalarQueryParameter("most", "INT64", args.limit),
        ]
    )
    rows = await asyncio.to_thread(
        lambda: [dict(row) for row in client.query_and_wait(_LIST_SQL.format(table=table), job_config=config)]
    )
    for row in rows:
        shown = row | {"created_at": row["created_at"].date().isoformat()}
        values = (str(value or "") for value in shown.values())
        print(json.dumps(shown, ensure_ascii=False) if args.json else "\t".join(values))
    if len(rows) == args.limit:
        note(f"There may be more: --after {rows[-1]['org_slug']}")
    return 0


async def _show(services: Services, operator: Principal) -> int:
    tenant = operator.tenant
    profile = await services.profiles.read(tenant)
    if profile is None:
        raise NotFound(f"There is no organisation {tenant.org_slug}.")
    keys, organization = await asyncio.gather(services.api_keys.stored(tenant), services.directory.renew(tenant))
    client = bigquery_of(services.settings)
    shown = {
        "org_slug": tenant.org_slug,
        **{name: _plain(value) for name, value in profile.items()},
        "active_keys": sum(serves(key, services.clock()) for key in keys),
        "chat": services.settings_view.whole(organization),
        "tables": await asyncio.to_thread(_rows, client, tenant),
    }
    print(json.dumps(shown, indent=2, ensure_ascii=False))
    return 0


def _rows(client: bigquery.Client, tenant: Tenant) -> dict[str, int] | None:
    """The rows of each table of the organisation's dataset; None where there is no dataset."""
    dataset = f"{tenant.project_id}.{tenant.dataset}"
    try:
        names = sorted(table.table_id for table in client.list_tables(dataset))
    except GoogleNotFound:
        return None
    return {name: int(client.get_table(f"{dataset}.{name}").num_rows or 0) for name in names}


async def _suspend(services: Services, operator: Principal) -> int:
    await profile_of(services, operator.tenant)
    changed = await services.profiles.set_status(operator.tenant, "SUSPENDED")
    print(f"{operator.org_slug} is suspended{'' if changed else ' already'}: its keys are refused.")
    return 0


async def _resume(services: Services, operator: Principal) -> int:
    await profile_of(services, operator.tenant)
    changed = await services.profiles.set_status(operator.tenant, "ACTIVE")
    print(f"{operator.org_slug} is served{'' if changed else ' already'}: its active keys are accepted.")
    return 0


def _profile(args: argparse.Namespace) -> NewProfile:
    return NewProfile.model_validate(
        {
            "company_name": args.name,
            "admin_email": args.email,
            "subscription_plan": args.plan,
            "default_currency": args.currency,
            "default_country": args.country,
            "default_language": args.language,
            "default_timezone": args.timezone,
            "fiscal_year_start_month": args.fiscal_month,
        }
    )


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
