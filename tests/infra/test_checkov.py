"""What checkov knows of Google Cloud, in an environment of its own: its dependencies and ours exclude each other."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.infra.conftest import environment
from tests.infra.workspace import ROOT, Workspace

PINNED = Path(__file__).with_name("checkov.txt")


@pytest.fixture(scope="session")
def checkov() -> Path:
    """The checkov that is pinned."""
    return environment(PINNED, ROOT / ".cache" / "checkov") / "checkov"


def findings(checkov: Path, folder: Path) -> dict[str, list[dict[str, Any]]]:
    """What checkov finds: failed, passed and skipped checks."""
    command = [str(checkov), "--directory", ".", "--framework", "terraform", "--skip-download", "--output", "json"]
    done = subprocess.run(
        command,
        cwd=folder,
        # Nothing is asked of the network, and nothing of the person's own configuration is read.
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "BC_SKIP_MAPPING": "TRUE"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.stdout, done.stderr
    told = json.loads(done.stdout)
    assert told["results"]["parsing_errors"] == []
    found: dict[str, list[dict[str, Any]]] = told["results"]
    return found


def test_checkov_finds_nothing_that_is_not_answered(checkov: Path, pristine: Workspace) -> None:
    found = findings(checkov, pristine.terraform)
    assert [f"{each['check_id']} {each['resource']}: {each['check_name']}" for each in found["failed_checks"]] == []
    assert len(found["passed_checks"]) > 50
    assert [each["resource"] for each in found["skipped_checks"] if not each["check_result"]["suppress_comment"]] == []


def test_checkov_finds_a_key_that_can_be_destroyed(checkov: Path, pristine: Workspace, tmp_path: Path) -> None:
    text = (pristine.terraform / "kms.tf").read_text(encoding="utf-8")
    assert text.count("prevent_destroy = true") >= 1
    changed = text.replace("prevent_destroy = true", "prevent_destroy = false")
    (tmp_path / "kms.tf").write_text(changed, encoding="utf-8")
    found = findings(checkov, tmp_path)["failed_checks"]
    assert ("CKV_GCP_82", "google_kms_crypto_key.provider") in {(each["check_id"], each["resource"]) for each in found}
