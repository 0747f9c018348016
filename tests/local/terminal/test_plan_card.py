"""A plan as the terminal shows it: prices, charts and steps, and nothing that a terminal would act on."""

from typing import Any

from local.terminal.plan_card import plan_lines

MACHINE = {
    "provider": "gcp", "instance_type": "g2-standard-96", "region": "us-east4", "gpu_name": "L4", "gpu_count": 8,
    "currency": "USD", "own_monthly": 5648.6, "list_monthly": 5823.3,
}  # fmt: skip
PLAN: dict[str, Any] = {
    "plan_id": "plan-0123456789ab",
    "understanding": "To serve \x1b[31mLlama\x1b[0m 70B",
    "models": [{"model_id": "meta-llama/Llama-3.3-70B-Instruct", "license": None}],
    "kubernetes": [{"chart": "vllm-stack", "version": "0.1.12"}, {"chart": "gpu-operator", "version": None}],
    "steps": ["Make a node pool.", "helm upgrade --install vllm-stack"],
    "cost": {"currency": "USD", "own_total": 5648.6, "list_total": 5823.3},
    "budget_note": {"said": "The budget is below.", "cheapest": "gcp g2-standard-96", "would_fit": ["116 hours."]},
    "tradeoffs": [],
    "warnings": ["gpu-operator: no released version."],
}


def test_a_plan_is_shown_with_its_prices_and_steps() -> None:
    text = "\n".join(plan_lines({"summary": {"plan": PLAN}, "rows": [MACHINE]}))
    assert "USD 5,648.60 a month at your own prices, USD 5,823.30 at list prices." in text
    assert "gcp g2-standard-96 in us-east4, 8 x L4: USD 5,648.60 (list 5,823.30)" in text
    assert "licence not known" in text
    assert "gpu-operator (the newest)" in text
    assert "2. helm upgrade --install vllm-stack" in text
    assert "The cheapest is gcp g2-standard-96. 116 hours." in text
    assert "Trade-offs" not in text
    assert "\x1b" not in text


def test_a_plan_without_a_machine_has_no_price() -> None:
    lines = plan_lines({"summary": {"plan": {**PLAN, "cost": None, "budget_note": None}}, "rows": []})
    assert "No machine fits, so there is no price." in lines
    assert "Machines" not in lines


def test_other_results_have_no_card() -> None:
    for result in (None, {}, {"error": {"code": "x", "message": "y"}}, {"summary": {"plan": "a word"}, "rows": []}):
        assert plan_lines(result) == []
