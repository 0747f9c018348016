"""A planned deployment is state of an AG-UI run: added with the kind of the answer, and absent from any other run."""

import json
from typing import Any

from tests.clients.conftest import Product, Serving
from tests.clients.runs import posted
from tests.fakes.scripted_model import ScriptedModel, call_tool, say, transfer

LLAMA = {"task_type": "inference", "domain": "language", "gpu_needed": True, "model": "Llama 70B"}


async def run(serving: Serving, *steps: Any) -> list[dict[str, Any]]:
    product: Product = await serving(ScriptedModel(list(steps)))
    said = {"id": "m-planned", "role": "user", "content": "Deploy Llama 70B"}
    response = await posted(product, messages=[said], state={}, tools=[], context=[], forwardedProps={})
    return [json.loads(line[6:]) for line in response.text.splitlines() if line.startswith("data: ")]


def added(events: list[dict[str, Any]]) -> dict[str, Any]:
    changes = [each for event in events if event["type"] == "STATE_DELTA" for each in event["delta"]]
    return {each["path"]: each["value"] for each in changes if each["op"] == "add"}


async def test_a_plan_is_added_to_the_state(serving: Serving) -> None:
    events = await run(serving, transfer("DeploymentPlanner"), call_tool("plan_deployment", **LLAMA), say("Here."))
    state = added(events)
    assert state["/response_type"] == "deployment_plan"
    assert len(state["/deployment_plan"]["instances"]) == 3
    assert events[-1]["result"]["response_type"] == "deployment_plan"


async def test_a_question_is_added_without_a_plan(serving: Serving) -> None:
    events = await run(serving, transfer("DeploymentPlanner"), call_tool("plan_deployment"), say("What is it?"))
    assert added(events) == {"/response_type": "clarification", "/deployment_plan": None}
