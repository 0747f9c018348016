"""What the tests share: the emulators as a process of their own, with the demo organisations loaded."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from rich.console import Console

PROJECT = "local-dev-project"


@dataclass(frozen=True, slots=True)
class Cloud:
    """The running emulators, and the day their demo data was made for."""

    environment: dict[str, str]
    today: date


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """Emulators with acme_inc and globex_inc loaded; the environment names them while the session lasts."""
    from local.data.__main__ import emulated_bigquery, emulated_kms
    from local.data.prepare import prepare
    from local.emulators.process import EmulatorProcess

    today = datetime.now(UTC).date()
    with (
        EmulatorProcess(PROJECT, tmp_path_factory.mktemp("emulators")) as emulators,
        pytest.MonkeyPatch.context() as patch,
    ):
        environment = {**emulators.environment, "GCP_PROJECT_ID": PROJECT, "ENVIRONMENT": "test"}
        for name, value in environment.items():
            patch.setenv(name, value)
        with Path(os.devnull).open("w") as nowhere:
            prepare(emulated_bigquery(environment), emulated_kms(environment), today, None, Console(file=nowhere))
        yield Cloud(environment, today)
