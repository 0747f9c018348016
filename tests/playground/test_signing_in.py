"""People sign in on the page at the local issuer; an administrator says who may use what."""

from pathlib import Path

from playwright.async_api import expect

from common.tenant import OrgSlug
from tests.playground.conftest import Serving, Visit, Visiting
from tests.playground.test_accessibility import checked


async def test_a_person_signs_in_and_asks_by_a_token_alone(serving: Serving, visiting: Visiting) -> None:
    product = await serving()
    visit: Visit = await visiting(product)
    keys: list[str | None] = []
    await visit.page.get_by_label("Signed in as").select_option("uma")
    await expect(visit.page.get_by_text("Role: user")).to_be_visible()
    await expect(visit.page.get_by_role("button", name="Administration")).to_be_hidden()
    visit.page.on("request", lambda request: keys.append(request.headers.get("x-api-key")))
    await visit.ask("What did we spend per provider last month?")
    await visit.answered()
    assert set(keys) == {None}
    stored = product.documents.document(f"orgs/acme_inc/conversations/{visit.conversation_id}").get().to_dict()
    assert stored is not None
    assert stored["user_id"] == "uma"


async def test_an_administrator_switches_a_tool_off_and_makes_a_key(
    serving: Serving, visiting: Visiting, sources: Path
) -> None:
    product = await serving()
    visit: Visit = await visiting(product)
    await visit.page.get_by_label("Signed in as").select_option("sam")
    await expect(visit.page.get_by_text("Role: supporter")).to_be_visible()
    await visit.page.get_by_label("Signed in as").select_option("ada")
    await expect(visit.page.get_by_text("Role: admin")).to_be_visible()
    await visit.page.get_by_role("button", name="Administration").click()
    dialog = visit.page.get_by_role("dialog")
    await expect(dialog).to_contain_text("You are Ada, admin.")
    box = dialog.get_by_role("checkbox", name="budget_summary")
    await expect(box).to_be_checked()
    await box.uncheck()
    await expect(dialog.get_by_role("status")).to_have_text("budget_summary is off.")
    organization = await product.services.directory.renew(product.services.directory.tenant(OrgSlug("acme_inc")))
    assert organization is not None
    assert not organization.access.agents.tools["budget_summary"].enabled
    await dialog.get_by_role("checkbox", name="budget_summary").check()
    await expect(dialog.get_by_role("status")).to_have_text("budget_summary is on.")
    await dialog.get_by_label("Name").fill(f"made-by-{visit.page.url[-8:].replace('/', '')}")
    await dialog.get_by_role("button", name="Make a key").click()
    await expect(dialog.get_by_role("status")).to_contain_text("cak_")
    await expect(dialog).to_contain_text("issuer: RS256, for local-cloud-cost-chat")
    await checked(visit, sources, "dialog")
