"""A planned deployment: its kind and its plan are in the answer, in the last event, in the state and in the history."""

import json
from typing import Any

import pytest

from common.skills.planner.tools import plan_deployment
from common.transcript.message import Message
from common.transcript.plans import PLANNING, planned
from tests.fakes.scripted_model import ScriptedModel, call_tool, say, transfer
from tests.turn.conftest import Serving

LLAMA = {"task_type": "inference", "domain": "language", "gpu_needed": True, "model": "Llama 70B"}


def scripted(**arguments: Any) -> ScriptedModel:
    return ScriptedModel([transfer("DeploymentPlanner"), call_tool("plan_deployment", **arguments), say("Here it is.")])


async def test_a_plan_is_in_the_answer_and_in_the_history(serving: Serving) -> None:
    model = scripted(**LLAMA)
    product = await serving(model)
    body = (await product.send("Deploy Llama 70B for inference")).json()
    assert len(model.calls) == 3
    assert body["response_type"] == "deployment_plan"
    plan = body["deployment_plan"]
    assert plan["plan_id"].startswith("plan-")
    assert [each["own_monthly"] for each in plan["instances"]]
    assert plan["cost"]["own_total"] == plan["instances"][0]["own_monthly"]
    assert "modelURL: meta-llama/" in plan["values_yaml"]
    (stored,) = [each for each in product.messages(body["conversation_id"]) if each["role"] == "assistant"]
    kind, kept = planned(Message(**{name: stored[name] for name in Message.__dataclass_fields__ if name in stored}))
    assert (kind, kept) == ("deployment_plan", plan)


@pytest.mark.parametrize(("arguments", "kind"), [({}, "clarification"), ({**LLAMA, "provider": "hetzner"}, "error")])
async def test_questions_and_errors_have_their_kind_and_no_plan(
    serving: Serving, arguments: dict[str, Any], kind: str
) -> None:
    product = await serving(scripted(**arguments))
    body = (await product.send("help me to deploy")).json()
    assert (body["response_type"], body["deployment_plan"]) == (kind, None)


async def test_an_answer_without_a_plan_has_neither_field(serving: Serving) -> None:
    product = await serving(ScriptedModel([call_tool("list_alerts"), say("None.")]))
    body = (await product.send()).json()
    assert not {"response_type", "deployment_plan"} & body.keys()


def test_the_tool_that_plans_has_the_name_that_messages_know() -> None:
    assert plan_deployment.__name__ == PLANNING


@pytest.mark.parametrize("results", [None, "[]", '[{"id": "1", "result": {"summary": {}, "rows": []}}]'])
def test_a_plan_whose_result_was_not_kept_is_none(results: str | None) -> None:
    calls = json.dumps([{"id": "1", "name": PLANNING, "agent_name": "DeploymentPlanner", "arguments": "{}"}])
    message = Message("m", "assistant", "x", None, tool_calls_json=calls, tool_results_json=results)  # type: ignore[arg-type]
    assert planned(message) == (None, None)
