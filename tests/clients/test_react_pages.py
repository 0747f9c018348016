"""Pages of assistant-ui's and of CopilotKit's React parts in Chromium, on an origin of their own, over the product."""

import json
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, ConsoleMessage, Locator, Page, Request, expect
from starlette.applications import Starlette
from starlette.requests import Request as Asked
from starlette.responses import HTMLResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from tests.chromium import SLOWEST, chromium
from tests.clients.conftest import HeldModel, Node, Product, Serving
from tests.fakes.scripted_model import ScriptedModel, call_tool, say, transfer
from tests.listening import listening

KINDS = ["assistant-ui", "copilotkit"]
QUESTION = [call_tool("query_costs", group_by="provider"), say("Here it is, as asked.")]
ALERT = call_tool("create_alert", "call_2", name="Too much", threshold=100, currency="USD")
CHANGE = [transfer("AlertManager"), ALERT, say("As you said.")]
_HTML = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{kind}</title>
<link rel="icon" href="data:,"><link rel="stylesheet" href="/built/copilotkit.css"></head><body><div id="page"></div>
<script type="application/json" id="asked">{asked}</script>
<script type="module" src="/built/{kind}.js"></script></body></html>"""


@dataclass
class Visit:
    """A person on a page, and what went wrong in their browser meanwhile."""

    page: Page
    kind: str
    thread: str
    allowed: tuple[str, ...]
    problems: list[str] = field(default_factory=list)

    @property
    def approval(self) -> Locator:
        return self.page.get_by_role("alertdialog", name="Approval")

    @property
    def answer(self) -> Locator:
        """The last thing that the product said."""
        said = "[data-said=assistant]" if self.kind == "assistant-ui" else "[data-testid=copilot-assistant-message]"
        return self.page.locator(said).last

    def call(self, name: str) -> Locator:
        return self.page.locator(f"[data-call={name}]")

    async def ask(self, question: str) -> None:
        if self.kind == "copilotkit":
            # While an answer is under way the button stops it; before a question is written it does nothing.
            await expect(self._button("Send")).to_be_disabled()
        await self.page.get_by_role("textbox").fill(question)
        await self._button("Send").click()

    async def stop(self) -> None:
        await self._button("Stop").click()

    def _button(self, name: str) -> Locator:
        # CopilotKit has one button for both, without a name.
        own = self.page.get_by_test_id("copilot-send-button")
        return own if self.kind == "copilotkit" else self.page.get_by_role("button", name=name)

    def said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "assert", "warning"):
            self.problems.append(f"{message.type}: {message.text}")

    def requested(self, request: Request) -> None:
        if not request.url.startswith((*self.allowed, "data:", "blob:")):
            self.problems.append(f"request: {request.url}")


Visiting = Callable[..., Any]


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser


@pytest.fixture
async def origin(react: Node) -> AsyncIterator[Any]:
    """Where the pages are served: another origin than the product's, as a frontend's is."""
    asked: dict[str, Any] = {}

    async def page(request: Asked) -> HTMLResponse:
        kind = request.path_params["kind"]
        return HTMLResponse(_HTML.format(kind=escape(kind), asked=json.dumps(asked[kind]).replace("<", "\\u003c")))

    built = Mount("/built", StaticFiles(directory=Path(react.folder) / "built"))
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(listening(Starlette(routes=[built, Route("/{kind}", page)])))
        yield url, asked


@pytest.fixture
async def visiting(
    browser: Browser, origin: Any, serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Visiting]:
    """Open a page over a model: at the end, nothing may have gone wrong in the browser."""
    url, asked = origin
    monkeypatch.setenv("CORS_ORIGINS", json.dumps([url]))
    visits: list[Visit] = []

    async def visit(kind: str, model: ScriptedModel, *, interrupts: bool = True) -> tuple[Product, Visit]:
        product: Product = await serving(model)
        thread = f"thread-{uuid.uuid4().hex[:12]}"
        asked[kind] = {
            "url": product.address("copilotkit"),
            "headers": product.headers(),
            "thread": thread,
            "interrupts": interrupts,
        }
        opened = await browser.new_context(locale="en-GB")
        opened.set_default_timeout(SLOWEST)
        page = await opened.new_page()
        made = Visit(page, kind, thread, (f"{url}/", f"{product.url}/"))
        visits.append(made)
        page.on("console", made.said)
        page.on("pageerror", lambda error: made.problems.append(f"error: {error}"))
        opened.on("request", made.requested)
        await page.goto(f"{url}/{kind}")
        await expect(page.get_by_role("textbox")).to_be_visible()
        return product, made

    yield visit
    for made in visits:
        await made.page.context.close()
    assert [problem for made in visits for problem in made.problems] == []


@pytest.mark.parametrize("kind", KINDS)
async def test_a_question_is_answered_with_a_tool_call_that_is_shown(visiting: Visiting, kind: str) -> None:
    product, visit = await visiting(kind, ScriptedModel([*QUESTION, say("Only AWS.")]))
    await visit.ask("What did we spend?")
    await expect(visit.call("query_costs")).to_have_text("query_costs: done")
    await expect(visit.answer).to_contain_text("Here it is, as asked.")
    await visit.ask("only AWS?")
    await expect(visit.answer).to_contain_text("Only AWS.")
    conversation_id = product.own_thread(visit.thread, "u1")
    await product.released(conversation_id)  # the words are seen before they are stored
    assert [message["content"] for message in product.messages(conversation_id)] == [
        "What did we spend?", "Here it is, as asked. ", "only AWS?", "Only AWS. ",
    ]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
async def test_words_are_shown_as_they_come_and_stop_ends_them(visiting: Visiting, kind: str) -> None:
    product, visit = await visiting(kind, HeldModel([say("one two"), say("fine")]))
    await visit.ask("Count.")
    # The model says no more than this until it is no longer listened to.
    await expect(visit.answer).to_contain_text("one")
    conversation_id = product.own_thread(visit.thread, "u1")
    assert product.messages(conversation_id)[1:] == []
    await visit.stop()
    await product.released(conversation_id)
    (_, stored) = product.messages(conversation_id)
    assert (stored["content"], stored["status"]) == ("one ", "cancelled")
    await visit.ask("and now?")
    await expect(visit.answer).to_contain_text("fine")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("button", "status"), [("Yes", "success"), ("No", "error")])
async def test_a_change_is_decided_on_the_page(visiting: Visiting, kind: str, button: str, status: str) -> None:
    product, visit = await visiting(kind, ScriptedModel(CHANGE))
    await visit.ask("Watch my costs")
    await expect(visit.approval).to_contain_text('Create alert: name "Too much", threshold 100')
    conversation_id = product.own_thread(visit.thread, "u1")

    def changes() -> list[str]:
        return [row["status"] for row in product.audited() if row["conversation_id"] == conversation_id]

    assert changes() == []
    await visit.approval.get_by_role("button", name=button).click()
    await expect(visit.answer).to_contain_text("As you said.")
    await expect(visit.approval).to_have_count(0)
    await product.released(conversation_id)
    assert changes() == [status]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_page_that_shows_no_interrupts_is_asked_in_words(visiting: Visiting, kind: str) -> None:
    product, visit = await visiting(kind, ScriptedModel(CHANGE), interrupts=False)
    await visit.ask("Watch my costs")
    await expect(visit.answer).to_contain_text("waits for your yes")
    await visit.ask("yes")
    await expect(visit.answer).to_contain_text("As you said.")
    conversation_id = product.own_thread(visit.thread, "u1")
    await product.released(conversation_id)
    assert [row["status"] for row in product.audited() if row["conversation_id"] == conversation_id] == ["success"]
