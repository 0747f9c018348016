"""Documents on the page: dropped or chosen, read, cited, deleted; and what of it a person may do."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.async_api import Locator, expect

from tests.conftest import Cloud
from tests.playground.conftest import Serving, Visit, Visiting
from tests.playground.test_accessibility import WAYS, checked

POLICY = "# Parking policy\n\n## Gate 7\n\nThe parking policy says: only electric vans may park at gate 7.\n"


@pytest.fixture(autouse=True)
async def delivered(cloud: Cloud, url: str) -> None:
    """The bucket's events come to the function that reads documents."""
    async with httpx.AsyncClient(timeout=120) as http:
        await http.put(f"{cloud.environment['STORAGE_EMULATOR_HOST']}/_subscriber", content=f"{url}/ingest")


async def opened(visit: Visit) -> Locator:
    await visit.page.get_by_role("button", name="Documents").click()
    dialog = visit.page.get_by_role("dialog", name="Documents of Acme Inc")
    await expect(dialog).to_be_visible()
    return dialog


async def drop(visit: Visit, name: str, text: str) -> None:
    """Drop a file where files are dropped, as a browser tells it."""
    given = {"name": name, "text": text}
    transfer = await visit.page.evaluate_handle(
        "each => { const data = new DataTransfer(); data.items.add(new File([each.text], each.name)); return data; }",
        given,
    )
    await visit.page.dispatch_event(".drop", "drop", {"dataTransfer": transfer})


@pytest.mark.parametrize("way", ["light", "dark"])
async def test_a_dropped_document_is_read_cited_and_deleted(
    serving: Serving, visiting: Visiting, sources: Path, way: str
) -> None:
    visit: Visit = await visiting(await serving(), **WAYS[way])
    dialog = await opened(visit)
    name = f"parking-{way}.md"
    await drop(visit, name, f"{POLICY}\nWritten in {way}.\n")
    line = dialog.get_by_role("listitem").filter(has_text=name)
    await expect(line).to_have_attribute("data-state", "ready")
    await expect(line).to_contain_text("ready · 1 passage")
    await expect(line).to_contain_text("added ")
    await checked(visit, sources, "dialog")
    await dialog.get_by_role("button", name="Close").click()
    await visit.ask("What does the parking policy say about gate 7?")
    answer = await visit.answered()
    shown = answer.get_by_role("region", name="Answered from")
    await expect(shown).to_contain_text(name)
    await answer.locator(".prose a.cite").first.click()
    await expect(shown.locator("blockquote").first).to_be_visible()
    dialog = await opened(visit)
    await dialog.get_by_role("button", name=f"Delete {name}").click()
    await visit.page.get_by_role("dialog", name="Delete document?").get_by_role("button", name="Delete").click()
    await expect(line).to_have_count(0)


async def test_what_cannot_be_read_says_why_and_can_be_chosen_with_a_button(
    serving: Serving, visiting: Visiting, tmp_path: Path
) -> None:
    visit: Visit = await visiting(await serving())
    dialog = await opened(visit)
    files = {"empty-words.html": b"<html><body></body></html>", "picture.png": b"\x89PNG\r\n\x1a\n" + bytes(64)}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    await dialog.get_by_label("Drop files here, or choose them:").set_input_files([tmp_path / name for name in files])
    for name, why in (("empty-words.html", "there is no text in it"), ("picture.png", "it is none of PDF")):
        line = dialog.get_by_role("listitem").filter(has_text=name)
        await expect(line).to_have_attribute("data-state", "failed")
        await expect(line).to_contain_text(f"cannot be read: {why}")
        await dialog.get_by_role("button", name=f"Delete {name}").click()
        await visit.page.get_by_role("dialog", name="Delete document?").get_by_role("button", name="Delete").click()
        await expect(line).to_have_count(0)


async def test_who_may_not_change_the_settings_sees_them_and_changes_none(serving: Serving, visiting: Visiting) -> None:
    visit: Visit = await visiting(await serving())
    people: Any = visit.page.get_by_role("combobox", name="Signed in as")
    names = [name for name in await people.locator("option").all_inner_texts() if "(user)" in name]
    await people.select_option(names[0])
    await expect(visit.page.get_by_text("Role: user")).to_be_visible()
    dialog = await opened(visit)
    await expect(dialog.get_by_role("status").first).not_to_have_text("Loading …")
    await expect(dialog.get_by_label("Drop files here, or choose them:")).to_have_count(0)
    await expect(dialog.get_by_role("button", name="Delete")).to_have_count(0)
