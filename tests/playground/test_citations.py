"""Citations on the page: each number opens its excerpt, now and when the conversation is opened again."""

import pytest
from playwright.async_api import expect

from tests.fakes.scripted_model import ScriptedModel, call_tool, say, transfer
from tests.fakes.shelf import CONTRACT, POLICY, Shelf
from tests.playground.conftest import Product, Serving, Visiting
from tests.playground.test_accessibility import WAYS, checked

STEPS = [
    transfer("Librarian"),
    call_tool("search_knowledge", query="Which tags?"),
    say("Tags are required [1], see `list[1]`. It takes 480,000 USD [2], not[9]."),
]


@pytest.mark.parametrize("way", ["light", "dark"])
async def test_a_number_opens_its_excerpt(serving: Serving, visiting: Visiting, sources: object, way: str) -> None:
    product: Product = await serving(ScriptedModel(STEPS))
    Shelf().put_into(product.services)
    visit = await visiting(product, **WAYS[way])
    await visit.ask("Which tags?")
    for again in (False, True):
        answer = await visit.answered()
        await expect(answer.locator(".prose")).to_have_text(
            "Tags are required [1], see list[1]. It takes 480,000 USD [2], not."
        )
        shown = answer.get_by_role("region", name="Answered from")
        await expect(shown.locator("summary")).to_have_text(["[1] Tagging policy.pdf, page 3", "[2] Contract.docx"])
        await expect(shown.get_by_text(POLICY[4])).not_to_be_visible()
        links = answer.locator(".prose a.cite")
        await expect(links).to_have_count(2)
        await answer.get_by_role("link", name="Source 1: Tagging policy.pdf, page 3").click()
        await expect(shown.get_by_text(POLICY[4])).to_be_visible()
        await expect(shown.get_by_text(CONTRACT[4])).not_to_be_visible()
        assert visit.conversation_id in visit.page.url
        if not again:
            await checked(visit, sources)  # type: ignore[arg-type]
            await visit.page.reload()
