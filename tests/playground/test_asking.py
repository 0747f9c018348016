"""Asking on the page: an answer as it is written, its work, its chart, and what can go wrong."""

import asyncio
import re
from dataclasses import replace

import pytest
from playwright.async_api import expect

from common.errors import ProviderUnavailable
from common.models.call import FinishReason
from tests.fakes.scripted_model import ScriptedModel, call_tool, say
from tests.playground.conftest import HeldModel, Product, Serving, Visit, Visiting

SPEND = "What did we spend per provider last month?"


async def test_words_arrive_before_the_answer_is_complete(serving: Serving, visiting: Visiting) -> None:
    model = HeldModel(say("First second third."))
    visit: Visit = await visiting(await serving(model))
    await visit.ask("What now?")
    prose = visit.answer.locator(".prose")
    await expect(prose).to_have_text("First")
    await expect(visit.answer).to_have_attribute("aria-busy", "true")
    await expect(visit.answer.locator(".agent")).to_have_text("CostAnalyst")
    assert model.open_streams == 1
    model.let_go.set()
    answer = await visit.answered()
    await expect(prose).to_have_text("First second third.")
    await expect(answer).to_have_attribute("aria-busy", "false")


async def test_an_answer_shows_its_chart_and_its_work(serving: Serving, visiting: Visiting) -> None:
    visit: Visit = await visiting(await serving())
    await visit.ask(SPEND)
    answer = await visit.answered()
    bars = answer.locator("figure svg .mark-rect.role-mark path")
    work = answer.locator("details.work")
    await expect(work.locator("summary")).to_contain_text(re.compile(r"query_costs\d+ rows · .* read · \d"))
    await expect(work.locator(".sql")).not_to_be_visible()
    await work.locator("summary").click()
    await expect(work.locator(".sql")).to_contain_text("FROM `local-dev-project.acme_inc_prod.cost_data_standard_1_3`")
    await expect(work.locator("dl")).to_contain_text("group byprovider")
    await expect(work.locator(".bound")).to_contain_text("@end_exclusive")
    rows = await work.locator("tbody tr").count()
    assert rows == 10, "the first ten"
    await work.get_by_role("button", name=re.compile("Show .* more row")).click()
    assert await work.locator("tbody tr").count() > rows
    await expect(bars).to_have_count(11)
    assert await work.locator("tbody tr").count() >= 11
    await expect(answer.locator(".prose table tbody tr").first).to_contain_text("AWS")


@pytest.mark.parametrize(
    ("reason", "note"),
    [
        ("length", "Cut off at the model's output limit: the rest is missing."),
        ("refused", "The model refused to answer this."),
    ],
)
async def test_an_answer_that_did_not_end_by_itself_says_so_and_says_it_again_later(
    serving: Serving, visiting: Visiting, reason: FinishReason, note: str
) -> None:
    model = ScriptedModel([replace(say("The largest are"), finish_reason=reason)])
    visit: Visit = await visiting(await serving(model))
    await visit.ask("Which are they?")
    answer = await visit.answered()
    await expect(answer.locator(".note")).to_have_text(note)
    await visit.page.reload()
    await expect(visit.answer.locator(".prose")).to_have_text("The largest are")
    await expect(visit.answer.locator(".note")).to_have_text(note)


async def test_figures_that_are_in_no_result_are_marked_and_named_and_so_they_are_later(
    serving: Serving, visiting: Visiting
) -> None:
    spent = call_tool("query_costs", group_by="provider", period="last_month")
    said = say("There are 2 figures: 8,765,432.19 USD, and **1,234,567.89** USD in `8,765,432.19`.")
    visit: Visit = await visiting(await serving(ScriptedModel([spent, said])))
    await visit.ask(SPEND)
    await visit.answered()
    for again in (False, True):
        if again:
            await visit.page.reload()
        await expect(visit.answer.locator(".prose mark.unverified")).to_have_text(
            ["8,765,432.19", "1,234,567.89", "8,765,432.19"]
        )
        await expect(visit.answer.locator(".unverified-note")).to_have_text(
            "These figures were not found in the data behind the answer: 8,765,432.19, 1,234,567.89. "
            "Check them before you rely on them."
        )


async def test_an_answer_whose_figures_are_all_there_has_no_mark(serving: Serving, visiting: Visiting) -> None:
    visit: Visit = await visiting(await serving())
    await visit.ask(SPEND)
    answer = await visit.answered()
    await expect(answer.locator(".prose table")).to_be_visible()
    await expect(answer.locator("mark.unverified, .unverified-note")).to_have_count(0)


@pytest.mark.parametrize("by", ["button", "key"])
async def test_a_running_answer_is_stopped(serving: Serving, visiting: Visiting, by: str) -> None:
    model = HeldModel(say("First second."), say("Going on."))
    product: Product = await serving(model)
    visit: Visit = await visiting(product)
    await visit.ask("What now?")
    await expect(visit.answer.locator(".prose")).to_have_text("First")
    if by == "button":
        await visit.page.get_by_role("button", name="Stop").click()
    else:
        await visit.question.press("Escape")
    await expect(visit.answer.get_by_text("Stopped.")).to_be_visible()
    async with asyncio.timeout(120):
        while len(product.messages(visit.conversation_id)) < 2:  # noqa: ASYNC110  another process's state
            await asyncio.sleep(0.02)
    stored = product.messages(visit.conversation_id)[1]
    assert (stored["status"], stored["content"].strip()) == ("cancelled", "First")
    assert model.open_streams == 0
    model.let_go.set()
    await visit.answer.get_by_role("button", name="Ask again").click()
    await visit.answered()
    await expect(visit.answer.locator(".prose")).to_have_text("Going on.")


