"""The tools behind the answers, as the page lists them."""

from pathlib import Path

from playwright.async_api import expect

from common.skills.loading import load_skills
from tests.fakes.made_up_skill import make_skill
from tests.playground.conftest import Product, Serving, Visit, Visiting


async def test_the_page_lists_every_tool_also_of_a_made_up_skill(
    serving: Serving, visiting: Visiting, tmp_path: Path
) -> None:
    product: Product = await serving()
    skills = load_skills(make_skill(tmp_path))
    product.services.__dict__.update(skills=skills)
    visit: Visit = await visiting(product)
    await visit.page.get_by_text("What can be looked up").click()
    terms = visit.page.locator(".tools dt")
    await expect(terms).to_have_count(len(skills.registry.tools))
    await expect(visit.page.locator(".tools dd").last).to_have_text("Count the charges of each service.")
