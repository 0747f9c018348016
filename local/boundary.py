"""``python -m local boundary``: what an operator needs to build an organisation's boundary below the guard.

It prints the variables of terraform/organization, whose state is the organisation's own.
"""

import argparse
import sys

from common.errors import ServiceError
from common.tenant import Tenant, parse_org_slug
from common.warehouse.isolation.authorized_views import boundary_json, boundary_sql
from local.operating import add_readers, readers_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--org", required=True, help="the organisation's slug")
    parser.add_argument("--project", default="local-dev-project", help="the project of the datasets")
    parser.add_argument("--organizations-dataset", default="organizations", help="the shared dataset (organizations)")
    parser.add_argument(
        "--service-account", help="as WAREHOUSE_IMPERSONATION, e.g. chat-{org_slug}@p.iam.gserviceaccount.com"
    )
    add_readers(parser, "who may act as that account")
    parser.add_argument("--format", choices=["json", "sql"], default="json", help="Terraform variables, or statements")


def run(args: argparse.Namespace) -> int:
    """Print the boundary and return 0; 2 where the organisation or its service account is not possible."""
    try:
        tenant = Tenant(parse_org_slug(args.org), args.project, args.organizations_dataset)
        readers = readers_of(args.readers)
        text = boundary_sql(tenant) if args.format == "sql" else boundary_json(tenant, args.service_account, readers)
    except ServiceError as error:
        possible = (
            error.detail
            if error.status == 400
            else "The pattern gives this organisation no service account id of 6 to 30 characters."
        )
        sys.stderr.write(f"{possible}\n")
        return 2
    sys.stdout.write(text)
    return 0
