"""A skill from one folder is asked over every door, with no other file of the product touched."""

from pathlib import Path

import httpx

from common.skills.loading import load_skills
from tests.clients.conftest import Product, Serving
from tests.clients.test_mcp import connected
from tests.fakes.made_up_skill import make_skill
from tests.fakes.scripted_model import ScriptedModel, call_tool, say, transfer


async def test_a_made_up_skill_answers_over_send(serving: Serving, tmp_path: Path) -> None:
    model = ScriptedModel([transfer("Counter"), call_tool("count_charges"), say("Counted.")])
    product: Product = await serving(model, skills=load_skills(make_skill(tmp_path)))
    async with httpx.AsyncClient(timeout=120) as http:
        response = await http.post(product.address("send"), json={"message": "How many?"}, headers=product.headers())
    answer = response.json()
    assert (answer["response"], answer["agent_name"]) == ("Counted. ", "Counter")
    (stored,) = [each for each in product.messages(answer["conversation_id"]) if each["role"] == "assistant"]
    assert '"chart":' in stored["tool_results_json"]
    assert "You are Counter." in model.calls[1].messages[0]["content"]


async def test_a_made_up_skill_answers_over_mcp(serving: Serving, tmp_path: Path) -> None:
    product: Product = await serving(skills=load_skills(make_skill(tmp_path)))
    async with connected(product) as client:
        listed = [each.name for each in (await client.list_tools()).tools]
        answer = await client.call_tool("count_charges", {"at_least": 1})
    assert "count_charges" in listed
    assert answer.structured_content is not None
    assert answer.structured_content["row_count"] == 5
