"""``python -m local settings``: what an operator sees and changes without the API."""

import argparse
import asyncio
import io
import json
import os
import subprocess
import sys
from asyncio.subprocess import PIPE
from pathlib import Path
from typing import Any

import pytest

from local import operating
from local import settings as command
from local.__main__ import main
from local.running import NotRunningError, announced, environment_of
from tests.conftest import Cloud
from tests.fakes.wire_stub import Answer, Call, wire_stub
from tests.organizations.organizations import Made

ROOT = Path(__file__).parents[2]
KEY = "sk-operator-0123456789"
FIRST = ("--provider", "demo", "--model", "analyst-1", "--temperature", "0.3", "--no-enable-memory", "--key-stdin")


class Terminal:
    """Runs the command as an operator would, in this process, and keeps everything it wrote."""

    def __init__(self, patch: pytest.MonkeyPatch, capture: pytest.CaptureFixture[str]) -> None:
        self._patch = patch
        self._capture = capture
        self.errors = ""
        self.written = ""

    def run(self, *arguments: str, typed: str = "") -> int:
        self._patch.setattr(sys, "stdin", io.StringIO(typed))
        code = main(["settings", *arguments])
        told = self._capture.readouterr()
        self.errors = told.err
        self.written += told.out + told.err
        self.body: dict[str, Any] = json.loads(told.out) if told.out else {}
        return code


@pytest.fixture
def terminal(cloud: Cloud, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Terminal:
    return Terminal(monkeypatch, capsys)


def test_the_first_settings_are_made_from_a_shell_with_the_key_on_standard_input(cloud: Cloud, made: Made) -> None:
    arguments = [sys.executable, "-m", "local", "settings", "set", "--org", made.slug, *FIRST]
    done = subprocess.run(
        arguments, cwd=ROOT, input=f"{KEY}\n", capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    body = json.loads(done.stdout)
    assert (body["status"], body["provider"], body["settings"]["temperature"]) == ("ready", "demo", 0.3)
    assert body["settings"]["enable_memory"] is False
    (credential,) = made.credentials()
    assert credential["created_by_user_id"].startswith("operator:")
    assert KEY not in done.stdout + done.stderr


def test_settings_are_shown_made_rotated_and_deleted(terminal: Terminal, made: Made) -> None:
    org = ("--org", made.slug)
    assert terminal.run("show", *org) == 0
    assert terminal.body["status"] == "setup_required"
    assert terminal.run("set", *org, *FIRST, typed=KEY) == 0
    assert terminal.run("rotate", *org, "--key-stdin", "--credential-name", "Second", typed=f"{KEY}-2\n") == 0
    assert (terminal.body["credential_name"], terminal.body["settings"]["temperature"]) == ("Second", 0.3)
    audit = [json.loads(line) for line in terminal.errors.splitlines() if line.startswith("{")]
    assert [record["changed"] for record in audit if record["message"] == "settings.changed"] == ["credential_name,key"]
    assert len(made.settings()) == len(made.credentials()) == 1
    assert terminal.run("set", *org, "--system-prompt-extra", "Be brief.", "--enable-memory") == 0
    assert terminal.body["settings"]["system_prompt_extra"] == "Be brief."
    assert terminal.run("set", *org, "--system-prompt-extra", "") == 0
    assert terminal.body["settings"]["system_prompt_extra"] is None
    assert terminal.run("set", *org, "--fallback", "demo/analyst-1") == 1
    assert "named twice" in terminal.errors
    assert terminal.run("set", *org, "--fallback", "acme/x", "--fallback", "demo") == 2
    assert "fallback.1.model" in terminal.errors
    assert terminal.run("set", *org, "--fallback", "", "--allow-external-fallback") == 0
    told = terminal.body["settings"]
    assert (told["fallback"], told["allow_external_fallback"]) == ([], True)
    assert terminal.run("delete", *org) == 0
    assert terminal.body["status"] == "setup_required"
    assert made.settings() == made.credentials() == []
    assert KEY not in terminal.written


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--temperature", "3"), "temperature"),
        ((), "Name at least one setting"),
        (("--max-tokens", "0"), "max_tokens"),
        (("--key-stdin",), "key"),
    ],
)
def test_what_is_out_of_bounds_is_said(terminal: Terminal, made: Made, arguments: tuple[str, ...], said: str) -> None:
    assert terminal.run("set", "--org", made.slug, *arguments) == 2
    assert said in terminal.errors


