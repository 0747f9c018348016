"""Alerts on the page: a rule is tried, made, changed and deleted; an alert is found, read and acknowledged."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Locator, expect

from local.demo_model.provider import register
from local.gateway import Gateway
from local.own_machine import OwnMachine
from local.page import Page
from tests.conftest import Cloud
from tests.listening import listening
from tests.playground.alerting import Own, own
from tests.playground.conftest import Product, Serving, Visit, Visiting
from tests.playground.test_accessibility import WAYS, checked

CARD = "li[data-rule], li[data-alert]"


@pytest.fixture
def organization(cloud: Cloud) -> Own:
    return own(cloud)


@pytest.fixture
async def url(cloud: Cloud, sources: Path, organization: Own) -> AsyncIterator[str]:
    """The page of the organisation."""
    register()
    async with listening(OwnMachine(Gateway(Page((organization.organization,), print)))) as address:
        yield address


async def alerts_of(visit: Visit) -> Locator:
    await visit.page.get_by_role("button", name="Alerts", exact=True).click()
    dialog = visit.page.get_by_role("dialog", name="Alerts of Made Ltd")
    await expect(dialog).to_be_visible()
    return dialog


@pytest.mark.parametrize("way", ["light", "dark phone"])
async def test_a_rule_is_tried_made_changed_silenced_and_deleted(
    serving: Serving, visiting: Visiting, sources: Path, organization: Own, way: str
) -> None:
    visit: Visit = await visiting(await serving(), **WAYS[way])
    dialog = await alerts_of(visit)
    # The pipeline's rule does not stand among those of the spend.
    await expect(dialog.get_by_role("status")).to_have_text("There is no rule here yet.")
    await expect(dialog.get_by_label("Subject").locator("option")).to_have_text(
        ["Spend (0)", "Pipelines (1)", "All (1)"]
    )
    await dialog.get_by_role("button", name="New alert").click()
    form = dialog.get_by_role("form", name="New alert")
    await form.get_by_label("Name").fill("Spend of a day")
    await form.get_by_label("Threshold").fill("100")
    await form.get_by_label("Currency").fill("usd")
    await form.get_by_label("Period").select_option("daily")
    await form.get_by_label("Severity").select_option("info")
    await expect(form.get_by_role("button", name="Create alert")).to_be_hidden()
    await form.get_by_role("button", name="Preview").click()
    await expect(form).to_contain_text("It would have fired 2 times in the last 60 days.")
    await expect(form).to_contain_text("500.00 USD, threshold 100.00 USD")
    await checked(visit, sources, "dialog")
    await form.get_by_role("button", name="Create alert").click()
    rule = dialog.locator(CARD)
    await expect(rule).to_contain_text("100.00 USD · all costs")
    await expect(rule).to_contain_text("fires once a day (UTC), and tells nobody.")
    await expect(rule).to_contain_text("never fired")
    await rule.get_by_role("button", name="Edit").click()
    form = dialog.get_by_role("form", name="Edit Spend of a day")
    await form.get_by_label("Threshold").fill("600")
    await form.get_by_label("Severity").select_option("critical")
    await form.get_by_role("button", name="Preview").click()
    await expect(form).to_contain_text("It would have fired not at all in the last 60 days.")
    await form.get_by_role("button", name="Save").click()
    await expect(rule).to_contain_text("600.00 USD")
    await expect(rule.locator(".badge").first).to_have_text("critical")
    for action, state in (("Pause", "paused"), ("Resume", "on"), ("Mute", "on, muted"), ("Unmute", "on")):
        await rule.get_by_role("button", name=f"{action} Spend of a day").click()
        await expect(rule.locator(".badge").last).to_have_text(state)
    await checked(visit, sources, "dialog")
    assert await visit.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await rule.get_by_role("button", name="Delete").click()
    await visit.page.get_by_role("dialog", name="Delete alert rule?").get_by_role("button", name="Delete").click()
    await expect(rule).to_have_count(0)


async def test_an_alert_is_found_by_its_rule_read_with_its_sql_and_acknowledged_by_a_name(
    serving: Serving, visiting: Visiting, sources: Path, organization: Own
) -> None:
    organization.spike_alert()
    visit: Visit = await visiting(await serving())
    await visit.page.get_by_label("Signed in as").select_option("uma")
    await expect(visit.page.get_by_text("Role: user")).to_be_visible()
    dialog = await alerts_of(visit)
    await dialog.get_by_role("button", name="History of Spend of a day: 1 alert in 60 days").click()
    alert = dialog.locator(CARD)
    await expect(alert).to_have_count(1)
    await expect(alert).to_contain_text("500.00 USD · threshold 100.00 USD")
    await alert.get_by_text("SQL").click()
    await expect(alert.get_by_label("SQL")).to_have_text("SELECT SUM(BilledCost) FROM costs")
    await alert.get_by_label("Note on Spend of a day").fill("The batch ran twice.")
    await alert.get_by_role("button", name="Acknowledge").click()
    await expect(alert).to_contain_text("Acknowledged by Uma: “The batch ran twice.”")
    await expect(alert.get_by_role("button", name="Acknowledge")).to_have_count(0)
    await checked(visit, sources, "dialog")
    # Twelve failures of a pipeline since, and none of them among the alerts of the spend.
    await dialog.get_by_label("Rule", exact=True).select_option("All rules")
    await expect(alert).to_have_count(1)
    await dialog.get_by_label("Subject").select_option("All")
    await expect(alert).to_have_count(13)
    await expect(dialog.get_by_role("status")).to_contain_text("13 alerts: A pipeline failed 12, Spend of a day 1.")


async def test_a_link_of_a_message_opens_its_alert(serving: Serving, visiting: Visiting, organization: Own) -> None:
    alert_id = organization.spike_alert()
    product: Product = await serving()
    visit: Visit = await visiting(product)
    await visit.page.goto(f"{product.url}/?org={organization.slug}&alert={alert_id}")
    dialog = visit.page.get_by_role("dialog", name="Alerts of Made Ltd")
    await expect(dialog.locator(CARD)).to_have_count(1)
    await expect(dialog.locator(CARD)).to_contain_text("Spend of a day")
    await expect(dialog.get_by_role("status")).to_have_text("This is the alert that was linked to.")
    await dialog.get_by_role("button", name="Close").click()
    assert visit.page.url == f"{product.url}/#/{organization.slug}/"


async def test_a_destination_is_added_switched_off_and_deleted_and_its_secret_shown_once(
    serving: Serving, visiting: Visiting, sources: Path
) -> None:
    visit: Visit = await visiting(await serving())
    dialog = await alerts_of(visit)
    await dialog.get_by_role("button", name="Destinations").click()
    await expect(dialog.get_by_role("status")).to_contain_text("There is no destination yet")
    form = dialog.get_by_role("form", name="New destination")
    await form.get_by_label("Name").fill("Night watch")
    await form.get_by_label("Address").fill("https://hooks.example.com/services/T0/secret-part")
    await form.get_by_role("button", name="Add destination").click()
    await expect(dialog.locator("code")).to_have_text(re.compile("^whsec_"))
    card = dialog.locator("li[data-destination]")
    await expect(card).to_contain_text("hooks.example.com")
    await expect(card).not_to_contain_text("secret-part")
    await checked(visit, sources, "dialog")
    await card.get_by_role("button", name="What was sent to Night watch").click()
    await expect(card).to_contain_text("Nothing was sent yet.")
    await card.get_by_role("button", name="Switch off Night watch").click()
    await expect(card.locator(".badge").last).to_have_text("off")
    await expect(dialog.locator("code")).to_have_count(0)
    await form.get_by_label("Kind").select_option("Slack")
    await expect(form.get_by_label("Recipients")).to_be_hidden()
    await form.get_by_label("Name").fill("FinOps")
    await form.get_by_label("Address").fill("https://hooks.slack.com/services/T0/B0/x")
    await form.get_by_role("button", name="Add destination").click()
    await expect(card.filter(has_text="FinOps")).to_contain_text("hooks.slack.com")
    await card.get_by_role("button", name="Delete Night watch").click()
    await visit.page.get_by_role("dialog", name="Delete destination?").get_by_role("button", name="Delete").click()
    await expect(card).to_have_count(1)


async def test_a_summary_is_read_at_once_made_changed_and_deleted(
    serving: Serving, visiting: Visiting, sources: Path
) -> None:
    visit: Visit = await visiting(await serving(), **WAYS["phone"])
    dialog = await alerts_of(visit)
    await dialog.get_by_role("button", name="Summaries").click()
    await dialog.get_by_role("button", name="New summary").click()
    form = dialog.get_by_role("form", name="New summary")
    await form.get_by_label("Name").fill("EC2, weekly")
    await form.get_by_label("Filter on").fill("service")
    await form.get_by_label("Filter values").fill("Amazon EC2")
    await form.get_by_role("button", name="Preview").click()
    await expect(form.get_by_label("Summary")).to_contain_text("Filters: service in Amazon EC2.")
    await expect(form.get_by_label("Summary")).to_contain_text(re.compile(r"^- [\d,.]+ USD, ", re.MULTILINE))
    await form.get_by_label("Time zone").fill("Asia/Tokyo")
    await checked(visit, sources, "dialog")
    await form.get_by_role("button", name="Create summary").click()
    card = dialog.locator("li[data-digest]")
    await expect(card).to_contain_text("service Amazon EC2 · each monday, 8:00 Asia/Tokyo")
    await card.get_by_role("button", name="Edit EC2, weekly").click()
    form = dialog.get_by_role("form", name="Edit EC2, weekly")
    await expect(form.get_by_label("Filter values")).to_have_value("Amazon EC2")
    await form.get_by_label("Of each").select_option("monthly")
    await form.get_by_label("Sent on day").fill("2")
    await form.get_by_label("Filter on").fill("")
    await form.get_by_role("button", name="Save summary").click()
    await expect(card).to_contain_text("all costs · on day 2 of each month, 8:00 Asia/Tokyo")
    await card.get_by_role("button", name="Delete EC2, weekly").click()
    await visit.page.get_by_role("dialog", name="Delete summary?").get_by_role("button", name="Delete").click()
    await expect(card).to_have_count(0)
