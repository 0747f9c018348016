"""``python -m local issuer``: the issuers whose tokens prove an organisation's people, registered, listed and removed.

``--provider`` brings what is usual with Supabase and Keycloak; whatever is named comes before it. A secret (Supabase's
legacy one) is read from standard input; it is never an argument, which every process could see.
"""

import argparse
import json
import sys
from typing import Any

from pydantic import ValidationError

from common.app import Services
from common.bodies import problems
from common.errors import NotFound
from common.organizations.issuers import NewIssuer
from common.tenant import ROLES
from local.operating import add_place, complain, operate, operator_of, profile_of

_CLAIMS = {
    "tenant": "the claim that holds the organisation's slug (tenant_id)",
    "user": "the claim that names the person (sub)",
    "role": "the claim with the person's role or roles (role)",
    "name": "the claim with the person's name (name)",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    actions = parser.add_subparsers(dest="action", required=True)
    added = actions.add_parser("add", allow_abbrev=False, help="accept the tokens of an issuer, or change how")
    listed = actions.add_parser("list", allow_abbrev=False, help="the registered issuers, as JSON; never a secret")
    removed = actions.add_parser("remove", allow_abbrev=False, help="refuse the tokens of an issuer from now on")
    for action in (added, listed, removed):
        add_place(action)
        action.add_argument("--org", required=True, help="the organisation's slug")
    added.add_argument("--issuer", required=True, help="the tokens' iss, such as https://PROJECT.supabase.co/auth/v1")
    added.add_argument("--provider", choices=("supabase", "keycloak", "oidc"), default="oidc")
    added.add_argument("--algorithm", choices=("RS256", "ES256", "HS256"), help="the only one that is accepted")
    added.add_argument("--audience", help="the tokens' aud")
    added.add_argument("--jwks-url", help="where the issuer's public keys are: https, a public host")
    added.add_argument("--secret-stdin", action="store_true", help="read the secret of HS256 from standard input")
    for name, purpose in _CLAIMS.items():
        added.add_argument(f"--{name}-claim", metavar="CLAIM", help=purpose)
    added.add_argument(
        "--role",
        action="append",
        metavar="THEIRS=OURS",
        help=f"a role of the issuer, and which one it is here ({', '.join(ROLES)}); may be given again",
    )
    removed.add_argument("--id", required=True, help="the issuer's id, as list shows it")


def run(args: argparse.Namespace) -> int:
    """Do it, and return 0; 1 where it is refused or fails, 2 where it is not understood."""
    if args.action == "add":
        try:
            new = NewIssuer.model_validate_json(json.dumps(_given(args)))
        except ValidationError as error:
            complain(problems(error, "The issuer"))
            return 2
        return operate(args, lambda services: _add(services, args, new))
    return operate(args, lambda services: (_list if args.action == "list" else _remove)(services, args))


async def _add(services: Services, args: argparse.Namespace, new: NewIssuer) -> int:
    operator = operator_of(services, args.org)
    await profile_of(services, operator.tenant)
    stored = await services.access_store.add_issuer(operator, new)
    print(json.dumps(stored.shown(), indent=2, ensure_ascii=False))
    return 0


async def _list(services: Services, args: argparse.Namespace) -> int:
    tenant = operator_of(services, args.org).tenant
    organization = await services.directory.renew(tenant)
    if organization is None:
        raise NotFound(f"There is no organisation {tenant.org_slug}.")
    for each in organization.access.issuers.issuers:
        print(json.dumps(each.shown(), ensure_ascii=False))
    return 0


async def _remove(services: Services, args: argparse.Namespace) -> int:
    operator = operator_of(services, args.org)
    await services.access_store.remove_issuer(operator, args.id)
    print(f"Tokens of issuer {args.id} are refused by {operator.org_slug} from now on.")
    return 0


def _given(args: argparse.Namespace) -> dict[str, Any]:
    """The body that the arguments make."""
    named = {name: getattr(args, name) for name in ("issuer", "provider", "algorithm", "audience", "jwks_url")}
    given: dict[str, Any] = {name: value for name, value in named.items() if value is not None}
    claims = {name: value for name in _CLAIMS if (value := getattr(args, f"{name}_claim")) is not None}
    if claims:
        given["claims"] = claims
    if args.role:
        given["roles"] = {theirs: ours for theirs, _, ours in (each.partition("=") for each in args.role)}
    if args.secret_stdin:
        given["secret"] = sys.stdin.readline().strip()
    return given