def test_what_is_refused_is_said_with_its_code(terminal: Terminal, made: Made) -> None:
    assert terminal.run("set", "--org", made.slug, "--provider", "demo", "--model", "analyst-1") == 1
    assert "(setup_required)" in terminal.errors
    assert terminal.run("show", "--org", "Not A Slug") == 2
    assert "--org: a slug has" in terminal.errors


def test_a_real_project_never_takes_an_emulator(
    terminal: Terminal, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GCP_PROJECT_ID", "set back after this test")
    monkeypatch.setenv("ENVIRONMENT", "production")
    assert terminal.run("show", "--org", made.slug, "--project", "a-real-project") == 2
    assert "BIGQUERY_EMULATOR_HOST must not be set" in terminal.errors


def test_the_running_product_is_found_and_only_while_it_runs(tmp_path: Path) -> None:
    with announced(tmp_path, {"A": "1"}):
        assert environment_of(tmp_path) == {"A": "1"}
        told = json.loads((tmp_path / "running.json").read_text())
        assert told["pid"] == os.getpid()
    with pytest.raises(NotRunningError):
        environment_of(tmp_path)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    (tmp_path / "running.json").write_text(json.dumps(told | {"pid": ended.pid}))
    with pytest.raises(NotRunningError, match="make run"):
        environment_of(tmp_path)


def test_a_key_is_not_an_argument(capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    with pytest.raises(SystemExit):
        parser.parse_args(["set", "--org", "acme_inc", "--key", KEY])
    assert "--key" in capsys.readouterr().err


async def test_a_local_model_and_a_fallback_are_chosen_from_a_shell(
    terminal: Terminal, made: Made, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async with wire_stub() as stub:
        home = {"base_url": f"{stub.url}/openai/v1", "model_id": "m", "context_window": 8192, "max_output": 512}
        told = {name: os.environ[name] for name in operating.HOSTS}
        told |= {"MODEL_API_BASES": json.dumps(stub.bases), "LOCAL_MODELS": json.dumps({"home": home})}
        for name in operating.HOSTS:
            monkeypatch.delenv(name)
        # What the command sets is taken back after the test.
        for name in told:
            monkeypatch.setenv(name, "")
        where = ("--org", made.slug, "--state", str(tmp_path))
        with announced(tmp_path, told):
            first = ("--provider", "openai", "--model", "gpt-4o-mini", "--key-stdin")
            assert await asyncio.to_thread(terminal.run, "set", *where, *first, typed=KEY) == 0, terminal.errors
            local = ("--provider", "local", "--model", "home")
            further = ("--fallback", "openai/gpt-4o-mini", "--allow-external-fallback")
            assert await asyncio.to_thread(terminal.run, "set", *where, *local, *further) == 0, terminal.errors
        assert [request.body["model"] for request in stub.received] == ["gpt-4o-mini", "m"]
        assert terminal.body["settings"]["fallback"] == [{"provider": "openai", "model_id": "gpt-4o-mini"}]


async def test_a_key_is_checked_where_the_running_product_asks_its_models_and_no_connection_stays_open(
    cloud: Cloud, made: Made, tmp_path: Path
) -> None:
    async with wire_stub() as stub:
        stub.play([Answer(calls=(Call("ready", "{}"),))])
        elsewhere = {"MODEL_API_BASES": '{"openai": "http://127.0.0.1:9/v1"}', "PYTHONDEVMODE": "1"}
        environment = {name: value for name, value in os.environ.items() if name not in cloud.environment} | elsewhere
        arguments = ["set", "--org", made.slug, "--provider", "openai", "--model", "gpt-4o-mini", "--key-stdin"]
        with announced(tmp_path, {**cloud.environment, "MODEL_API_BASES": json.dumps(stub.bases)}):
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "local", "settings", *arguments, "--state", str(tmp_path),
                cwd=ROOT, env=environment, stdin=PIPE, stdout=PIPE, stderr=PIPE,
            )  # fmt: skip
            output, errors = await asyncio.wait_for(process.communicate(f"{KEY}\n".encode()), 240)
    assert process.returncode == 0, errors.decode()
    assert json.loads(output)["calls_tools"] is True
    assert [request.key for request in stub.received] == [KEY]
    # Development mode says what was left open, as aiohttp does.
    assert "Unclosed" not in errors.decode()
    assert "unclosed" not in errors.decode()
    (settings,) = made.settings()
    assert settings["calls_tools"] is True
