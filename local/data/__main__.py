"""``python -m local.data``: fill running emulators, or only check a FOCUS bill with ``--check``."""

import argparse
import os
import sys
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path

import grpc
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery, kms
from google.cloud.kms_v1.services.key_management_service.transports import KeyManagementServiceGrpcTransport
from rich.console import Console

from local.data.access import Encrypt, kms_encrypt
from local.data.focus.loading import check
from local.data.focus.problems import FocusFileError
from local.data.prepare import prepare
from local.running import environment_of

PROJECT = "local-dev-project"
KEY = "projects/{project}/locations/global/keyRings/cloudact-keyring/cryptoKeys/api-key-encryption"


def emulated_bigquery(environment: Mapping[str, str]) -> bigquery.Client:
    """Return a BigQuery client of the emulator that BIGQUERY_EMULATOR_HOST names."""
    return bigquery.Client(
        project=environment.get("GCP_PROJECT_ID", PROJECT),
        credentials=AnonymousCredentials(),
        client_options={"api_endpoint": environment["BIGQUERY_EMULATOR_HOST"]},
    )


def warehouse_of(project: str | None, state: Path) -> bigquery.Client:
    """Return a client of the project, or of the emulator that the environment or a make run names.

    Raises NotRunningError where there is none of them.
    """
    if project:
        return bigquery.Client(project=project)
    if "BIGQUERY_EMULATOR_HOST" in os.environ:
        return emulated_bigquery(os.environ)
    return emulated_bigquery({**os.environ, **environment_of(state)})


def emulated_kms(environment: Mapping[str, str]) -> Encrypt:
    """Return an encrypting function of the emulator that KMS_EMULATOR_HOST names."""
    channel = grpc.insecure_channel(environment["KMS_EMULATOR_HOST"])
    client = kms.KeyManagementServiceClient(transport=KeyManagementServiceGrpcTransport(channel=channel))
    return kms_encrypt(client, KEY.format(project=environment.get("GCP_PROJECT_ID", PROJECT)))


def add_bill(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments that name a FOCUS bill and say how it is read."""
    parser.add_argument(
        "--focus",
        nargs="+",
        action="extend",
        metavar="FILE",
        help="a FOCUS 1.0 to 1.4 export for the organisation focus_inc: CSV, JSON lines or Parquet, also packed "
        "(gzip, zip); a file, several, or a folder in parts",
    )
    parser.add_argument("--team-tag", metavar="KEY", help="read the team of each charge from this tag")


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code: 2 where a FOCUS file cannot be read."""
    parser = argparse.ArgumentParser(prog="python -m local.data", description=__doc__)
    add_bill(parser)
    parser.add_argument("--check", action="store_true", help="only read the FOCUS file and say what it holds")
    parser.add_argument("--today", type=date.fromisoformat, default=datetime.now(UTC).date(), help="YYYY-MM-DD")
    options = parser.parse_args(arguments)
    console = Console(stderr=True)
    try:
        if options.check:
            if not options.focus:
                parser.error("--check needs --focus FILE")
            print(check(options.focus, options.team_tag).text)
        else:
            client, encrypt = emulated_bigquery(os.environ), emulated_kms(os.environ)
            prepare(client, encrypt, options.today, options.focus, console, options.team_tag)
    except FocusFileError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
