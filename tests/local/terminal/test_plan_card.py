"""A plan as the terminal shows it: prices, charts and steps, and nothing that a terminal would act on."""

from pathlib import Path
from typing import Any

import pytest

from local.terminal.access import Access
from local.terminal.answer import Answer, ToolCall
from local.terminal.chatting import Chat
from local.terminal.plan_card import plan_lines
from local.terminal.plan_file import plan_text
from local.terminal.screen import Screen

MACHINE = {
    "provider": "gcp", "instance_type": "g2-standard-96", "region": "us-east4", "gpu_name": "L4", "gpu_count": 8,
    "currency": "USD", "own_monthly": 5648.6, "list_monthly": 5823.3,
}  # fmt: skip
BUDGET = {
    "budget": "Platform", "category": "cloud", "period_end": "2026-12-31", "currency": "USD", "amount": 9000.0,
    "lands_at": 9500.5, "left": -500.5, "fits": False, "whole_period_fits": False,
}  # fmt: skip
PLAN: dict[str, Any] = {
    "plan_id": "plan-0123456789ab",
    "understanding": "To serve \x1b[31mLlama\x1b[0m 70B",
    "models": [{"model_id": "meta-llama/Llama-3.3-70B-Instruct", "license": None, "need_gib": 165.4}],
    "models_note": "A licence that is not known is not shown.",
    "kubernetes": [
        {"chart": "vllm-stack", "version": "0.1.12", "repository": "vllm-project/production-stack"},
        {"chart": "gpu-operator", "version": None, "repository": "NVIDIA/gpu-operator"},
    ],
    "steps": ["Make a node pool.", "helm upgrade --install vllm-stack"],
    "cost": {"currency": "USD", "own_total": 5648.6, "list_total": 5823.3, "not_priced": "Disks."},
    "budget_note": {"said": "The budget is below.", "cheapest": "gcp g2-standard-96", "would_fit": ["116 hours."]},
    "tradeoffs": [],
    "assumptions": ["1 machine for 730 hours a month."],
    "catalog": {"oldest_price": "2026-06-18"},
    "values_yaml": "# Values\nservingEngineSpec: {}\n",
    "organization": {
        "budgets": [
            BUDGET,
            {**BUDGET, "budget": "Web", "fits": True},
            {**BUDGET, "budget": "EU", "currency": "EUR", "lands_at": None},
        ]
    },
    "warnings": ["gpu-operator: no released version."],
}


def test_a_plan_is_shown_with_its_prices_and_steps() -> None:
    text = "\n".join(plan_lines({"summary": {"plan": PLAN}, "rows": [MACHINE]}))
    assert "USD 5,648.60 a month at your own prices, USD 5,823.30 at list prices." in text
    assert "gcp g2-standard-96 in us-east4, 8 x L4: USD 5,648.60 (list 5,823.30)" in text
    assert "licence not known" in text
    assert "A licence that is not known is not shown." in text
    assert "gpu-operator (the newest)" in text
    assert "2. helm upgrade --install vllm-stack" in text
    assert "The cheapest is gcp g2-standard-96. 116 hours." in text
    assert "Platform (cloud) to 2026-12-31: lands at 9,500.50 of USD 9,000.00 with this plan, 500.50 over" in text
    assert (
        "Web (cloud) to 2026-12-31: lands at 9,500.50 of USD 9,000.00 with this plan, 500.50 left, and no room" in text
    )
    assert "EU (cloud) to 2026-12-31: EUR 9,000.00, not compared" in text
    assert "Trade-offs" not in text
    # What nobody said comes before the price of it.
    assert text.index("1 machine for 730 hours") < text.index("USD 5,648.60")
    assert "Not in it: Disks." in text
    assert "\x1b" not in text


def test_a_plan_without_a_machine_has_no_price() -> None:
    lines = plan_lines({"summary": {"plan": {**PLAN, "cost": None, "budget_note": None}}, "rows": []})
    assert "No machine fits, so there is no price." in lines
    assert "Machines" not in lines


