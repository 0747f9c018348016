"""Terraform's own checks, over the providers' own schemas."""

from tests.infra.plan import Plan
from tests.infra.workspace import Workspace


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


def test_the_example_and_everything_can_be_planned(example: Plan, everything: Plan) -> None:
    assert len(example.functions) == len(everything.functions) == 9
