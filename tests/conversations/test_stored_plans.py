"""A stored plan is compared with its costs: in its own conversation, later in any of its user's, by nobody else."""

import json
from typing import Any

from tests.conversations.conftest import Product, Row, Serving
from tests.fakes.scripted_model import ScriptedModel, call_tool, say, transfer

LLAMA = {"task_type": "inference", "domain": "language", "gpu_needed": True, "model": "Llama 70B"}


def results(message: Row) -> dict[str, Any]:
    """The result of the answer's compare_plan."""
    calls = {each["id"]: each["name"] for each in json.loads(message["tool_calls_json"])}
    found = {calls[each["id"]]: each["result"] for each in json.loads(message["tool_results_json"])}
    compared: dict[str, Any] = found["compare_plan"]
    return compared


async def compared(product: Product, conversation_id: str | None, **headers: str) -> dict[str, Any]:
    body = {"message": "what has it cost?"} | ({"conversation_id": conversation_id} if conversation_id else {})
    response = await product.call("POST", "/send", json=body, headers=headers)
    assert response.status_code == 200, response.text
    answer = response.json()
    place = f"orgs/acme_inc/conversations/{answer['conversation_id']}/messages/{answer['message_id']}"
    return results(product.documents.document(place).get().to_dict() or {})


async def test_the_stored_plan_is_compared_and_a_model_cannot_give_its_price(serving: Serving) -> None:
    model = ScriptedModel([transfer("DeploymentPlanner"), call_tool("plan_deployment", **LLAMA), say("Here.")])
    product: Product = await serving(model)
    planned = await product.send("Deploy Llama 70B")
    plan = planned["deployment_plan"]
    comparing = [call_tool("compare_plan", plan_id=plan["plan_id"]), say("So much.")]
    last = [call_tool("compare_plan"), say("So much.")]
    model.steps = [*model.steps, *last, transfer("DeploymentPlanner"), *comparing]
    found = await compared(product, planned["conversation_id"])
    assert found["summary"]["plan"]["monthly_usd"] == plan["cost"]["own_total"]
    assert found["summary"]["plan"]["machine"] == plan["cost"]["rows"][0]["item"]
    assert "planned_monthly" not in str(model.calls[-1].tools)
    # In another conversation, once it is on the record.
    await product.synced()
    await product.services.record_start.measured(product.services.directory.tenant("acme_inc"))  # type: ignore[arg-type]
    found = await compared(product, None)
    assert found["summary"]["plan"]["monthly_usd"] == plan["cost"]["own_total"]
    # Another person of the organisation has no such plan.
    model.steps = [*model.steps, transfer("DeploymentPlanner"), *comparing]
    found = await compared(product, None, **{"X-User-Id": f"{product.user}-other"})
    assert found["summary"]["plan"] is None
    assert "None of your conversations has" in found["summary"]["notes"][0]
    # Nor has one whose conversation was deleted.
    response = await product.call("DELETE", f"/conversations/{planned['conversation_id']}")
    assert response.status_code in (200, 204)
    await product.synced()
    model.steps = [*model.steps, transfer("DeploymentPlanner"), *comparing]
    found = await compared(product, None)
    assert found["summary"]["plan"] is None
