"""The page as it is served: its policy, its sources' types, and what it says where it cannot be made."""

import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from local import page
from local.data.organizations import DEMO
from local.page import Page


@asynccontextmanager
async def client(served: Page) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(served), base_url="http://page") as http:
        yield http


async def test_the_page_loads_and_runs_nothing_but_its_own_files(sources: Path) -> None:
    async with client(Page(tuple(DEMO.values()), print)) as http:
        shown = await http.get("/")
        script = await http.get("/playground/main.js")
        style = await http.get("/playground/style.css")
    assert shown.status_code == script.status_code == style.status_code == 200
    directives = dict(part.strip().split(" ", 1) for part in shown.headers["Content-Security-Policy"].split(";"))
    assert directives["default-src"] == "'none'"
    assert directives["script-src"] == directives["style-src"] == "'self'"
    # Beside the product, only the store that takes a document's bytes is asked for anything.
    assert directives["connect-src"].split() == ["'self'", *filter(None, [os.environ.get("STORAGE_EMULATOR_HOST")])]
    assert "unsafe" not in shown.headers["Content-Security-Policy"]
    assert "://" not in shown.text


async def test_the_page_is_told_the_demo_organisations_and_their_keys() -> None:
    async with client(Page(tuple(DEMO.values()), print)) as http:
        told = (await http.get("/playground/organizations")).json()
    assert [(each["slug"], each["key"]) for each in told] == [
        ("acme_inc", "demo-acme-key"), ("globex_inc", "demo-globex-key"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "path",
    ["/playground/", "/playground/x.js", "/playground/../lock", "/playground/%2e%2e/lock", "/playground/../page.py"],
)
async def test_there_is_nothing_beside_the_page(sources: Path, path: str) -> None:
    async with client(Page((), print)) as http:
        assert (await http.get(path)).status_code == 404


def test_the_page_is_only_read() -> None:
    page = Page((), print)
    assert page.answers("GET", "/")
    assert page.answers("GET", "/playground/main.js")
    assert not page.answers("POST", "/")
    assert not page.answers("GET", "/other")


async def test_without_node_the_page_says_what_it_needs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(page, "BUILT", tmp_path / "built")
    monkeypatch.setenv("PATH", str(tmp_path))
    said: list[str] = []
    served = Page((), said.append)
    async with client(served) as http:
        waiting = await http.get("/")
        with served:
            served.join()
        told = await http.get("/")
    assert "moment" in waiting.text
    assert waiting.headers["Content-Security-Policy"] == page.policy()
    assert said == [page.NODE_NEEDED]
    assert page.NODE_NEEDED in told.text


async def test_a_page_that_cannot_be_made_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    npm, node = tmp_path / "npm", tmp_path / "node"
    for file in (npm, node):
        file.write_text("#!/bin/sh\necho 'no <registry> today'\nexit 1\n")
        file.chmod(0o755)
    monkeypatch.setattr(page, "BUILT", tmp_path / "built")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/bin")
    served = Page((), print)
    async with client(served) as http:
        with served:
            served.join()
        told = await http.get("/")
    assert "no &lt;registry&gt; today" in told.text


def test_the_sources_are_typed(sources: Path) -> None:
    checked = subprocess.run(
        [str(shutil.which("npm")), "run", "--silent", "check"], cwd=sources, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout


def test_the_lock_file_names_no_registry() -> None:
    assert '"resolved"' not in (page.SOURCES / "package-lock.json").read_text(encoding="utf-8")
