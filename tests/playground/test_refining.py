"""A question goes on: chips that ask again, questions that follow, an edit in a branch, and a file to share."""

import re
from pathlib import Path

from playwright.async_api import Locator, Page, expect

from tests.fakes.scripted_model import ScriptedModel, say
from tests.playground.conftest import PHONE, Serving, Visit, Visiting

SPEND = "What did we spend per provider last month?"


def asked(visit: Visit) -> Locator:
    return visit.page.get_by_role("article", name="You asked")


async def spent(serving: Serving, visiting: Visiting, question: str = SPEND) -> Visit:
    visit: Visit = await visiting(await serving())
    await visit.ask(question)
    await visit.answered()
    return visit


async def choose(visit: Visit, chip: str, choice: str) -> str:
    """Choose in a chip of the last answer; the question that it asked."""
    before = await asked(visit).count()
    menu = visit.answer.locator("details.chip-menu").filter(has=visit.page.locator(f"summary[aria-label^='{chip}']"))
    await menu.locator("summary").click()
    await menu.get_by_role("button", name=choice, exact=True).click()
    await expect(asked(visit)).to_have_count(before + 1)
    await visit.answered()
    return await asked(visit).last.inner_text()


async def opened(visit: Visit, path: Path) -> Page:
    """A file as another person's browser shows it."""
    browser = visit.page.context.browser
    assert browser is not None
    page = await browser.new_page()
    await page.goto(path.as_uri())
    return page


async def test_another_period_is_asked_for(serving: Serving, visiting: Visiting) -> None:
    visit = await spent(serving, visiting)
    assert await choose(visit, "Period", "this quarter") == "What did we spend by provider this quarter?"
    work = visit.answer.locator("details.work dl")
    await expect(work).to_contain_text(re.compile(r"start date\d{4}-(01|04|07|10)-01"))
    await expect(work).to_contain_text("group byprovider")


async def test_dates_are_chosen(serving: Serving, visiting: Visiting) -> None:
    visit = await spent(serving, visiting)
    await visit.answer.locator("summary[aria-label^='Period']").click()
    form = visit.answer.locator("form.dates")
    await form.get_by_label("First day").fill("2026-03-09")
    await form.get_by_label("Last day").fill("2026-03-02")
    await form.get_by_role("button", name="Ask").click()
    await expect(asked(visit)).to_have_count(1)
    await form.get_by_label("First day").fill("2026-02-20")
    await form.get_by_role("button", name="Ask").click()
    await expect(asked(visit).last).to_have_text("What did we spend by provider from 2026-02-20 to 2026-03-02?")
    await visit.answered()
    await expect(visit.answer.locator("details.work dl")).to_contain_text("end date2026-03-02")
    await expect(visit.answer.locator("summary[aria-label^='Period']")).to_contain_text("20 Feb – 2 Mar 2026")


async def test_any_days_are_compared_with_as_many_before(serving: Serving, visiting: Visiting) -> None:
    visit = await spent(serving, visiting, "What did we spend by provider from 2026-03-03 to 2026-03-17?")
    question = await choose(visit, "Compare with", "the period before")
    assert question == ("Compare what we spent by provider from 2026-03-03 to 2026-03-17 with 2026-02-16 to 2026-03-02")
    asked_for = visit.answer.locator("details.work dl")
    for day in ("2026-02-16", "2026-03-02", "2026-03-03", "2026-03-17"):
        await expect(asked_for).to_contain_text(day)


async def test_filters_are_added_and_removed(serving: Serving, visiting: Visiting) -> None:
    visit = await spent(serving, visiting)
    question = await choose(visit, "Filter", "AWS")
    assert re.fullmatch(r"What did we spend by service for AWS in \w+ \d{4}\?", question)
    await expect(visit.answer.locator("details.work dl")).to_contain_text("providerAWS")
    await visit.answer.get_by_role("button", name="Remove filter provider AWS").click()
    await expect(asked(visit)).to_have_count(3)
    await visit.answered()
    await expect(asked(visit).last).to_have_text(re.compile(r"What did we spend by service in \w+ \d{4}\?"))
    await expect(visit.answer.locator("details.work dl")).not_to_contain_text("AWS")


async def test_another_division_and_a_comparison_are_asked_for(serving: Serving, visiting: Visiting) -> None:
    visit = await spent(serving, visiting)
    assert re.match("What did we spend by team in", await choose(visit, "Divide by", "team"))
    question = await choose(visit, "Compare with", "the period before")
    assert re.fullmatch(r"Compare what we spent by team in \w+ \d{4} with \w+ \d{4}", question)
    await expect(visit.answer.locator("details.work summary")).to_contain_text("compare_periods")


async def test_questions_that_follow_are_offered_below_the_last_answer(serving: Serving, visiting: Visiting) -> None:
    visit = await spent(serving, visiting)
    following = visit.page.get_by_role("group", name="Ask next")
    await expect(following.get_by_role("button")).to_have_count(3)
    await following.get_by_role("button", name=re.compile("by day")).click()
    await expect(asked(visit)).to_have_count(2)
    answer = await visit.answered()
    await expect(answer.locator("details.work dl")).to_contain_text("group byday")
    await expect(following).to_have_count(1)


