"""cloudbuild.yaml: its steps are pinned, what they run exists, and only an apply that was asked for happens."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.infra.workspace import ROOT

TEXT = (ROOT / "cloudbuild.yaml").read_text(encoding="utf-8")
BUILD: dict[str, Any] = yaml.safe_load(TEXT)
STEPS: list[dict[str, Any]] = BUILD["steps"]
# What Cloud Build itself sets.
GIVEN = {"PROJECT_ID", "PROJECT_NUMBER", "LOCATION", "BUILD_ID", "COMMIT_SHA", "SHORT_SHA", "BRANCH_NAME", "TAG_NAME"}


def commands(step: dict[str, Any]) -> str:
    return " ".join([step.get("entrypoint", ""), *step.get("args", []), step.get("script", "")])


def step(name: str) -> dict[str, Any]:
    (found,) = (each for each in STEPS if each["id"] == name)
    return found


def waited_for(name: str) -> set[str]:
    """Every step that ends before this one begins."""
    position = [each["id"] for each in STEPS].index(name)
    named = STEPS[position].get("waitFor")
    before = {each["id"] for each in STEPS[:position]} if named is None else set(named) - {"-"}
    return before.union(*(waited_for(each) for each in before))


def test_the_build_lints_tests_plans_applies_and_asks() -> None:
    assert {"lint and test", "infra check", "init"} <= waited_for("plan")
    assert "plan" in waited_for("kept")
    assert "kept" in waited_for("saved")
    assert "saved" in waited_for("tables")
    assert "tables" in waited_for("apply")
    assert "apply" in waited_for("smoke")


@pytest.mark.parametrize("name", [each["id"] for each in STEPS])
def test_an_image_is_pinned(name: str) -> None:
    image = step(name)["name"]
    assert re.search(r":\d+\.\d+[\w.-]*(@sha256:[0-9a-f]{64})?$", image), image


def test_what_is_applied_is_the_plan_that_somebody_could_read() -> None:
    (saved,) = re.findall(r"-out=(\S+)", commands(step("plan")))
    applying = [each["id"] for each in STEPS if "terraform apply" in commands(each) or "apply" in each.get("args", [])]
    assert applying == ["apply"]
    script = commands(step("apply"))
    gate, apply = script.index('"${_PHASE}" != apply'), script.index(f"terraform apply {saved}")
    assert gate < script.index("exit 0") < apply
    assert BUILD["substitutions"]["_PHASE"] == "check"
    assert "auto-approve" not in TEXT
    # It plans nothing of its own, so that only a saved plan can be there.
    script = commands(step("plan"))
    assert script.index('"${_PHASE}" = apply') < script.index("exit 0") < script.index("terraform plan")


def run(script: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", str(ROOT / "terraform" / "saved.sh"), *script.split()],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_saved_plan_is_fetched_with_its_archives_and_no_other_is(tmp_path: Path) -> None:
    bucket, gcloud = tmp_path / "bucket", tmp_path / "bin" / "gcloud"
    gcloud.parent.mkdir()
    # gcloud storage cp FROM… TO
    gcloud.write_text('#!/usr/bin/env bash\nshift 2\nmkdir -p "$BUCKET"/{one,two}\ncp "$@"\n')
    gcloud.chmod(0o755)
    given = {"PATH": f"{gcloud.parent}:{os.environ['PATH']}", "BUCKET": str(bucket)}
    planned, applied = tmp_path / "planned", tmp_path / "applied"
    (planned / ".archives").mkdir(parents=True)
    applied.mkdir()
    for name in ("saved.tfplan", "saved.txt", ".archives/send.zip"):
        (planned / name).write_text(name)
    done = run(f"plan {bucket}/one", planned, **given)
    assert (done.returncode, done.stderr) == (0, "")
    assert run(f"apply {bucket}/two", applied, **given).returncode == 1
    assert not (applied / "saved.tfplan").exists()
    assert run(f"apply {bucket}/one", applied, **given).returncode == 0
    assert (applied / ".archives/send.zip").read_text() == ".archives/send.zip"
    (bucket / "one" / "saved.tar.gz").write_bytes(b"another")
    assert run(f"apply {bucket}/one", applied, **given).returncode != 0


# How a machine gets what tests ask for by name: a package of Debian's, or a file that a step of the build brings.
BROUGHT = {"terraform": ".terraform-binary", "gcloud": "FIRESTORE_EMULATOR_JAR"}


def test_everything_that_tests_look_for_is_installed_or_brought() -> None:
    sources = [file.read_text("utf-8") for file in (ROOT / "tests").rglob("*.py")]
    sought = {name for text in sources for name in re.findall(r'which\("([\w-]+)"\)', text)}
    assert {"node", "npm", "java", "chromium", "terraform"} <= sought
    installed = (ROOT / ".ci" / "run").read_text("utf-8")
    testing = commands(step("lint and test")) + " ".join(step("lint and test")["env"])
    for name in sought:
        if name in BROUGHT:
            assert BROUGHT[name] in testing, name
        else:
            assert f"command -v {name} " in installed, name


def test_nothing_is_missed_in_silence() -> None:
    """Where something may be missing on a laptop, CI fails instead: each place that skips knows of it."""
    for file in (ROOT / "tests").rglob("*.py"):
        text = file.read_text("utf-8")
        if "pytest.skip(" in text and "which(" in text:
            assert '"CI"' in text or "unavailable(" in text, file


def test_every_substitution_is_declared_explained_and_used() -> None:
    declared = set(BUILD["substitutions"])
    header = TEXT[: TEXT.index("\nsubstitutions:")]
    body = yaml.safe_dump({"steps": STEPS, "options": BUILD["options"]})
    used = set(re.findall(r"(?<!\$)\$\{?(_?[A-Z][A-Z0-9_]*)\}?", body))
    assert used - GIVEN == declared
    assert {name for name in declared if re.search(rf"^# +{name} +\S", header, re.MULTILINE)} == declared


def test_what_the_steps_run_exists() -> None:
    script = "\n".join(commands(each) for each in STEPS)
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z]+)", script)) <= targets
    assert ".ci/run" in script
    assert (ROOT / ".ci" / "run").exists()
    for each in STEPS:
        folder = ROOT / each.get("dir", ".")
        assert folder.is_dir()
        for file in re.findall(r"\b[\w/-]+\.sh\b", commands(each)):
            assert (folder / file).is_file()


def test_logs_have_a_place_and_the_build_an_end() -> None:
    # Whoever builds as an account of their own has no default bucket for logs.
    assert BUILD["options"]["logging"] in ("CLOUD_LOGGING_ONLY", "NONE")
    assert re.fullmatch(r"\d+s", BUILD["timeout"])
