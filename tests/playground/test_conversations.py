"""What was said before: found again, renamed, searched, exported, judged and deleted."""

import json
import re
import uuid
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Locator, expect

from tests.fakes.scripted_model import ScriptedModel, say
from tests.playground.conftest import PHONE, Product, Serving, Visit, Visiting


@pytest.fixture
def word() -> str:
    """What only this test says."""
    return f"topic{uuid.uuid4().hex[:10]}"


async def told(serving: Serving, visiting: Visiting, word: str, **context: Any) -> Visit:
    """A visit with one question about the word, answered."""
    product: Product = await serving(ScriptedModel([say(f"All about {word} is said here.")]))
    visit: Visit = await visiting(product, **context)
    await visit.ask(f"What about {word}?")
    await visit.answered()
    return visit


def listed(visit: Visit, text: str) -> Locator:
    return visit.page.get_by_role("navigation", name="Conversations").get_by_role("listitem").filter(has_text=text)


async def test_a_reload_finds_the_conversation_with_its_chart_and_its_work(
    serving: Serving, visiting: Visiting
) -> None:
    visit: Visit = await visiting(await serving())
    await visit.ask("What did we spend per provider last month?")
    before = await (await visit.answered()).locator(".prose").inner_text()
    bars = visit.page.locator("figure svg .mark-rect.role-mark path")
    await expect(bars).to_have_count(11)
    await visit.page.reload()
    answer = await visit.answered()
    assert await answer.locator(".prose").inner_text() == before
    await expect(visit.page.get_by_role("article", name="You asked")).to_have_text(
        "What did we spend per provider last month?"
    )
    await expect(bars).to_have_count(11)
    await answer.locator("details.work summary").click()
    await expect(answer.locator(".sql")).to_contain_text("SUM(BilledCost)")
    await expect(answer.locator("footer .facts")).to_contain_text(re.compile(r"analyst-1 · .* read · .* tokens"))


async def test_a_conversation_goes_on_after_a_reload(serving: Serving, visiting: Visiting, word: str) -> None:
    visit = await told(serving, visiting, word)
    conversation_id = visit.conversation_id
    await visit.page.reload()
    await visit.answered()
    await visit.ask("And what else?")
    await expect(visit.page.get_by_role("article", name="Answer")).to_have_count(2)
    await visit.answered()
    assert visit.conversation_id == conversation_id
    assert len(visit.product.messages(conversation_id)) == 4


async def test_a_conversation_is_renamed(serving: Serving, visiting: Visiting, word: str) -> None:
    visit = await told(serving, visiting, word)
    await expect(listed(visit, word)).to_have_count(1)
    await visit.page.get_by_role("button", name="Rename").click()
    title = visit.page.get_by_role("textbox", name="Title")
    await expect(title).to_be_focused()
    await title.fill(f"Renamed <b>{word[::-1]}</b>")
    await title.press("Enter")
    await expect(visit.page.get_by_role("heading", level=1)).to_have_text(f"Renamed <b>{word[::-1]}</b>")
    await expect(listed(visit, word[::-1])).to_have_count(1)
    await visit.page.reload()
    await expect(visit.page.get_by_role("heading", level=1)).to_have_text(f"Renamed <b>{word[::-1]}</b>")


async def test_a_search_finds_a_message_and_leads_to_it(serving: Serving, visiting: Visiting, word: str) -> None:
    visit = await told(serving, visiting, word)
    await visit.page.get_by_role("button", name="New question").click()
    await expect(visit.page.get_by_role("region", name="Suggested questions")).to_be_visible()
    await visit.page.get_by_role("searchbox").fill(f"{word} is said")
    hit = listed(visit, word)
    await expect(hit).to_have_count(1)
    await expect(hit.locator("mark")).to_have_text(f"{word} is said")
    await hit.get_by_role("button").click()
    await expect(visit.page.locator(".found")).to_contain_text(f"All about {word}")
    await visit.page.get_by_role("searchbox").fill(f"{word} is not said")
    await expect(visit.page.get_by_role("navigation")).to_contain_text(f"Nothing says “{word} is not said”.")


async def test_a_conversation_is_deleted_once_that_is_confirmed(
    serving: Serving, visiting: Visiting, word: str
) -> None:
    visit = await told(serving, visiting, word)
    await expect(listed(visit, word)).to_have_count(1)
    delete = visit.page.get_by_role("button", name="Delete").first
    await delete.click()
    dialog = visit.page.get_by_role("dialog", name="Delete conversation?")
    await dialog.get_by_role("button", name="Cancel").click()
    await expect(dialog).to_have_count(0)
    await expect(listed(visit, word)).to_have_count(1)
    await delete.click()
    await dialog.get_by_role("button", name="Delete").click()
    await expect(listed(visit, word)).to_have_count(0)
    await expect(visit.page.get_by_role("region", name="Suggested questions")).to_be_visible()


