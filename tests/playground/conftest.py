"""The playground in Chromium, over the product in this process and a scripted model or the demo's."""

import asyncio
import io
import os
import shutil
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from google.cloud import firestore
from playwright.async_api import Browser, ConsoleMessage, Locator, Page, Request, expect

from common import app
from common.app import Services
from common.models.completion import ModelCall, Reply
from common.settings import load_settings
from common.telemetry.log import Log
from local import page as playground
from local.data.organizations import DEMO
from local.gateway import Gateway
from local.own_machine import OwnMachine
from tests.chromium import SLOWEST, chromium, missing
from tests.conftest import PROJECT, Cloud
from tests.fakes.scripted_model import ScriptedModel
from tests.listening import listening

PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 780}, "has_touch": True}
DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 860}}


class HeldModel(ScriptedModel):
    """Says the first word of an answer in text, and the others once it is let go."""

    def __init__(self, *steps: Reply) -> None:
        super().__init__(steps)
        self.let_go = asyncio.Event()

    async def stream(self, call: ModelCall) -> AsyncGenerator[str | Reply, None]:
        async with aclosing(super().stream(call)) as pieces:
            async for piece in pieces:
                yield piece
                if isinstance(piece, str):
                    await self.let_go.wait()


@dataclass
class Product:
    """Where the page is served, and what is behind it."""

    url: str
    services: Services
    documents: firestore.Client

    def messages(self, conversation_id: str, org: str = "acme_inc") -> list[dict[str, Any]]:
        path = f"orgs/{org}/conversations/{conversation_id}/messages"
        return [entry.to_dict() or {} for entry in self.documents.collection(path).order_by("sequence").stream()]


@dataclass
class Visit:
    """A person on the page, and what went wrong in their browser meanwhile."""

    page: Page
    product: Product
    problems: list[str] = field(default_factory=list)

    @property
    def question(self) -> Locator:
        return self.page.get_by_role("textbox", name="Your question")

    @property
    def answer(self) -> Locator:
        """The last one."""
        return self.page.get_by_role("article", name="Answer").last

    @property
    def conversation_id(self) -> str:
        return self.page.url.rpartition("/")[2]

    async def ask(self, question: str) -> None:
        await self.question.fill(question)
        await self.question.press("Enter")

    async def answered(self) -> Locator:
        """The last answer, once it is whole."""
        await expect(self.answer.locator("footer .facts")).to_be_visible()
        return self.answer

    def said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "assert"):
            self.problems.append(f"console: {message.text}")

    def requested(self, request: Request) -> None:
        # The bytes of a document go to the store that the product names.
        own = (self.product.url, os.environ["STORAGE_EMULATOR_HOST"])
        if not request.url.startswith((*(f"{each}/" for each in own), "data:", "blob:")):
            self.problems.append(f"request: {request.url}")


Serving = Callable[..., Any]
Visiting = Callable[..., Any]


@pytest.fixture(scope="session")
def sources() -> Path:
    """The page's sources, with its packages installed and its bundle made."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        missing("node and npm are not on the PATH")
    bundle = playground.Bundle()
    bundle.make(print)
    return playground.SOURCES


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
async def url(cloud: Cloud, sources: Path) -> AsyncIterator[str]:
    """Every function and the page behind uvicorn on a free port, in this event loop."""
    from local.demo_model.provider import register

    register()
    page = playground.Page(tuple(DEMO.values()), print)
    async with listening(OwnMachine(Gateway(page))) as address:
        yield address


@pytest.fixture
async def serving(url: str) -> AsyncIterator[Serving]:
    """Serve with a scripted model, or without one with the demo's: ``product = await serving(model)``."""
    async with AsyncExitStack() as stack:

        async def serve(model: ScriptedModel | None = None) -> Product:
            return await stack.enter_async_context(_serving(url, model))

        yield serve


@pytest.fixture
async def visiting(browser: Browser) -> AsyncIterator[Visiting]:
    """Open the page: ``visit = await visiting(product)``; at the end, nothing may have gone wrong in the browser."""
    visits: list[Visit] = []

    async def visit(product: Product, address: str = "/", **context: Any) -> Visit:
        opened = await browser.new_context(**{"locale": "en-GB", **DESKTOP, **context})
        opened.set_default_timeout(SLOWEST)
        page = await opened.new_page()
        made = Visit(page, product)
        visits.append(made)
        page.on("console", made.said)
        page.on("pageerror", lambda error: made.problems.append(f"error: {error}"))
        opened.on("request", made.requested)
        await page.goto(product.url + address)
        await expect(made.question).to_be_focused()
        return made

    yield visit
    for made in visits:
        await made.page.context.close()
    assert [problem for made in visits for problem in made.problems] == []


@asynccontextmanager
async def _serving(url: str, model: ScriptedModel | None) -> AsyncIterator[Product]:
    services = Services(load_settings(), model=model)
    services.__dict__["log"] = Log("DEBUG", io.StringIO())
    app.use(services)
    documents = firestore.Client(project=PROJECT)
    try:
        yield Product(url, services, documents)
    finally:
        app.use(None)
        await services.documents.close()
        await services.provider_keys.close()
        services.warehouse.close()
        documents.close()
