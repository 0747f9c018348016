"""``python -m local key``: keys that are shown once, and refused at once when they are revoked."""

import hashlib
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from google.cloud import bigquery

from common.tenant import WITHOUT_SCOPES
from tests.local.operator.conftest import Terminal

ORG = "keys_inc"


@pytest.fixture(autouse=True)
def _there(terminal: Terminal) -> None:
    made = ("--name", "Keys Inc", "--email", "finops@keys.example", "--no-dataset")
    assert terminal.run("org", "create", "--org", ORG, *made) == 0, terminal.errors


def create(terminal: Terminal, name: str, *arguments: str) -> int:
    return terminal.run("key", "create", "--org", ORG, "--name", name, *arguments)


def listed(terminal: Terminal) -> dict[str, list[str]]:
    """The listed keys by name: id, status, scopes, created, expires."""
    assert terminal.run("key", "list", "--org", ORG) == 0, terminal.errors
    found = (line.split("\t") for line in terminal.out.splitlines())
    return {name: [key_id, *rest] for key_id, name, *rest in found}


def test_a_key_is_shown_once_and_stored_as_its_hash(terminal: Terminal, warehouse: bigquery.Client) -> None:
    assert create(terminal, "web", "--scope", "chat:read", "--scope", "usage:read", "--expires", "30") == 0
    key = terminal.out.strip()
    assert key.startswith("cak_")
    assert key not in terminal.errors
    found = [dict(row) for row in warehouse.query_and_wait("SELECT * FROM organizations.org_api_keys")]
    (row,) = [row for row in found if (row["org_slug"], row["org_api_key_name"]) == (ORG, "web")]
    assert row["org_api_key_hash"] == hashlib.sha256(key.encode()).hexdigest()
    assert row["scopes"] == ["chat:read", "usage:read"]
    assert abs(row["expires_at"] - datetime.now(UTC) - timedelta(days=30)) < timedelta(hours=1)
    assert key not in str(found)
    assert listed(terminal)["web"][1:3] == ["active", "chat:read,usage:read"]
    assert key not in terminal.out


def test_a_key_has_the_scopes_of_a_chat_and_no_end_unless_it_is_told(terminal: Terminal) -> None:
    assert create(terminal, "plain") == 0
    key_id, status, scopes, _, expires = listed(terminal)["plain"]
    assert (status, scopes, expires) == ("active", ",".join(sorted(WITHOUT_SCOPES)), "")
    assert key_id


def test_two_active_keys_have_two_names(terminal: Terminal) -> None:
    assert create(terminal, "twice") == 0
    key_id = listed(terminal)["twice"][0]
    assert create(terminal, "twice") == 1
    assert key_id in terminal.errors
    assert terminal.out == ""
    assert terminal.run("key", "revoke", "--org", ORG, "--id", key_id) == 0
    assert create(terminal, "twice") == 0


def test_a_revoked_key_stays_revoked_however_often(terminal: Terminal) -> None:
    assert create(terminal, "gone") == 0
    key_id = listed(terminal)["gone"][0]
    assert terminal.run("key", "revoke", "--org", ORG, "--id", key_id) == 0
    assert "is revoked" in terminal.out
    assert terminal.run("key", "revoke", "--org", ORG, "--id", key_id) == 0
    assert "was revoked" in terminal.out
    assert listed(terminal)["gone"][1] == "revoked"


def test_a_key_of_another_organisation_is_not_there(terminal: Terminal) -> None:
    assert create(terminal, "own") == 0
    key_id = listed(terminal)["own"][0]
    made = ("--name", "Other Inc", "--email", "finops@other.example", "--no-dataset")
    assert terminal.run("org", "create", "--org", "others_inc", *made) == 0
    assert terminal.run("key", "revoke", "--org", "others_inc", "--id", key_id) == 1
    assert f"others_inc has no key {key_id}" in terminal.errors
    assert listed(terminal)["own"][1] == "active"


def test_a_key_goes_into_a_new_file_that_only_its_owner_reads(terminal: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "made.key"
    assert create(terminal, "filed", "--out", str(file)) == 0
    assert terminal.out == ""
    key = file.read_text().strip()
    assert key.startswith("cak_")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert create(terminal, "filed again", "--out", str(file)) == 2
    assert "filed again" not in listed(terminal)
    assert file.read_text().strip() == key
    refused = tmp_path / "refused.key"
    assert create(terminal, "filed", "--out", str(refused)) == 1
    assert not refused.exists()


def test_a_key_that_cannot_be_handed_over_is_revoked(terminal: Terminal) -> None:
    assert create(terminal, "full", "--out", "/dev/full") == 2  # It is there already.
    with terminal.start("key", "create", "--org", ORG, "--name", "unread") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        told = process.stderr.read()
    assert process.returncode == 1, told
    assert "was revoked" in told
    assert listed(terminal)["unread"][1] == "revoked"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--name", ""), "--name"),
        (("--name", "a\nb"), "--name"),
        (("--name", "x" * 65), "--name"),
        (("--name", "fine", "--scope", "everything"), "--scope"),
        (("--name", "fine", "--expires", "2020-01-01"), "is over already"),
        (("--name", "fine", "--expires", "soon"), "no number of days"),
        (("--name", "fine", "--expires", "0"), "days"),
        (("--name", "fine", "--expires", "9999-12-31"), "within"),
        (("--name", "fine", "--expires", "9" * 30), "days"),
        ((), "--name"),
    ],
)
def test_what_makes_no_key_is_named(terminal: Terminal, arguments: tuple[str, ...], said: str) -> None:
    assert terminal.run("key", "create", "--org", ORG, *arguments) == 2
    assert said in terminal.errors
    assert terminal.out == ""
    assert "fine" not in listed(terminal)


@pytest.mark.parametrize("command", [("create", "--name", "n"), ("list",), ("revoke", "--id", "x")])
def test_an_organisation_that_is_not_there_has_no_keys(terminal: Terminal, command: tuple[str, ...]) -> None:
    name, *arguments = command
    assert terminal.run("key", name, "--org", "nobody_inc", *arguments) == 1
    assert terminal.out == ""
    assert "nobody_inc" in terminal.errors