async def test_a_conversation_is_exported_as_a_file(
    serving: Serving, visiting: Visiting, word: str, tmp_path: Path
) -> None:
    visit = await told(serving, visiting, word)
    async with visit.page.expect_download() as download:
        await visit.page.get_by_role("button", name="Export").click()
    file = await download.value
    assert file.suggested_filename == f"conversation-{visit.conversation_id}.json"
    await file.save_as(tmp_path / "exported.json")
    exported = json.loads((tmp_path / "exported.json").read_text())
    assert [message["role"] for message in exported["messages"]] == ["user", "assistant"]
    assert word in exported["messages"][1]["content"]


async def test_an_opinion_of_an_answer_is_stored(serving: Serving, visiting: Visiting, word: str) -> None:
    visit = await told(serving, visiting, word)
    await visit.answer.get_by_role("button", name="Bad answer").click()
    await visit.answer.get_by_role("textbox", name="Say more").fill("The total is off")
    await visit.answer.get_by_role("button", name="Wrong figures").click()
    await expect(visit.answer.get_by_text("Thank you.")).to_be_visible()
    stored = visit.product.messages(visit.conversation_id)[1]["feedback"]
    assert (stored["rating"], stored["reason"], stored["comment"]) == ("down", "Wrong figures", "The total is off")
    await visit.page.reload()
    await visit.answered()
    await expect(visit.answer.get_by_role("button", name="Bad answer")).to_have_attribute("aria-pressed", "true")


async def test_on_a_phone_the_conversations_are_behind_a_button(
    serving: Serving, visiting: Visiting, word: str
) -> None:
    visit = await told(serving, visiting, word, **PHONE)
    assert await visit.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await expect(visit.page.get_by_role("searchbox")).not_to_be_visible()
    await visit.page.get_by_role("button", name="Conversations", exact=True).click()
    await expect(visit.page.get_by_role("searchbox")).to_be_visible()
    await visit.page.get_by_role("button", name="New question").click()
    await expect(visit.page.get_by_role("searchbox")).not_to_be_visible()
    await visit.page.get_by_role("button", name="Conversations", exact=True).click()
    await listed(visit, word).get_by_role("button").click()
    await expect(visit.answer.locator(".prose")).to_contain_text(word)
    await expect(visit.page.get_by_role("searchbox")).not_to_be_visible()


async def test_titles_say_the_period_so_that_they_differ(serving: Serving, visiting: Visiting) -> None:
    visit: Visit = await visiting(await serving())
    titles = set()
    for question in ("What did we spend in the last 7 days?", "What did we spend in the last 30 days?"):
        await visit.page.get_by_role("button", name="New question").click()
        await visit.ask(question)
        await visit.answered()
        title = visit.page.get_by_role("heading", level=1)
        await expect(title).to_have_text(re.compile(rf"{re.escape(question)} · \d.* \d{{4}}"))
        shown = visit.page.locator(f"[data-id='{visit.conversation_id}'] .title")
        await expect(shown).to_have_text(await title.inner_text())
        titles.add((await title.inner_text()).partition(" · ")[2])
    assert len(titles) == 2
    await visit.page.reload()
    await expect(visit.page.get_by_role("heading", level=1)).to_have_text(re.compile(r" · \d"))


async def test_a_person_is_asked_for_and_a_link_opens_the_conversation_until_that_is_resolved(
    serving: Serving, visiting: Visiting, word: str
) -> None:
    visit = await told(serving, visiting, word)
    await visit.page.get_by_role("button", name="Ask a person").click()
    dialog = visit.page.get_by_role("dialog", name="Ask a person for help?")
    await dialog.get_by_label("What do you need?").fill("Is this bill right?")
    await dialog.get_by_role("button", name="Ask a person").click()
    waits = visit.page.get_by_role("status").filter(has_text="Is this bill right?")
    await expect(waits).to_contain_text("playground asked for a person just now")
    await expect(waits).to_contain_text("nobody was sent one")
    await expect(listed(visit, word)).to_contain_text("waits for a person")
    await visit.page.goto(f"{visit.product.url}/?org=acme_inc&conversation={visit.conversation_id}")
    await visit.answered()
    await expect(waits).to_contain_text("playground asked for a person")
    await waits.get_by_role("button", name="Resolved").click()
    await expect(waits).to_be_hidden()
    await expect(listed(visit, word)).not_to_contain_text("waits for a person")
