"""axe-core finds nothing serious, light, dark and on a phone; and the picture of the page for the README."""

import os
import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.async_api import Route, expect

from local.data.organizations import API_KEYS
from tests.playground.conftest import PHONE, Product, Serving, Visit, Visiting

SCREENSHOT = Path(os.environ.get("SCREENSHOT", ".cache/screenshot.png"))
EARLIER = (
    "Forecast our spend for the next 30 days",
    "Which models cost the most last month?",
    "What were the top cost drivers over the last 14 days?",
)
WAYS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "phone": {**PHONE, "color_scheme": "light"},
    "dark phone": {**PHONE, "color_scheme": "dark"},
}


async def checked(visit: Visit, sources: Path, part: str = "html") -> None:
    axe = (sources / "node_modules/axe-core/axe.min.js").read_text(encoding="utf-8")
    await visit.page.evaluate(axe)
    found = await visit.page.evaluate("part => axe.run(part, { resultTypes: ['violations'] })", part)
    assert found["passes"]
    assert [
        f"{each['impact']} {each['id']}: {node['target']} {node['failureSummary']}"
        for each in found["violations"]
        if each["impact"] in ("moderate", "serious", "critical")
        for node in each["nodes"]
    ] == []


@pytest.mark.parametrize("way", WAYS)
async def test_axe_finds_nothing_serious(serving: Serving, visiting: Visiting, sources: Path, way: str) -> None:
    visit: Visit = await visiting(await serving(), **WAYS[way])
    await expect(visit.page.locator("html")).to_have_attribute("data-theme", WAYS[way]["color_scheme"])
    await checked(visit, sources)
    await visit.ask("What did we spend per provider last month?")
    answer = await visit.answered()
    await expect(answer.locator("figure svg .mark-rect.role-mark path")).to_have_count(11)
    await answer.locator("details.work summary").click()
    await answer.get_by_role("button", name="Bad answer").click()
    await answer.locator("summary[aria-label^='Period']").click()
    await checked(visit, sources)
    await visit.page.keyboard.press("Escape")
    await visit.page.get_by_role("button", name="Edit question").click()
    await checked(visit, sources)
    await visit.page.get_by_role("button", name="Cancel").click()
    await visit.question.fill("x" * 10_001)
    await checked(visit, sources)
    await visit.ask('run create_alert name="AWS daily cost" threshold=900 currency=USD provider=AWS period=daily')
    await expect(visit.answer.get_by_role("group", name="Approval")).to_be_visible()
    await checked(visit, sources)
    await visit.page.get_by_role("button", name="Delete").click()
    await expect(visit.page.get_by_role("dialog")).to_be_visible()
    await checked(visit, sources, "dialog")


async def test_the_theme_is_the_systems_until_another_is_chosen(serving: Serving, visiting: Visiting) -> None:
    visit: Visit = await visiting(await serving(), color_scheme="dark")
    root = visit.page.locator("html")
    await expect(root).to_have_attribute("data-theme", "dark")
    await visit.page.get_by_role("button", name="Switch between light and dark").click()
    await expect(root).to_have_attribute("data-theme", "light")
    await visit.page.reload()
    await expect(root).to_have_attribute("data-theme", "light")


async def test_the_page_is_pictured(serving: Serving, visiting: Visiting) -> None:
    product: Product = await serving()
    headers = {"X-Org-Slug": "acme_inc", "X-API-Key": API_KEYS["acme_inc"], "X-User-Id": f"pictured-{uuid.uuid4()}"}
    async with httpx.AsyncClient(base_url=product.url, headers=headers, timeout=120) as http:
        for question in EARLIER:
            (await http.post("/api/v1/chat/acme_inc/send", json={"message": question})).raise_for_status()
    visit: Visit = await visiting(product, color_scheme="light", viewport={"width": 1280, "height": 940})

    async def as_pictured(route: Route) -> None:
        await route.continue_(headers={**route.request.headers, "x-user-id": headers["X-User-Id"]})

    await visit.page.route("**/api/**", as_pictured)
    await visit.page.reload()
    await visit.ask("What did we spend per provider last month?")
    answer = await visit.answered()
    await expect(answer.locator("figure svg .mark-rect.role-mark path")).to_have_count(11)
    await expect(visit.page.get_by_role("navigation").get_by_role("listitem")).to_have_count(1 + len(EARLIER))
    picture = await visit.page.screenshot(path=SCREENSHOT)
    assert len(picture) > 20_000
