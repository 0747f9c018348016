"""cloudbuild.yaml: its steps are pinned, what they run exists, and only an apply that was asked for happens."""

import re
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


def test_the_build_lints_tests_plans_applies_and_asks_for_health() -> None:
    assert {"lint and test", "infra check", "init", "plan", "apply", "smoke"} <= {each["id"] for each in STEPS}
    assert {"lint and test", "infra check", "init"} <= waited_for("plan")
    assert "plan" in waited_for("apply")
    assert "apply" in waited_for("smoke")


@pytest.mark.parametrize("name", [each["id"] for each in STEPS])
def test_an_image_is_pinned(name: str) -> None:
    image = step(name)["name"]
    assert re.search(r":\d+\.\d+[\w.-]*(@sha256:[0-9a-f]{64})?$", image), image


def test_what_is_applied_is_the_saved_plan_and_only_when_asked() -> None:
    (saved,) = re.findall(r"-out=(\S+)", commands(step("plan")))
    applying = [each["id"] for each in STEPS if "terraform apply" in commands(each) or "apply" in each.get("args", [])]
    assert applying == ["apply"]
    script = commands(step("apply"))
    gate, apply = script.index('"${_APPLY}" != "true"'), script.index(f"terraform apply {saved}")
    assert gate < script.index("exit 0") < apply
    assert BUILD["substitutions"]["_APPLY"] == "false"
    assert "auto-approve" not in TEXT


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
