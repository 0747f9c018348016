"""A deployment plan on the page: a card with prices, charts and steps, there again after a reload, and its files."""

import re
from pathlib import Path

import yaml
from playwright.async_api import expect

from tests.fakes.scripted_model import ScriptedModel, call_tool, say, transfer
from tests.playground.conftest import PHONE, Serving, Visiting

LLAMA = {
    "task_type": "inference", "domain": "language", "gpu_needed": True, "model": "Llama 70B", "budget_monthly": 900,
}  # fmt: skip


async def test_a_plan_is_a_card_that_can_be_saved(serving: Serving, visiting: Visiting, tmp_path: Path) -> None:
    steps = (transfer("DeploymentPlanner"), call_tool("plan_deployment", **LLAMA), say("Here is the plan."))
    visit = await visiting(await serving(ScriptedModel(steps)))
    await visit.ask("Deploy Llama 70B")
    await visit.answered()
    card = visit.answer.get_by_role("region", name="Deployment plan")
    await expect(card).to_be_visible()
    text = await card.inner_text()
    assert re.search(r"USD [\d,]+\.\d\d a month at your own prices", text)
    assert "The budget is" in text
    # What nobody said is shown before the price of it, and open.
    assert text.index("Assumed: 1 machine.") < text.index("at your own prices")
    assert re.search(r"Budget USD 900\.00: USD [\d,]+\.\d\d (left|short)\.", text)
    assert "kube-prometheus-stack" in text
    assert re.search(r"Budgets with this plan\s[\s\S]*Lands at", text)
    assert "helm upgrade --install vllm-stack" in text
    assert await card.get_by_role("region", name="Machines").locator("tbody tr").count() == 3
    for control, name, holds in (
        ("Save as Markdown", ".md", "| Machine | GPU |"),
        ("Save as Markdown", ".md", "- Budget USD 900.00: USD "),
        ("Save values.yaml", "values.yaml", "servingEngineSpec"),
    ):
        async with visit.page.expect_download() as download:
            await card.get_by_role("button", name=control).click()
        file = await download.value
        assert file.suggested_filename.endswith(name)
        await file.save_as(tmp_path / name)
        assert holds in (tmp_path / name).read_text(encoding="utf-8")
    values = yaml.safe_load((tmp_path / "values.yaml").read_text(encoding="utf-8"))
    assert values["servingEngineSpec"]["modelSpec"][0]["modelURL"].startswith("meta-llama/")
    await visit.page.reload()
    await expect(visit.page.get_by_role("region", name="Deployment plan")).to_be_visible()


async def test_a_plan_fits_a_phone(serving: Serving, visiting: Visiting) -> None:
    steps = (transfer("DeploymentPlanner"), call_tool("plan_deployment", **LLAMA), say("Here is the plan."))
    visit = await visiting(await serving(ScriptedModel(steps)), **PHONE)
    await visit.ask("Deploy Llama 70B")
    await visit.answered()
    await expect(visit.answer.get_by_role("region", name="Deployment plan")).to_be_visible()
    assert await visit.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


async def test_questions_make_no_card(serving: Serving, visiting: Visiting) -> None:
    steps = (transfer("DeploymentPlanner"), call_tool("plan_deployment"), say("What should it do?"))
    visit = await visiting(await serving(ScriptedModel(steps)))
    await visit.ask("help me to deploy")
    await visit.answered()
    assert await visit.answer.get_by_role("region", name="Deployment plan").count() == 0
