"""``python -m local org offboard``: an organisation leaves for good."""

import argparse
import asyncio

from google.cloud import bigquery

from common.app import Services
from common.tenant import Tenant
from common.warehouse import schema
from local.data.warehouse import let_read_no_longer
from local.operating import add_place, add_readers, bigquery_of, confirmed, note, operate, operator_of, readers_of

# Who was there, and which keys are spent: both are needed so that neither is used again.
_KEPT = ("org_profiles", "org_api_keys")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_place(parser)
    parser.add_argument("--org", required=True, help="its slug")
    parser.add_argument(
        "--data",
        action="store_true",
        help="delete also <slug>_prod with all costs, and its rows of every other shared table",
    )
    add_readers(parser, "who may read <slug>_prod no longer, where it stays")
    parser.add_argument("--yes", action="store_true", help="do not ask for the slug once more")


def run(args: argparse.Namespace) -> int:
    """Do it, and return 0; 1 where it is refused or fails. It may be given again, and goes on where it stopped."""
    return operate(args, lambda services: _offboard(services, args))


async def _offboard(services: Services, args: argparse.Namespace) -> int:
    operator = operator_of(services, args.org)
    if not args.yes and not confirmed(args, f"This deletes what {args.org} has said, for good."):
        return 1
    done = await services.offboarding.run(operator, lambda step: note(f"{step} …"))
    if args.data:
        client = bigquery_of(services.settings)
        note(f"Deleting {operator.tenant.dataset} and its rows of other tables …")
        done.rows += await asyncio.to_thread(_delete_data, client, operator.tenant)
    elif readers := readers_of(args.readers):
        note(f"Refusing {operator.tenant.dataset} to its readers …")
        await asyncio.to_thread(let_read_no_longer, bigquery_of(services.settings), args.org, readers)
    already = "" if done.was_active else " already"
    print(
        f"{operator.org_slug} is offboarded{already}: {done.keys:,} keys revoked, {done.documents:,} documents and "
        f"{done.rows:,} rows deleted."
    )
    if not args.data:
        note(f"{operator.tenant.dataset} and rows of the platform's other tables stay; --data deletes them too.")
    return 0


def _delete_data(client: bigquery.Client, tenant: Tenant) -> int:
    """Delete the organisation's dataset and its rows of shared tables; return how many rows of these there were."""
    rows = 0
    own = bigquery.QueryJobConfig(
        query_parameters=[bigquery.ScalarQueryParameter("org_slug", "STRING", tenant.org_slug)]
    )
    there = {table.table_id for table in client.list_tables(f"{client.project}.{tenant.organizations_dataset}")}
    for name in schema.tables("organizations"):
        if name in there and name not in (*_KEPT, *schema.record_tables()):
            table = f"`{client.project}.{tenant.organizations_dataset}.{name}`"
            job = client.query(f"DELETE FROM {table} WHERE org_slug = @org_slug", job_config=own)
            job.result()
            rows += job.num_dml_affected_rows or 0
    client.delete_dataset(f"{client.project}.{tenant.dataset}", delete_contents=True, not_found_ok=True)
    return rows
