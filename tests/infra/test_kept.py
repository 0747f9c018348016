"""What is stored stays: an older commit that is applied over newer tables drops and replaces nothing."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.infra.conftest import SHAPES
from tests.infra.workspace import ROOT, Workspace, workspace

EVERYTHING = SHAPES / "everything.tfvars"
LATER = {"name": "of_a_later_version", "type": "STRING", "mode": "NULLABLE"}
PLAN = "kept.tfplan"


@pytest.fixture(scope="module")
def deployed(cached: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """Everything is deployed already, and each table has one column more than this commit knows."""
    with workspace(tmp_path_factory.mktemp("deployed"), cached) as made:
        shutil.copy(EVERYTHING, made.terraform / EVERYTHING.name)
        plan(made)
        planned = made.json("show", "-json", PLAN)
        state = {"version": 4, "terraform_version": planned["terraform_version"], "serial": 1, "lineage": "kept"}
        resources = [stored(each) for each in planned["planned_values"]["root_module"]["resources"]]
        text = json.dumps({**state, "outputs": {}, "resources": merged(resources), "check_results": None})
        (made.terraform / "terraform.tfstate").write_text(text, encoding="utf-8")
        yield made


def plan(workspace: Workspace) -> None:
    arguments = ("-input=false", "-no-color", "-lock=false", "-refresh=false", f"-var-file={EVERYTHING.name}")
    finished = workspace.run("plan", *arguments, f"-out={PLAN}")
    assert finished.ok, finished.output


def stored(resource: dict[str, Any]) -> dict[str, Any]:
    """The resource as a state holds it."""
    values = dict(resource["values"])
    if resource["type"] == "google_bigquery_table" and values["schema"]:
        values["schema"] = json.dumps([*json.loads(values["schema"]), LATER])
    held: dict[str, Any] = {"schema_version": 0, "attributes": values, "sensitive_attributes": []}
    if "index" in resource:
        held["index_key"] = resource["index"]
    provider = f'provider["{resource["provider_name"]}"]'
    named = {name: resource[name] for name in ("mode", "type", "name")}
    return {**named, "provider": provider, "instances": [held]}


def merged(resources: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One entry per resource, with all of its instances."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for each in resources:
        known = found.setdefault((each["type"], each["name"]), {**each, "instances": []})
        known["instances"] += each["instances"]
    return list(found.values())


def verdict(workspace: Workspace) -> tuple[int, str]:
    """What the check of Cloud Build says of the plan: its exit code and its sentences."""
    plan(workspace)
    told = workspace.json("show", "-json", PLAN)
    # Everything is known to be there: nothing that holds data is made anew.
    assert not [each["address"] for each in told["resource_changes"] if each["change"]["actions"] == ["create"]]
    done = subprocess.run(
        [sys.executable, str(ROOT / "terraform" / "kept.py")],
        input=json.dumps(told),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def changed(workspace: Workspace, file: str, old: str, new: str) -> tuple[int, str]:
    """What is said once the configuration says ``new``."""
    path = workspace.terraform / file
    before = path.read_text(encoding="utf-8")
    assert old in before
    path.write_text(before.replace(old, new), encoding="utf-8")
    try:
        return verdict(workspace)
    finally:
        path.write_text(before, encoding="utf-8")


def test_an_older_commit_drops_no_column(deployed: Workspace) -> None:
    assert verdict(deployed) == (0, "")


def test_a_column_that_would_be_dropped_is_named(deployed: Workspace) -> None:
    code, said = changed(deployed, "bigquery.tf", "ignore_changes = [schema]", "ignore_changes = [labels]")
    assert code == 1
    assert 'google_bigquery_table.shared["org_chat_messages"] would lose its column of_a_later_version.' in said


@pytest.mark.parametrize(
    ("file", "old", "new", "lost"),
    [
        ("everything.tfvars", '"org_chat_conversations", ', "", 'shared["org_chat_conversations"] would be destroyed'),
        (
            "everything.tfvars",
            'database = "sessions",',
            'create = false, database = "sessions",',
            "google_firestore_database",
        ),
    ],
)
def test_data_that_would_go_is_named(deployed: Workspace, file: str, old: str, new: str, lost: str) -> None:
    code, said = changed(deployed, file, old, new)
    assert code == 1
    assert lost in said
