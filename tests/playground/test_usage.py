"""The usage view: a month's figures by what is chosen, the ceilings, the statement, and a refusal that is shown."""

import json
from pathlib import Path
from typing import Any

from playwright.async_api import Route, expect

from tests.playground.conftest import Serving, Visit, Visiting
from tests.playground.test_accessibility import checked


async def test_the_usage_of_a_month_is_shown_and_its_statement_saved(
    serving: Serving, visiting: Visiting, sources: Path, tmp_path: Path
) -> None:
    product = await serving()
    visit: Visit = await visiting(product)
    await visit.ask("What did we spend per provider last month?")
    await visit.answered()
    await product.services.sync.run()
    await visit.page.get_by_role("button", name="Usage").click()
    dialog = visit.page.get_by_role("dialog")
    await expect(dialog.get_by_role("row").filter(has_text="analyst-1").first).to_be_visible()
    await expect(dialog.get_by_role("row").last).to_contain_text("All")
    await expect(dialog).to_contain_text("of models without a known price")
    await dialog.get_by_label("By").select_option("channel")
    await expect(dialog.get_by_role("row").filter(has_text="copilotkit")).to_be_visible()
    await checked(visit, sources, "dialog")
    async with visit.page.expect_download() as saving:
        await dialog.get_by_role("button", name="Statement (CSV)").click()
    saved = tmp_path / "statement.csv"
    await (await saving.value).save_as(saved)
    assert saved.read_text(encoding="utf-8").startswith("month,provider,model_id,")
    await dialog.get_by_role("button", name="Close").click()
    await expect(dialog).to_have_count(0)


async def test_ceilings_and_bills_are_shown_and_a_refusal_is_a_sentence(serving: Serving, visiting: Visiting) -> None:
    visit: Visit = await visiting(await serving())
    figures = {
        "turns": 3, "input_tokens": 1_000, "output_tokens": 50, "estimated_tokens": 12, "unpriced_tokens": 0,
        "estimated_cost_usd": 0.004,
    }  # fmt: skip
    answers: list[dict[str, Any]] = [
        {
            "scope": "organization",
            "by": "model",
            "rows": [{"model_id": "<b>gpt</b>", "provider": "openai", **figures}],
            "truncated": True,
            "totals": figures,
            "bill": [
                {
                    "provider": "openai", "estimated_cost_usd": 10.5, "billed_cost": 12.25, "currency": "EUR",
                    "last_day": "2026-10-31",
                }
            ],
            "ceilings": [
                {"whose": "organization", "of": "usd_per_month", "limit": 20, "used": 16, "percent": 80},
            ],
        }
    ]  # fmt: skip

    async def answer(route: Route) -> None:
        if answers:
            await route.fulfill(status=200, body=json.dumps(answers.pop()), content_type="application/json")
            return
        refused = {"detail": "The data warehouse does not answer. Try again shortly."}
        await route.fulfill(status=503, body=json.dumps(refused), content_type="application/json")

    await visit.page.route("**/usage?*", answer)
    await visit.page.get_by_role("button", name="Usage").click()
    dialog = visit.page.get_by_role("dialog")
    await expect(dialog.get_by_role("rowheader", name="<b>gpt</b>")).to_be_visible()
    await expect(dialog).to_contain_text("Organisation: 16 of 20 USD this month (80 %)")
    await expect(dialog).to_contain_text("openai: estimated here 10.50 USD, billed by the provider 12.25 EUR")
    await expect(dialog).to_contain_text("12 tokens estimated")
    await expect(dialog).to_contain_text("Only the first 1 rows are shown")
    await dialog.get_by_label("By").select_option("user")
    await expect(dialog.get_by_role("alert")).to_have_text("The data warehouse does not answer. Try again shortly.")
    # The browser itself notes the 503 in its console.
    visit.problems[:] = [each for each in visit.problems if "503" not in each]
