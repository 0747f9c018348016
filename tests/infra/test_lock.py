"""The lock files: every package at one version, each of its files by its hash, and both files of one mind."""

import re
from pathlib import Path

import pytest

from tests.infra.workspace import ROOT

LOCKS = ("requirements.txt", "requirements-dev.txt")
_PACKAGE = re.compile(
    r"^(?P<name>[A-Za-z0-9][\w.-]*)(\[[\w,-]+\])?==(?P<version>[^\s;]+)(?P<marker> ;[^\\]*)?(?P<rest>.*)"
)
_HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}\b")


def packages(lock: Path) -> dict[str, tuple[str, str]]:
    """Name -> version, and what the lock says of it."""
    logical = re.sub(r"\\\n\s*", " ", lock.read_text("utf-8"))
    lines = [line for line in logical.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    found = {}
    for line in lines:
        match = _PACKAGE.match(line)
        assert match is not None, f"{lock.name}: not one pinned package: {line[:100]}"
        assert match["name"] not in found, f"{lock.name} pins {match['name']} twice"
        found[match["name"]] = (match["version"], match["rest"])
    return found


@pytest.mark.parametrize("name", LOCKS)
def test_every_file_of_every_package_is_known_by_its_hash(name: str) -> None:
    found = packages(ROOT / name)
    assert len(found) > 50
    assert [package for package, (_, rest) in found.items() if not _HASH.search(rest)] == []


def test_both_locks_pin_what_is_deployed_alike() -> None:
    deployed, developed = (packages(ROOT / name) for name in LOCKS)
    assert {package: developed.get(package) for package in deployed} == deployed


def test_the_lock_is_made_with_hashes() -> None:
    lock = (ROOT / "Makefile").read_text("utf-8").partition("\nlock:")[2].partition("\n\n")[0]
    assert lock.count("uv pip compile") == lock.count("--generate-hashes") == len(LOCKS)
