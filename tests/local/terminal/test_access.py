"""``ask`` at an address: whose key goes where, and the ID token that the door of Google Cloud asks for."""

import base64
import io
import json
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from local.__main__ import main

KEY = "cak_of-first-inc"
DONE = {"conversation_id": "c1", "message_id": "m1", "finish": "ok", "agent_name": "CostAnalyst"}


class Door(BaseHTTPRequestHandler):
    """Cloud Run's door and the product behind it: without a token a page of HTML, with one an answer."""

    protocol_version = "HTTP/1.0"
    seen: ClassVar[list[dict[str, str]]] = []
    asks_for_token = True

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.seen.append({name.lower(): value for name, value in self.headers.items()} | {"path": self.path})
        if self.asks_for_token and not self.headers.get("Authorization", "").startswith("Bearer "):
            self._answer(403, "text/html", "<html>Forbidden</html>")
            return
        start = json.dumps({"conversation_id": "c1", "message_id": "m1"})
        events = f"event: start\ndata: {start}\n\n" + 'event: token\ndata: {"text": "Hello."}\n\n'
        events += f"event: done\ndata: {json.dumps(DONE)}\n\n"
        self._answer(200, "text/event-stream", events)

    def do_PATCH(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.seen.append({"path": self.path})
        self._answer(200, "application/json", "{}")

    def _answer(self, status: int, kind: str, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(Door, "seen", [])
    monkeypatch.delenv("CHAT_API_KEY", raising=False)
    with ThreadingHTTPServer(("127.0.0.1", 0), Door) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def key_file(tmp_path: Path) -> str:
    file = tmp_path / "first.key"
    file.write_text(f"{KEY}\n")
    return str(file)


def command(tmp_path: Path, *, lives: float) -> str:
    """A command that prints an ID token which ends after some seconds, and notes that it was asked."""
    claims = base64.urlsafe_b64encode(json.dumps({"exp": time.time() + lives}).encode()).decode().rstrip("=")
    file = tmp_path / "token"
    file.write_text(f"#!/bin/sh\necho asked $* >> {tmp_path}/asked\necho e30.{claims}.c2ln\n")
    file.chmod(0o755)
    return str(file)


def ask(url: str, *arguments: str) -> int:
    return main(["ask", "--url", url, *arguments, "--", "What did we spend?"])


def test_a_question_goes_to_the_address_with_the_key_and_the_token(
    door: str, key_file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    token = command(tmp_path, lives=3600)
    assert ask(f"{door}/", "--org", "first_inc", "--key-file", key_file, "--id-token-command", token) == 0
    assert "Hello." in capsys.readouterr().out
    (seen,) = Door.seen
    assert (seen["x-api-key"], seen["x-org-slug"], seen["x-user-id"]) == (KEY, "first_inc", "terminal")
    assert seen["authorization"].startswith("Bearer e30.")
    assert seen["path"] == "/api/v1/chat/first_inc/stream"


@pytest.mark.parametrize(("lives", "asked"), [(3600.0, 1), (60.0, 3)])
def test_a_token_is_renewed_before_it_ends(
    door: str, key_file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lives: float, asked: int
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("one\ntwo\nthree\n"))
    arguments = ["--url", door, "--org", "first_inc", "--key-file", key_file, "--state", str(tmp_path)]
    assert main(["chat", *arguments, "--id-token-command", command(tmp_path, lives=lives)]) == 0
    assert len(Door.seen) == 3
    assert (tmp_path / "asked").read_text().count("asked") == asked


def test_each_function_gets_a_token_of_its_own_audience(
    door: str, key_file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoints = tmp_path / "endpoints.json"
    paths = {"stream": "send", "conversations/{conversation_id}/rename": "conversations"}
    base = "/api/v1/chat/{org_slug}"
    named = {f"{base}/{path}": {"audience": f"https://{each}.example"} for path, each in paths.items()}
    endpoints.write_text(json.dumps(named))
    monkeypatch.setattr(sys, "stdin", io.StringIO("one\n/rename A title\n/rename Another\n/list\n"))
    arguments = ["--url", door, "--org", "first_inc", "--key-file", key_file, "--state", str(tmp_path)]
    token = ["--id-token-command", f"{command(tmp_path, lives=3600)} --audiences={{audience}}"]
    assert main(["chat", *arguments, *token, "--endpoints", str(endpoints)]) == 1  # Nothing serves the list.
    assert (tmp_path / "asked").read_text().splitlines() == [
        "asked --audiences=https://send.example",
        "asked --audiences=https://conversations.example",
    ]
    assert [seen["path"].rsplit("/", 1)[1] for seen in Door.seen] == ["stream", "rename", "rename"]


@pytest.mark.parametrize("content", [None, "no JSON", "[]", '{"/a": 1}', '{"/a": {"url": "x"}}'])
def test_audiences_that_cannot_be_read_are_named(
    door: str, key_file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None
) -> None:
    endpoints = tmp_path / "endpoints.json"
    if content is not None:
        endpoints.write_text(content)
    given = ("--org", "first_inc", "--key-file", key_file, "--id-token-command", "gcloud --audiences={audience}")
    assert ask(door, *given, "--endpoints", str(endpoints)) == 2
    assert ask(door, *given) == 2
    assert "--endpoints" in capsys.readouterr().err
    assert Door.seen == []


def test_a_door_that_asks_for_a_token_is_said(door: str, key_file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(door, "--org", "first_inc", "--key-file", key_file) == 1
    assert "--id-token-command" in capsys.readouterr().err


@pytest.mark.parametrize("source", ["stdin", "environment", "prompt"])
def test_a_key_comes_from_where_no_process_sees_it(door: str, monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    monkeypatch.setattr(Door, "asks_for_token", False)
    given: tuple[str, ...] = ()
    match source:
        case "stdin":
            monkeypatch.setattr(sys, "stdin", io.StringIO(f"{KEY}\n"))
            given = ("--key-file", "-")
        case "environment":
            monkeypatch.setenv("CHAT_API_KEY", KEY)
        case "prompt":
            monkeypatch.setattr("getpass.getpass", lambda _: KEY)
            given = ("--key-prompt",)
    assert ask(door, "--org", "first_inc", *given) == 0
    assert [seen["x-api-key"] for seen in Door.seen] == [KEY]


@pytest.mark.parametrize(
    ("url", "arguments", "said"),
    [
        ("http://chat.example.com", ("--org", "first_inc", "--key-file", "KEY"), "use https"),
        ("http://127.0.0.1.evil.example", ("--org", "first_inc", "--key-file", "KEY"), "use https"),
        ("ftp://chat.example.com", ("--org", "first_inc", "--key-file", "KEY"), "is no address"),
        ("chat.example.com", ("--org", "first_inc", "--key-file", "KEY"), "is no address"),
        ("https://chat.example.com:port", ("--org", "first_inc", "--key-file", "KEY"), "is no address"),
        ("https://me:secret@chat.example.com", ("--org", "first_inc", "--key-file", "KEY"), "is no address"),
        ("https://chat.example.com?x=1", ("--org", "first_inc", "--key-file", "KEY"), "is no address"),
        ("DOOR", ("--key-file", "KEY"), "Name the organisation"),
        ("DOOR", ("--org", "first_inc"), "Give the organisation's API key"),
        ("DOOR", ("--org", "acme_inc"), "Give the organisation's API key"),
        ("DOOR", ("--org", "../x", "--key-file", "KEY"), "--org: a slug"),
        ("DOOR", ("--org", "first_inc", "--key-file", "/nowhere/at/all"), "No such file"),
        ("DOOR", ("--org", "first_inc", "--key-file", "/dev/null"), "1 to 512 printable"),
        ("DOOR", ("--org", "first_inc", "--key-file", "KEY", "--id-token-command", " "), "give a command"),
    ],
)
def test_what_leads_nowhere_is_named_before_anything_is_sent(
    door: str, key_file: str, capsys: pytest.CaptureFixture[str], url: str, arguments: tuple[str, ...], said: str
) -> None:
    given = [key_file if each == "KEY" else each for each in arguments]
    assert ask(door if url == "DOOR" else url, *given) == 2
    assert said in capsys.readouterr().err
    assert Door.seen == []


@pytest.mark.parametrize("token", ["false", "/nowhere/gcloud", "echo not-a-token", "echo a.b.c"])
def test_a_command_that_prints_no_token_is_named(
    door: str, key_file: str, capsys: pytest.CaptureFixture[str], token: str
) -> None:
    assert ask(door, "--org", "first_inc", "--key-file", key_file, "--id-token-command", token) == 1
    assert "ID token" in capsys.readouterr().err
    assert Door.seen == []


def test_a_demo_organisations_key_is_sent_to_no_address(door: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(door, "--org", "globex_inc") == 2
    assert "demo-globex-key" not in capsys.readouterr().err
    assert Door.seen == []


def test_another_organisation_is_no_matter_of_a_command_at_an_address(
    door: str, key_file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("/org globex_inc\n"))
    arguments = ["--url", door, "--org", "first_inc", "--key-file", key_file, "--state", str(tmp_path)]
    assert main(["chat", *arguments]) == 1
    assert "has another key" in capsys.readouterr().err
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    assert main(["chat", "--url", door, "--org", "first_inc", "--key-file", "-"]) == 2
    assert "standard input holds your questions" in capsys.readouterr().err
