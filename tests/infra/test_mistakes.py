"""The checks are worth something: each mistake is caught, by the check that is there for it."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.infra.conftest import EXAMPLE
from tests.infra.mistakes import REFUSED_BY_ITS_TESTS, REFUSED_BY_POLICY, REFUSED_BY_TERRAFORM, Mistake
from tests.infra.plan import Plan, planned
from tests.infra.policies import POLICIES
from tests.infra.workspace import Workspace, workspace


def by_name(mistake: Mistake) -> str:
    return mistake.name


def make(mistake: Mistake, folder: Path) -> None:
    file = folder / mistake.file
    text = file.read_text(encoding="utf-8")
    if not mistake.old:
        file.write_text(f"{text}\n{mistake.new}", encoding="utf-8")
        return
    # However it is aligned and broken into lines.
    sought = r"\s+".join(re.escape(part) for part in mistake.old.split())
    changed, count = re.subn(sought, lambda _: mistake.new, text, count=1)
    assert count == 1, f"{mistake.file} no longer says {mistake.old!r}: say where this mistake is made now"
    file.write_text(changed, encoding="utf-8")


@contextmanager
def made(mistake: Mistake, folder: Path) -> Iterator[None]:
    file = folder / mistake.file
    before = file.read_text(encoding="utf-8")
    make(mistake, folder)
    try:
        yield
    finally:
        file.write_text(before, encoding="utf-8")


@pytest.fixture(scope="module")
def scratch(cached: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A copy in which mistakes are made, and undone."""
    with workspace(tmp_path_factory.mktemp("scratch"), cached) as found:
        yield found


@pytest.fixture(scope="module")
def mistaken(cached: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plan]:
    """The plan of a configuration in which everything is wrong that a policy is there for."""
    with workspace(tmp_path_factory.mktemp("mistaken"), cached) as found:
        for mistake in REFUSED_BY_POLICY:
            make(mistake, found.terraform)
        yield planned(found, f"-var-file={EXAMPLE}")


@pytest.mark.parametrize("mistake", REFUSED_BY_TERRAFORM, ids=by_name)
def test_terraform_refuses(scratch: Workspace, mistake: Mistake) -> None:
    with made(mistake, scratch.terraform):
        found = scratch.run("validate", "-no-color")
    assert not found.ok
    assert mistake.says in " ".join(found.output.split())


@pytest.mark.parametrize("mistake", REFUSED_BY_ITS_TESTS, ids=by_name)
def test_terraforms_tests_fail(scratch: Workspace, mistake: Mistake) -> None:
    with made(mistake, scratch.terraform):
        found = scratch.run("test", "-no-color", f"-filter=tests/{mistake.says}")
    assert not found.ok
    assert f"tests/{mistake.says}... fail" in found.output


@pytest.mark.parametrize("mistake", REFUSED_BY_POLICY, ids=by_name)
def test_a_policy_is_broken(mistaken: Plan, mistake: Mistake) -> None:
    assert [problem for problem in POLICIES[mistake.policy](mistaken) if mistake.says in problem]


def test_no_policy_holds_whatever_is_planned() -> None:
    assert {mistake.policy for mistake in REFUSED_BY_POLICY} == set(POLICIES)
