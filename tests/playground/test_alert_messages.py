"""From a rule made in the page to the messages that are received, and from their link back to the alert."""

import asyncio
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.async_api import expect
from standardwebhooks import Webhook

from common.alerting.organization import OrganizationRules, RulesOf
from common.tenant import OrgSlug
from local.emulators.tasks import TasksEmulator
from tests.conftest import Cloud
from tests.delivery.conftest import QUEUE, Mailing, receiver, relay, tasks
from tests.delivery.receiver import Receiver
from tests.playground.alerting import Own
from tests.playground.conftest import Product, Serving, Visit, Visiting
from tests.playground.test_accessibility import checked
from tests.playground.test_alerts import CARD, alerts_of, organization, url

__all__ = ["organization", "receiver", "relay", "tasks", "url"]


@pytest.fixture
async def product(
    serving: Serving, url: str, tasks: TasksEmulator, relay: Mailing, monkeypatch: pytest.MonkeyPatch
) -> Product:
    """The page, with a queue that hands deliveries to it, and a mail relay."""
    given = {
        "LOCAL_DESTINATIONS": "true", "CHAT_PAGE_URL": f"{url}/", "DELIVER_URL": f"{url}/deliver",
        "DELIVER_QUEUE": QUEUE, "CLOUD_TASKS_EMULATOR_HOST": tasks.url, "SMTP_HOST": "127.0.0.1",
        "SMTP_PORT": str(relay.port), "SMTP_TLS": "none", "SMTP_FROM": "alerts@cloudcost.example",
    }  # fmt: skip
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    made: Product = await serving()
    return made


async def evaluated(product: Product, own: Own) -> None:
    """Evaluate the rules of this organisation alone, as a round does."""
    services = product.services
    tenant = services.directory.tenant(OrgSlug(own.slug))
    rows = own.made.rows.of("org_notification_rules", own.slug, active=True)
    of = RulesOf(tenant, tuple(each for each in rows if each["rule_category"] == "cost"))
    done = await OrganizationRules(services.documents, services.warehouse, services.log).evaluate(of, datetime.now(UTC))
    assert done.fired == 1
    await services.deliveries.enqueue()
    while (await services.sync.run())["remaining"]:
        pass


async def test_a_rule_made_in_the_page_reaches_slack_a_webhook_and_mail_whose_link_opens_the_alert(
    product: Product, visiting: Visiting, sources: Path, organization: Own, cloud: Cloud, receiver: Receiver,
    relay: Mailing,
) -> None:  # fmt: skip
    visit: Visit = await visiting(product)
    dialog = await alerts_of(visit)
    await dialog.get_by_role("button", name="Destinations").click()
    form = dialog.get_by_role("form", name="New destination")
    for kind, label, value in (
        ("Slack", "Address", receiver.url), ("E-mail", "Recipients", "finops@example.com"),
        ("Webhook", "Address", receiver.url),
    ):  # fmt: skip
        await form.get_by_label("Kind").select_option(kind)
        await form.get_by_label("Name").fill(f"My {kind}")
        await form.get_by_label(label).fill(value)
        await form.get_by_role("button", name="Add destination").click()
        await expect(dialog.locator("li[data-destination]").filter(has_text=f"My {kind}")).to_be_visible()
    secret = await dialog.locator("code").inner_text()
    await dialog.get_by_role("button", name="Test My Webhook").click()
    await expect(dialog).to_contain_text("A test message was delivered to My Webhook.")
    assert Webhook(secret).verify(receiver.got[0].body, receiver.got[0].headers)["type"] == "destination.tested"
    await checked(visit, sources, "dialog")
    await dialog.get_by_role("button", name="Rules").click()
    await dialog.get_by_role("button", name="New alert").click()
    form = dialog.get_by_role("form", name="New alert")
    await form.get_by_label("Name").fill("Spend of a day")
    await form.get_by_label("Threshold").fill("100")
    await form.get_by_label("Currency").fill("USD")
    await form.get_by_label("Period").select_option("daily")
    await expect(form.get_by_label("Tells").locator("option")).to_have_count(3)
    await form.get_by_role("button", name="Preview").click()
    await form.get_by_role("button", name="Create alert").click()
    await expect(dialog.locator(CARD)).to_contain_text("tells My Slack, My E-mail, My Webhook")
    await expect(dialog.get_by_role("status")).to_contain_text("It tells My Slack (slack), ")
    organization.load(cloud, (0,))
    await evaluated(product, organization)
    async with asyncio.timeout(60):
        while len(receiver.got) < 3 or not relay.postman.mails:  # noqa: ASYNC110  another thread's state
            await asyncio.sleep(0.05)
    slack = next(each.body.decode() for each in receiver.got[1:] if "webhook-id" not in each.headers)
    signed = next(each for each in receiver.got[1:] if "webhook-id" in each.headers)
    told = Webhook(secret).verify(signed.body, signed.headers)
    assert told["type"] == "alert.raised"
    mail = relay.postman.mails[0].as_bytes().decode()
    link = told["data"]["link"]
    assert link in re.findall(r"http[^\"\\|> ]+", slack.replace("&amp;", "&"))
    assert "Spend of a day" in mail
    figures = told["data"]["details"]
    assert (figures["value"], figures["threshold"], figures["unit"]) == (500, 100, "USD")
    await visit.page.goto(link)
    opened = visit.page.get_by_role("dialog", name="Alerts of Made Ltd").locator(CARD)
    await expect(opened).to_contain_text("500.00 USD · threshold 100.00 USD")
    await expect(opened).to_contain_text("a message was sent")
    await opened.get_by_label("Note on Spend of a day").fill("Known.")
    await opened.get_by_role("button", name="Acknowledge").click()
    await expect(opened).to_contain_text("Acknowledged by playground: “Known.”")