COSTS: list[tuple[dict[str, Any], str]] = [
    ({"budget": {"amount": 900, "currency": "USD", "fits": False, "left": -4748.6}},
     "Budget USD 900.00: USD 4,748.60 short."),
    ({"budget": {"amount": 900, "currency": "JPY", "fits": None, "note": "No rate."}}, "No rate."),
    ({"now": {"amount": 6000, "currency": "USD", "saved": 351.4, "saved_percent": 5.86, "note": "Only machines."}},
     "Now it costs USD 6,000.00: the plan is USD 351.40 less, 5.86 %. Only machines."),
    ({"now": {"amount": 5000, "currency": "USD", "saved": -648.6, "saved_percent": -12.97, "note": "Only."}},
     "the plan is USD 648.60 more, 12.97 %. Only."),
    ({"converted": {"currency": "EUR", "usd_rate": 0.9, "own_total": 5083.74, "list_total": 5240.97}},
     "That is EUR 5,083.74 at your own rate, 0.9 for a USD."),
]  # fmt: skip


@pytest.mark.parametrize(("more", "says"), COSTS)
def test_a_budget_a_currency_and_what_is_paid_now_are_shown_and_kept(more: dict[str, Any], says: str) -> None:
    result = {"summary": {"plan": {**PLAN, "cost": {**PLAN["cost"], **more}}}, "rows": [MACHINE]}
    assert says in "\n".join(plan_lines(result))
    assert says in (plan_text(result, Path("plan.md")) or "")


def test_other_results_have_no_card() -> None:
    for result in (None, {}, {"error": {"code": "x", "message": "y"}}, {"summary": {"plan": "a word"}, "rows": []}):
        assert plan_lines(result) == []


def test_a_plan_is_kept_as_markdown_in_which_names_are_only_text() -> None:
    hostile = {**PLAN, "understanding": "To serve [x](http://evil) | <b>`rm`</b>"}
    text = plan_text({"summary": {"plan": hostile}, "rows": [MACHINE]}, Path("plan.md")) or ""
    assert text.startswith("# To serve \\[x\\](http://evil) \\| \\<b\\>\\`rm\\`\\</b\\>\n")
    assert "| gcp g2-standard-96 in us-east4 | 8 x L4 | USD 5,823.30 | USD 5,648.60 |" in text
    assert "2. `helm upgrade --install vllm-stack`" in text
    assert "- Platform (cloud) to 2026-12-31: lands at 9,500.50" in text
    assert "- gpu-operator: no released version." in text
    assert plan_text({"summary": {"plan": PLAN}, "rows": []}, Path("values.yaml")) == PLAN["values_yaml"]
    assert plan_text({"summary": {}}, Path("plan.md")) is None


@pytest.fixture
def chat() -> Chat:
    return Chat(Screen(), "http://127.0.0.1:9", Access("acme_inc", "u1", "key"), shows_work=False)


def test_the_terminal_keeps_a_plan_in_a_new_file(
    chat: Chat, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chat.take("/plan")
    result = {"summary": {"plan": PLAN}, "rows": [MACHINE]}
    chat._answer = Answer(tools=[ToolCall("1", "DeploymentPlanner", "plan_deployment", {}, result)])
    for name, holds in (("plan.md", "# To serve"), ("values.yaml", "servingEngineSpec")):
        chat.take(f"/plan {tmp_path / name}")
        assert holds in (tmp_path / name).read_text(encoding="utf-8")
    assert chat.failed == 1
    chat.take(f"/plan {tmp_path / 'plan.md'}")
    chat.take(f"/plan {tmp_path / 'plan.txt'}")
    chat.take(f"/plan {tmp_path / 'none' / 'plan.md'}")
    assert chat.failed == 4
    said = capsys.readouterr()
    for words in ("has no plan", "is there already", "ends with .md", "cannot be written"):
        assert words in " ".join((said.out + said.err).split())
