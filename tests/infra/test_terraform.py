"""Terraform's own checks, over the providers' own schemas."""

import re
import shutil

from tests.infra.conftest import SHAPES
from tests.infra.plan import Plan, Resource
from tests.infra.workspace import ROOT, Workspace


def test_every_file_is_formatted(pristine: Workspace) -> None:
    found = pristine.run("fmt", "-check", "-diff", "-recursive")
    assert found.ok, found.output


def test_the_configuration_is_valid(pristine: Workspace) -> None:
    found = pristine.run("validate", "-no-color")
    assert found.ok, found.output


def test_its_own_tests_pass(pristine: Workspace) -> None:
    found = pristine.run("test", "-no-color")
    assert found.ok, found.output
    assert " 0 passed" not in found.output


def test_its_own_tests_see_nothing_of_a_deployments_variables(pristine: Workspace) -> None:
    beside = pristine.terraform / "terraform.tfvars"
    shutil.copy(SHAPES / "everything.tfvars", beside)
    try:
        found = pristine.run("test", "-no-color")
    finally:
        beside.unlink()
    assert found.ok, found.output


def test_its_own_tests_give_every_variable() -> None:
    declared = set(re.findall(r'^variable "(\w+)"', (ROOT / "terraform/variables.tf").read_text("utf-8"), re.M))
    for file in (ROOT / "terraform" / "tests").glob("*.tftest.hcl"):
        given = file.read_text("utf-8").partition("\nvariables {\n")[2].partition("\n}\n")[0]
        assert set(re.findall(r"^  (\w+) +=", given, re.M)) == declared, file.name


def test_every_shape_can_be_planned(shapes: dict[str, Plan]) -> None:
    assert len({len(plan.functions) for plan in shapes.values()}) == 1


# What a project has once, whoever uses it; and what is asked for, not made.
SHARED = {"google_project_service", "google_project_iam_member", "google_billing_budget"}


def test_two_deployments_in_one_project_share_no_name(shapes: dict[str, Plan]) -> None:
    made = [
        {name for each in shapes[shape].resources if (name := identity(each)) is not None}
        for shape in ("everything", "none")
    ]
    assert min(map(len, made)) > 50
    assert made[0] & made[1] == set()


def identity(resource: Resource) -> tuple[str, ...] | None:
    """What Google knows a resource by, within one project and location."""
    if (
        resource.type in {*SHARED, "google_project"}
        or resource.type.endswith("_iam_member")
        or not resource.type.startswith("google_")
    ):
        return None
    names = ("dataset_id", "table_id", "key_ring", "database", "collection", "field", "account_id", "bucket")
    told = [str(resource.values[name]) for name in (*names, "repository_id", "name") if resource.values.get(name)]
    return (resource.type, *told) if told else None
