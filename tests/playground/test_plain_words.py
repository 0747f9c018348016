"""Plain words and keys: a question recalled, counted, refused, waiting, or at an address that leads to nothing."""

import re

import pytest
from playwright.async_api import expect

from common.errors import ProviderRateLimited
from tests.fakes.scripted_model import ScriptedModel, say
from tests.playground.conftest import PHONE, Product, Serving, Visit, Visiting

SPEND = "What did we spend per provider last month?"


async def test_arrows_recall_what_was_asked(serving: Serving, visiting: Visiting) -> None:
    model = ScriptedModel([say("One."), say("Two.")])
    visit: Visit = await visiting(await serving(model))
    for question in ("first?", "second?"):
        await visit.ask(question)
        await expect(visit.answer.locator(".prose")).to_have_text("One." if question == "first?" else "Two.")
        await visit.answered()
    await visit.question.press("ArrowUp")
    await expect(visit.question).to_have_value("second?")
    await visit.question.press("ArrowUp")
    await expect(visit.question).to_have_value("first?")
    await visit.question.press("ArrowUp")
    await expect(visit.question).to_have_value("first?")
    await visit.question.press("ArrowDown")
    await visit.question.press("ArrowDown")
    await expect(visit.question).to_have_value("")
    await visit.question.fill("a draft")
    await visit.question.press("ArrowUp")
    await expect(visit.question).to_have_value("a draft")


@pytest.mark.parametrize("keys", ["Control+k", "Meta+k"])
@pytest.mark.parametrize("context", [{}, PHONE], ids=["desktop", "phone"])
async def test_a_key_finds_conversations(
    serving: Serving, visiting: Visiting, keys: str, context: dict[str, object]
) -> None:
    visit: Visit = await visiting(await serving(), **context)
    await visit.page.keyboard.press(keys)
    await expect(visit.page.get_by_role("searchbox")).to_be_focused()


async def test_a_long_question_is_counted_and_never_cut(serving: Serving, visiting: Visiting) -> None:
    visit: Visit = await visiting(await serving())
    counted = visit.page.locator("#composer-count")
    await visit.question.fill("x" * 7_999)
    await expect(counted).not_to_be_visible()
    await visit.question.fill("x" * 9_500)
    await expect(counted).to_have_text("9,500 of 10,000 characters")
    await visit.question.fill("x" * 10_002)
    await expect(counted).to_have_text("2 characters too many: a question has at most 10,000.")
    await expect(visit.page.get_by_role("button", name="Send")).to_be_disabled()
    await visit.question.press("Enter")
    await expect(visit.question).to_have_value("x" * 10_002)
    await expect(visit.page.get_by_role("article", name="You asked")).to_have_count(0)


async def test_a_dead_link_shows_where_to_begin(serving: Serving, visiting: Visiting) -> None:
    product: Product = await serving()
    for address in ("/#/acme_inc/nobody-has-this", "/#/acme_inc/..%2f..", "/#/acme_inc/" + "x" * 300):
        visit: Visit = await visiting(product, address)
        await expect(visit.page.locator(".missing")).to_contain_text("is not among yours at Acme Inc")
        await expect(visit.page.get_by_role("region", name="Suggested questions")).to_be_visible()
        await expect(visit.page.get_by_text("conversation_id")).to_have_count(0)
        await expect(visit.page.get_by_role("alert")).to_have_count(0)
        # The browser itself notes the 404 in its console.
        visit.problems[:] = [each for each in visit.problems if "Failed to load resource" not in each]
    await visit.ask(SPEND)
    await visit.answered()
    await expect(visit.page.locator(".missing")).to_have_count(0)


async def test_a_waiting_approval_says_so_and_is_told_after_a_reload(serving: Serving, visiting: Visiting) -> None:
    visit: Visit = await visiting(await serving())
    await visit.ask('run create_alert name="AWS daily cost" threshold=650 currency=USD provider=AWS period=daily')
    await expect(visit.answer.locator(".doing")).to_have_text("Waiting for your approval. Nothing is changed before.")
    await visit.page.reload()
    await expect(visit.answer.locator(".doing")).to_have_text("Waiting for your approval. Nothing is changed before.")
    await visit.answer.get_by_role("button", name="Approve").click()
    answer = await visit.answered()
    await expect(answer.locator(".prose")).to_contain_text("AWS daily cost")
    await expect(answer.locator("details.work")).to_have_count(1)
    await visit.page.reload()
    await expect(visit.page.get_by_role("group", name="Approval")).to_have_count(0)


async def test_a_providers_limit_says_when_to_try_again(serving: Serving, visiting: Visiting) -> None:
    limited = ProviderRateLimited(retry_after=45)
    visit: Visit = await visiting(await serving(ScriptedModel([limited, say("Here.")])))
    await visit.page.clock.install()
    await visit.ask("What now?")
    await expect(visit.answer.get_by_role("alert")).to_have_text(ProviderRateLimited.detail)
    retry = visit.answer.get_by_role("button", name="Try again")
    await expect(retry).to_be_disabled()
    await expect(visit.answer.get_by_text(re.compile(r"^in \d\d seconds$"))).to_be_visible()
    await visit.page.clock.fast_forward(46_000)
    await expect(retry).to_be_enabled()
    await retry.click()
    await expect(visit.answer.locator(".prose")).to_have_text("Here.")


async def test_a_refusal_says_when_to_try_again(
    serving: Serving, visiting: Visiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("USER_MESSAGES_PER_MINUTE", "1")
    visit: Visit = await visiting(await serving())
    for _ in range(2):
        await visit.ask(SPEND)
        await expect(visit.answer).to_have_attribute("aria-busy", "false")
    await expect(visit.answer.get_by_role("alert")).to_contain_text("Too many messages")
    await expect(visit.answer.get_by_role("button", name="Try again")).to_be_disabled()
    await expect(visit.answer.get_by_text(re.compile(r"^in \d+ seconds?$"))).to_be_visible()
    # The browser and the AG-UI client note the 429 in the console.
    visit.problems[:] = [each for each in visit.problems if "429" not in each]