async def test_a_providers_error_is_a_plain_sentence_and_a_retry_works(serving: Serving, visiting: Visiting) -> None:
    product: Product = await serving(ScriptedModel([ProviderUnavailable(), say("Here.")]))
    visit: Visit = await visiting(product)
    await visit.ask("What now?")
    await expect(visit.answer.get_by_role("alert")).to_have_text(ProviderUnavailable.detail)
    await visit.answer.get_by_role("button", name="Try again").click()
    await visit.answered()
    await expect(visit.answer.locator(".prose")).to_have_text("Here.")
    await expect(visit.page.get_by_role("article", name="Answer")).to_have_count(1)
    assert [message["role"] for message in product.messages(visit.conversation_id)] == ["user", "assistant"]


async def test_another_organisation_has_other_figures(serving: Serving, visiting: Visiting) -> None:
    visit: Visit = await visiting(await serving())
    told = []
    for name, currency in (("Acme Inc", "USD"), ("Globex Inc", "EUR")):
        await visit.page.get_by_role("combobox", name="Organisation").select_option(name)
        await expect(visit.page.get_by_role("heading", name=f"about {name}'s costs")).to_be_visible()
        await visit.page.get_by_role("region", name="Suggested questions").get_by_role("button", name=SPEND).click()
        answer = await visit.answered()
        await expect(answer.locator(".prose")).to_contain_text(currency)
        told.append(await answer.locator(".prose").inner_text())
    assert told[0] != told[1]
    assert "USD 9" not in told[1]


@pytest.mark.parametrize(("decision", "outcome"), [("Approve", "AWS daily cost"), ("Deny", "not approved")])
async def test_a_change_waits_for_approval(serving: Serving, visiting: Visiting, decision: str, outcome: str) -> None:
    visit: Visit = await visiting(await serving())
    await visit.ask('run create_alert name="AWS daily cost" threshold=700 currency=USD provider=AWS period=daily')
    approval = visit.answer.get_by_role("group", name="Approval")
    await expect(approval).to_contain_text("Create alert: ")
    await expect(visit.answer.locator("details.work dl")).to_contain_text("threshold700")
    await approval.get_by_role("button", name=decision).click()
    answer = await visit.answered()
    await expect(answer.locator(".prose")).to_contain_text(outcome)
    await expect(answer.locator("details.work")).to_have_count(1)


async def test_another_question_leaves_a_change_unmade(serving: Serving, visiting: Visiting) -> None:
    visit: Visit = await visiting(await serving())
    await visit.ask('run create_alert name="AWS daily cost" threshold=800 currency=USD provider=AWS period=daily')
    await expect(visit.answer.get_by_role("group", name="Approval")).to_be_visible()
    await visit.ask(SPEND)
    await expect(visit.page.get_by_role("article", name="Answer")).to_have_count(2)
    await expect((await visit.answered()).locator(".prose")).to_contain_text("billed cost")
    await expect(visit.page.get_by_role("group", name="Approval")).to_have_count(0)
    await expect(visit.page.get_by_text("Not approved: nothing was changed.")).to_be_visible()


async def test_the_keyboard_is_enough(serving: Serving, visiting: Visiting) -> None:
    model = ScriptedModel([say("One."), say("Two.")])
    visit: Visit = await visiting(await serving(model))
    await visit.question.press_sequentially("first line")
    await visit.question.press("Shift+Enter")
    await visit.question.press_sequentially("second line")
    await visit.question.press("Enter")
    await visit.answered()
    assert model.calls[0].messages[-1]["content"] == "first line\nsecond line"
    await expect(visit.question).to_be_focused()
    await visit.page.get_by_role("combobox", name="Organisation").focus()
    await visit.page.keyboard.press("Shift+Tab")
    await expect(visit.page.get_by_role("link", name="Skip to the conversation")).to_be_focused()
    await visit.page.keyboard.press("Enter")
    await expect(visit.question).to_be_focused()
    await visit.ask("and then?")
    await expect(visit.answer.locator(".prose")).to_have_text("Two.")
    await visit.answered()
    assert [message["content"] for message in model.calls[-1].messages if message["role"] == "user"] == [
        "first line\nsecond line",
        "and then?",
    ]


async def test_a_question_that_is_asked_back_has_a_button_for_each_choice(serving: Serving, visiting: Visiting) -> None:
    ask = call_tool("ask_user", question="Which Mobile?", choices=["the team", "the service"])
    visit: Visit = await visiting(await serving(ScriptedModel([ask, say("It costs 5.")])))
    await visit.ask("What does Mobile cost?")
    group = visit.answer.get_by_role("group", name="Question")
    await expect(group.get_by_role("button")).to_have_text(["the team", "the service"])
    await visit.page.reload()
    group = visit.page.get_by_role("group", name="Question")
    await group.get_by_role("button", name="the service").click()
    await expect(visit.page.get_by_role("article", name="Answer")).to_have_count(2)
    await expect((await visit.answered()).locator(".prose")).to_have_text("It costs 5.")
    await expect(visit.page.get_by_role("group", name="Question")).to_have_count(0)


async def test_several_choices_are_sent_together(serving: Serving, visiting: Visiting) -> None:
    ask = call_tool("ask_user", question="Which?", choices=["AWS", "Azure", "GCP"], multiple=True)
    model = ScriptedModel([ask, say("Both cost 5.")])
    visit: Visit = await visiting(await serving(model))
    await visit.ask("Compare them")
    group = visit.answer.get_by_role("group", name="Question")
    for name in ("AWS", "GCP"):
        await group.get_by_role("button", name=name).click()
    await group.get_by_role("button", name="Answer").click()
    await expect((await visit.answered()).locator(".prose")).to_have_text("Both cost 5.")
    assert '"choices": ["AWS", "GCP"]' in model.calls[-1].messages[-1]["content"]
