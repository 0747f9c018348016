"""Chromium, as the tests drive it."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Browser, async_playwright, expect

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SLOWEST = 120_000
expect.set_options(timeout=SLOWEST)


def missing(what: str) -> None:
    """What a laptop may lack, CI may not."""
    if os.environ.get("CI") == "true":
        pytest.fail(what)
    pytest.skip(what)


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """The browser of this machine."""
    executable = shutil.which("chromium")
    if executable is None:
        missing("chromium is not on the PATH")
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=executable, args=FLAGS, timeout=SLOWEST)
        yield browser
        await browser.close()
