"""The operator's commands alike: where they work and as whom, and what they say where something is wrong.

They work on a running ``make run`` (or on the emulators that the environment names), and with ``--project`` on a real
project: with the operator's own Google credentials, and with the same KMS_*, ORGANIZATIONS_DATASET and
FIRESTORE_DATABASE variables as the functions.
"""

import argparse
import asyncio
import getpass
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from google.api_core.exceptions import GoogleAPICallError
from google.auth.exceptions import GoogleAuthError
from google.cloud import bigquery

from common.app import Services
from common.errors import BadSlug, NotFound, ServiceError
from common.settings import InvalidSettings, Settings, load_settings
from common.telemetry.log import Log
from common.tenant import WRITE_SETTINGS, Principal, Tenant, UserId, parse_org_slug
from common.warehouse.client import QueryRefused
from local.data.__main__ import emulated_bigquery
from local.running import NotRunningError, environment_of

CANCELLED = 130
HOSTS = (
    "BIGQUERY_EMULATOR_HOST", "FIRESTORE_EMULATOR_HOST", "KMS_EMULATOR_HOST", "STORAGE_EMULATOR_HOST",
    "CLOUD_TASKS_EMULATOR_HOST",
)  # fmt: skip
_SIGN_IN = "Sign in with: gcloud auth application-default login"
_DOCTOR = "python -m local doctor says what is missing."


def add_place(parser: argparse.ArgumentParser) -> None:
    """Declare where a command works."""
    parser.add_argument("--project", help="a real project; without it, the running make run")
    parser.add_argument("--state", type=Path, default=Path(".local"), help="where make run keeps its data (.local)")


def add_readers(parser: argparse.ArgumentParser, purpose: str, *, required: bool = False) -> None:
    """Declare the accounts that a command is about."""
    told = f"{purpose}: accounts or group:ADDRESS (terraform output -raw tenant_readers)"
    parser.add_argument("--readers", default="", metavar="A,B", required=required, help=told)


def readers_of(text: str) -> list[str]:
    """The accounts of a ``--readers``."""
    return [reader for part in text.split(",") if (reader := part.strip())]


def operate(args: argparse.Namespace, work: Callable[[Services], Awaitable[int]]) -> int:
    """Do a command's work, and return its exit code; 1 where it is refused or fails, 2 where it is not understood."""
    try:
        point_at(args.project, args.state)
        return asyncio.run(_work(work))
    except (InvalidSettings, NotRunningError) as error:
        complain(str(error))
        return 2
    except BadSlug:
        complain("--org: a slug has 3 to 50 lower-case letters, digits and underscores, such as acme_inc.")
        return 2
    except ServiceError as error:
        complain(sentence_of(error))
        return 1
    except GoogleAPICallError as error:
        complain(f"Google Cloud refused: {error.message}")
        return 1
    except GoogleAuthError as error:
        complain(f"There are no Google credentials that could be used: {error.args[0]} {_SIGN_IN}")
        return 1
    except KeyboardInterrupt:
        complain("Stopped half-way. Give the same command again to go on.")
        return CANCELLED


def sentence_of(error: ServiceError) -> str:
    """A refusal for an operator, who may do something about the warehouse's own."""
    if isinstance(error.__cause__, QueryRefused):
        return f"BigQuery does not run it ({error.__cause__.code}): {error.__cause__.detail} {_DOCTOR}"
    return f"{error.detail} ({error.code})"


def point_at(project: str | None, state: Path) -> None:
    """Set the environment that the product's own settings are read from. Raises NotRunningError."""
    if project:
        os.environ["GCP_PROJECT_ID"] = project
        os.environ.setdefault("ENVIRONMENT", "production")
        return
    os.environ.setdefault("ENVIRONMENT", "local")
    if not all(os.environ.get(name) for name in HOSTS):
        os.environ.update(environment_of(state))
        # Where the running product asks its models, the keys are checked; not where this shell would.
        if not os.environ.get("MODEL_API_BASES"):
            os.environ.pop("MODEL_API_BASES", None)


def operator_of(services: Services, org: str) -> Principal:
    """The operator at work for an organisation. Raises BadSlug."""
    tenant = services.directory.tenant(parse_org_slug(org))
    return Principal(tenant, UserId(f"operator:{getpass.getuser()}"), "operator", frozenset({WRITE_SETTINGS}))


async def profile_of(services: Services, tenant: Tenant) -> Mapping[str, Any]:
    """The stored profile of an organisation. Raises NotFound where there is none, or it was offboarded."""
    profile = await services.profiles.read(tenant)
    if profile is None:
        raise NotFound(f"There is no organisation {tenant.org_slug}: python -m local org create makes one.")
    if profile["status"] == "DELETED":
        raise NotFound(f"{tenant.org_slug} was offboarded.")
    return profile


def bigquery_of(settings: Settings) -> bigquery.Client:
    """A client for what only an operator does: datasets, tables, and what is not of one organisation."""
    if settings.bigquery_emulator_host:
        return emulated_bigquery(os.environ)
    return bigquery.Client(project=settings.gcp_project_id, location=settings.bq_location)


def confirmed(args: argparse.Namespace, warning: str) -> bool:
    """Ask for the organisation's slug once more, and return whether it was typed."""
    sys.stderr.write(f"{warning} It is of {args.project or 'this machine'}. Type {args.org} to go on: ")
    sys.stderr.flush()
    typed = sys.stdin.readline().strip()
    if typed != args.org:
        complain("That is not the slug. Nothing was changed.")
    return bool(typed == args.org)


def complain(sentence: str) -> None:
    """Say on standard error what is wrong; standard output is for what was asked."""
    sys.stderr.write(f"{sentence}\n")


def note(sentence: str) -> None:
    """Say on standard error what was done, or what to do next."""
    sys.stderr.write(f"{sentence}\n")


async def _work(work: Callable[[Services], Awaitable[int]]) -> int:
    services = Services(load_settings())
    # The audit record; standard output is for what was asked.
    services.__dict__["log"] = Log("INFO", sys.stderr)
    try:
        return await work(services)
    finally:
        await services.close()
