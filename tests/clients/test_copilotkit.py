"""CopilotKit's own runtime in front of the function: a chat over it, as a page would have it."""

from tests.clients.conftest import Node, Product, Serving
from tests.fakes.scripted_model import ScriptedModel, call_tool, say, transfer

QUESTION = [call_tool("query_costs", group_by="provider"), say("Here it is.")]


async def test_a_chat_over_the_runtime_works(serving: Serving, copilotkit: Node) -> None:
    product: Product = await serving(ScriptedModel([*QUESTION, say("Only AWS.")]))
    asked = {"url": product.address("copilotkit"), "headers": product.headers(), "questions": ["Spend?", "only AWS?"]}
    seen = await copilotkit.run("chat.mjs", asked)
    assert "default" in seen["info"]["agents"]
    assert [step["error"] for step in seen["steps"]] == [None, None]
    assert [step["events"][-1]["type"] for step in seen["steps"]] == ["RUN_FINISHED", "RUN_FINISHED"]
    assert [message["content"] for message in product.messages(seen["threadId"])] == [
        "Spend?", "Here it is. ", "only AWS?", "Only AWS. ",
    ]  # fmt: skip
    assert seen["messages"][-1]["content"] == "Only AWS. "
    assert seen["steps"][1]["state"]["agent_name"] == "CostAnalyst"


async def test_a_change_over_the_runtime_waits_for_a_yes(serving: Serving, copilotkit: Node) -> None:
    alert = call_tool("create_alert", name="Too much", threshold=100, currency="USD")
    product: Product = await serving(ScriptedModel([transfer("AlertManager"), alert, say("It is set up.")]))
    asked = {"url": product.address("copilotkit"), "headers": product.headers(), "questions": ["Watch it", "yes"]}
    seen = await copilotkit.run("chat.mjs", asked)
    assert [step["error"] for step in seen["steps"]] == [None, None]
    assert "waits for your yes" in str(seen["messages"][1]["content"])
    assert seen["messages"][-1]["content"] == "It is set up. "
    conversation_id = seen["steps"][0]["state"]["conversation_id"]
    rows = [row for row in product.audited() if row["conversation_id"] == conversation_id]
    assert [row["status"] for row in rows] == ["success"]


async def test_a_page_cannot_speak_as_somebody_else_through_the_runtime(serving: Serving, copilotkit: Node) -> None:
    product: Product = await serving(ScriptedModel([say("one")]))
    page = {"X-User-Id": "evil-admin", "X-Org-Slug": "globex_inc", "X-API-Key": "demo-globex-key"}
    asked = {"url": product.address("copilotkit"), "headers": product.headers(), "page": page, "questions": ["hi"]}
    seen = await copilotkit.run("chat.mjs", asked)
    assert seen["steps"][0]["error"] is None
    assert product.conversation(seen["threadId"])["user_id"] == "u1"
