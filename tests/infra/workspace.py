"""A copy of the Terraform configuration, and real Terraform in it, offline."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tests.infra.provider import archive, wheel
from tests.infra.provider.schema import Schemas
from tests.infra.provider.server import serving

ROOT = Path(__file__).parents[2]
# What the configuration reads outside its own folder; of common/ a plan that packs nothing needs the schemas alone.
_READ = ("functions", "requirements.txt")
_ALL, _SCHEMAS = "common", "common/warehouse/schemas"
_TYPE = re.compile(r'^\s*(resource|data)\s+"(google_\w+)"', re.MULTILINE)
# What the configuration does not have, and must not come to have unnoticed.
_UNWANTED = ("resource", "google_service_account_key")
# Remote state is in a bucket; here there is none.
_BACKEND = 'terraform {\n  backend "local" {}\n}\n'


@dataclass(frozen=True, slots=True)
class Finished:
    """What a command said, and whether it succeeded."""

    ok: bool
    output: str


@dataclass(frozen=True, slots=True)
class Workspace:
    """One copy, initialised, with both providers attached."""

    terraform: Path
    environment: Mapping[str, str]

    def run(self, *arguments: str) -> Finished:
        """Run terraform with these arguments."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
        environment |= {"CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1", **self.environment}
        done = subprocess.run(
            ["terraform", *arguments],
            cwd=self.terraform,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=300,
        )
        return Finished(done.returncode == 0, done.stdout)

    def json(self, *arguments: str) -> Any:
        """What a command says as JSON; it must succeed."""
        finished = self.run(*arguments)
        assert finished.ok, finished.output
        return json.loads(finished.output)


@contextmanager
def workspace(
    folder: Path, cached: Path, source: Path = ROOT, *, whole: bool = False, part: str = "terraform"
) -> Iterator[Workspace]:
    """Copy the configuration into ``folder``, with the ``whole`` source or little of it, and initialise a part."""
    for name in ("terraform", *_READ, _ALL if whole else _SCHEMAS):
        _copy(source / name, folder / name)
    configuration = folder / part
    (configuration / "backend_override.tf").write_text(_BACKEND, encoding="utf-8")
    with serving(_providers(configuration, cached), configuration) as environment:
        made = Workspace(configuration, environment)
        started = made.run("init", "-input=false", "-no-color")
        assert started.ok, started.output
        yield made


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        # The variables of a deployment are its operator's own; the example's are checked.
        ignored = shutil.ignore_patterns(
            "__pycache__", ".terraform*", ".archives", "*.tfstate*", "*.tfplan", "*.tfvars"
        )
        shutil.copytree(source, target, ignore=ignored)
    else:
        shutil.copy(source, target)


def _providers(configuration: Path, cached: Path) -> dict[str, Schemas]:
    text = "\n".join(
        file.read_text(encoding="utf-8") for file in sorted(configuration.rglob("*.tf*")) if file.is_file()
    )
    return {
        "hashicorp/google": _google(cached, frozenset([*_TYPE.findall(text), _UNWANTED])),
        "hashicorp/archive": archive.SCHEMAS,
    }


@cache
def _google(cached: Path, types: frozenset[tuple[str, str]]) -> Schemas:
    cached.mkdir(parents=True, exist_ok=True)
    by_kind = {kind: {name for each, name in types if each == kind} for kind in ("resource", "data")}
    return wheel.read(wheel.fetch(cached), by_kind["resource"], by_kind["data"])
