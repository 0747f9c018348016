"""``python -m local.data``: fill running emulators, or only check a FOCUS file with ``--check``."""

import argparse
import os
import sys
import tempfile
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path

import grpc
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery, kms
from google.cloud.kms_v1.services.key_management_service.transports import KeyManagementServiceGrpcTransport
from rich.console import Console

from local.data import focus
from local.data.access import Encrypt, kms_encrypt
from local.data.focus_file import FocusFileError
from local.data.prepare import prepare

PROJECT = "local-dev-project"
KEY = "projects/{project}/locations/global/keyRings/cloudact-keyring/cryptoKeys/api-key-encryption"


def emulated_bigquery(environment: Mapping[str, str]) -> bigquery.Client:
    """Return a BigQuery client of the emulator that BIGQUERY_EMULATOR_HOST names."""
    return bigquery.Client(
        project=environment.get("GCP_PROJECT_ID", PROJECT),
        credentials=AnonymousCredentials(),
        client_options={"api_endpoint": environment["BIGQUERY_EMULATOR_HOST"]},
    )


def emulated_kms(environment: Mapping[str, str]) -> Encrypt:
    """Return an encrypting function of the emulator that KMS_EMULATOR_HOST names."""
    channel = grpc.insecure_channel(environment["KMS_EMULATOR_HOST"])
    client = kms.KeyManagementServiceClient(transport=KeyManagementServiceGrpcTransport(channel=channel))
    return kms_encrypt(client, KEY.format(project=environment.get("GCP_PROJECT_ID", PROJECT)))


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code: 2 where a FOCUS file cannot be read."""
    parser = argparse.ArgumentParser(prog="python -m local.data", description=__doc__)
    parser.add_argument("--focus", type=Path, metavar="FILE", help="a FOCUS 1.0 to 1.3 CSV for the org focus_inc")
    parser.add_argument("--check", action="store_true", help="only read the FOCUS file and say what it holds")
    parser.add_argument("--today", type=date.fromisoformat, default=datetime.now(UTC).date(), help="YYYY-MM-DD")
    options = parser.parse_args(arguments)
    console = Console(stderr=True)
    try:
        if options.check:
            if not options.focus:
                parser.error("--check needs --focus FILE")
            with tempfile.TemporaryFile() as ndjson:
                print(focus.convert(options.focus, ndjson, options.today).text)
        else:
            prepare(emulated_bigquery(os.environ), emulated_kms(os.environ), options.today, options.focus, console)
    except FocusFileError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