async def test_chips_are_there_after_a_reload_and_on_a_phone(serving: Serving, visiting: Visiting) -> None:
    visit: Visit = await visiting(await serving(), **PHONE)
    await visit.ask(SPEND)
    await visit.answered()
    await visit.page.reload()
    await visit.answered()
    for chip in ("Period", "Compare with", "Divide by", "Filter"):
        menu = visit.answer.locator("details.chip-menu").filter(
            has=visit.page.locator(f"summary[aria-label^='{chip}']")
        )
        await menu.locator("summary").click()
        await expect(menu.locator(".choices")).to_be_visible()
        assert await visit.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        await visit.page.keyboard.press("Escape")
        await expect(menu.locator(".choices")).not_to_be_visible()


async def test_an_edited_question_goes_on_in_a_branch_and_the_old_one_is_kept(
    serving: Serving, visiting: Visiting
) -> None:
    visit = await spent(serving, visiting)
    await visit.ask("and only AWS?")
    await expect(visit.page.get_by_role("article", name="Answer")).to_have_count(2)
    await visit.answered()
    old = visit.conversation_id
    await asked(visit).last.get_by_role("button", name="Edit question").click()
    await visit.page.get_by_role("textbox", name="Edited question").fill("and only OpenAI?")
    await visit.page.get_by_role("button", name="Ask in a branch").click()
    await expect(asked(visit).last).to_have_text("and only OpenAI?")
    await expect(visit.page.get_by_role("article", name="Answer")).to_have_count(2)
    answer = await visit.answered()
    await expect(answer.locator("details.work dl")).to_contain_text("providerOpenAI")
    await expect(visit.page.get_by_role("heading", level=1)).to_have_text("and only OpenAI?")
    assert visit.conversation_id != old
    listed = visit.page.get_by_role("navigation", name="Conversations")
    await expect(listed.locator(f"[data-id='{visit.conversation_id}']")).to_contain_text("and only OpenAI?")
    await expect(listed.locator(f"[data-id='{old}']")).to_contain_text(SPEND)
    kept = visit.product.messages(old)
    assert [message["content"] for message in kept if message["role"] == "user"] == [SPEND, "and only AWS?"]
    branched = visit.product.messages(visit.conversation_id)
    assert [message["content"] for message in branched if message["role"] == "user"] == [SPEND, "and only OpenAI?"]
    # Copied, not asked again.
    assert [message["created_at"] for message in branched[:2]] == [message["created_at"] for message in kept[:2]]
    await visit.page.get_by_role("button", name="Back to").click()
    await expect(asked(visit).last).to_have_text("and only AWS?")


async def test_an_edit_is_left_with_escape(serving: Serving, visiting: Visiting) -> None:
    visit = await spent(serving, visiting)
    edit = asked(visit).get_by_role("button", name="Edit question")
    await edit.click()
    await visit.page.get_by_role("textbox", name="Edited question").fill("something else")
    await visit.page.keyboard.press("Escape")
    await expect(asked(visit)).to_have_text(SPEND)
    await expect(edit).to_be_focused()


async def test_an_answer_is_shared_as_a_file_that_anybody_reads(
    serving: Serving, visiting: Visiting, tmp_path: Path
) -> None:
    visit = await spent(serving, visiting)
    async with visit.page.expect_download() as download:
        await visit.answer.get_by_role("button", name="Save answer as a file").click()
    file = await download.value
    assert file.suggested_filename == "What-did-we-spend-per-provider-last-month-.html"
    path = tmp_path / "shared.html"
    await file.save_as(path)
    page = await opened(visit, path)
    await expect(page.get_by_role("heading", level=1)).to_have_text(SPEND)
    await expect(page.locator("main")).to_contain_text("billed cost")
    await expect(page.locator("main")).to_contain_text("Acme Inc")
    await expect(page.get_by_text(re.compile(r"^Period: .*\(\d{4}-\d\d-01 to \d{4}-\d\d-\d\d, UTC"))).to_be_visible()
    await expect(page.locator("pre").first).to_contain_text("SUM(BilledCost)")
    await expect(page.locator("figure svg")).to_be_visible()
    rows = page.locator("section table tbody tr")
    await expect(rows).not_to_have_count(10)
    await expect(rows.first.locator("td").nth(1)).to_have_text(re.compile(r"^\d{1,3}(,\d{3})*\.\d\d$"))
    assert await page.locator("button, script, [hidden]").count() == 0


async def test_a_shared_file_does_nothing_that_a_model_or_person_wrote(
    serving: Serving, visiting: Visiting, tmp_path: Path
) -> None:
    hostile = "</title><script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">"
    visit: Visit = await visiting(await serving(ScriptedModel([say(f"Said: {hostile}")])))
    await visit.ask(hostile)
    await visit.answered()
    async with visit.page.expect_download() as download:
        await visit.answer.get_by_role("button", name="Save answer as a file").click()
    path = tmp_path / "shared.html"
    await (await download.value).save_as(path)
    page = await opened(visit, path)
    await expect(page).to_have_title(hostile)
    await expect(page.locator("script, img, iframe")).to_have_count(0)
