"""Answers that are given again: to the very same question alone, as long as nothing that they rest on has changed."""

import unicodedata
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from google.cloud import bigquery

from common.knowledge.embedding.choice import ChosenEmbeddings
from common.tenant import Tenant, UserId
from common.turn.answer_cache import _normalised
from local.data.__main__ import emulated_bigquery
from tests.conftest import PROJECT
from tests.fakes.scripted_model import ScriptedModel, Step, call_tool, say
from tests.metering.filed import MIDDAY, rows, serve
from tests.organizations.conftest import Serving
from tests.organizations.organizations import Made
from tests.organizations.serving import Product

HOUR = 3_600
SEARCH = call_tool("search_knowledge", "call_1", query="Which tags are required?")
QUESTION = "Which tags are required?"
ANSWER = "The tag cost-center is required [1]."
POLICY = b"# Tagging policy\n\nEvery resource carries the tag cost-center.\n"
NEAR_PAIRS = [
    ("What did we spend in March 2025?", "What did we spend in April 2025?"),
    ("What did we spend in 2025?", "What did we spend in 2024?"),
    ("Top 5 services by cost", "Top 10 services by cost"),
    ("Spend including tax", "Spend excluding tax"),
    ("Spend per team", "Spend per region"),
    ("What did AWS cost?", "What did Azure cost?"),
    ("Billed cost last month", "Effective cost last month"),
    ("Spend last month", "Spend last week"),
    ("Who approves a reservation?", "Who approves a reservation"),
]


@pytest.fixture(autouse=True)
def _local_embeddings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The organisation's provider answers questions here, and embeds nothing."""

    async def none(self: ChosenEmbeddings, tenant: Tenant) -> None:
        return None

    monkeypatch.setattr(ChosenEmbeddings, "_of_provider", none)


async def cached(serving: Serving, made: Made, *steps: Step, seconds: int | None = HOUR) -> Product:
    """The product with an organisation that keeps answers, and has one document."""
    product = await serve(serving, made, ScriptedModel([say("OK")]))
    assert (await product.put(made, answer_cache_seconds=seconds)).status_code == 200
    await add(product, made, "policy.md", POLICY)
    product.model.calls.clear()
    product.model.steps = steps or (SEARCH, say(ANSWER))
    return product


async def add(product: Product, made: Made, name: str, data: bytes) -> None:
    tenant = product.services.directory.tenant(made.slug)  # type: ignore[arg-type]
    record = await product.services.knowledge.ingestion.add(tenant, name, data, UserId("ada"))
    assert record.state == "ready"


async def ask(product: Product, headers: dict[str, str], message: str = QUESTION, **body: Any) -> dict[str, Any]:
    """Ask with the script at its beginning."""
    product.model.calls.clear()
    response = await product.send(headers, message, **body)
    assert response.status_code == 200, response.text
    answered: dict[str, Any] = response.json()
    return answered


async def test_the_same_question_is_answered_again_without_a_model(serving: Serving, made: Made) -> None:
    product = await cached(serving, made)
    first = await ask(product, made.member)
    assert len(product.model.calls) == 2
    assert "cached_at" not in first
    product.clock.forward(minutes=5)
    second = await ask(product, made.member | {"X-User-Id": "carla"}, f"  {QUESTION.replace(' ', '  ')} ")
    assert product.model.calls == []
    assert second["cached_at"] == MIDDAY.isoformat()
    for name in ("response", "citations", "agent_name", "model_id", "finish", "unverified_figures"):
        assert second[name] == first[name]
    assert second["citations"][0]["document"] == "policy.md"
    assert second["usage"] == {"input_tokens": 0, "output_tokens": 0}
    assert second["conversation_id"] != first["conversation_id"]
    path = f"orgs/{made.slug}/conversations/{second['conversation_id']}/messages/{second['message_id']}"
    stored = product.documents.document(path).get().to_dict() or {}
    assert stored["cached_at"] == MIDDAY.isoformat()
    assert len(rows(product, made, "org_chat_tool_calls")) == 1


async def test_it_is_off_until_it_is_switched_on_and_within_its_bounds(serving: Serving, made: Made) -> None:
    product = await cached(serving, made, seconds=None)
    for _ in range(2):
        assert "cached_at" not in await ask(product, made.member)
    for seconds, status in ((59, 422), (60, 200), (86_400, 200), (86_401, 422), (None, 200)):
        assert (await product.put(made, answer_cache_seconds=seconds)).status_code == status


async def another_day(product: Product, made: Made) -> None:
    product.clock.forward(days=1)
    await product.put(made, answer_cache_seconds=86_400)


async def another_document(product: Product, made: Made) -> None:
    await add(product, made, "more.md", b"# More\n\nThe tag owner is required, too.\n")


async def another_load(product: Product, made: Made) -> None:
    client = emulated_bigquery(product.cloud.environment)
    client.create_dataset(f"{PROJECT}.{made.slug}_prod")
    table = bigquery.Table(
        f"{PROJECT}.{made.slug}_prod.cost_data_standard_1_3", [bigquery.SchemaField("BilledCost", "NUMERIC")]
    )
    client.create_table(table)
    client.close()


async def other_wishes(product: Product, made: Made) -> None:
    assert (await product.put(made, system_prompt_extra="Answer in French.")).status_code == 200


async def another_model(product: Product, made: Made) -> None:
    assert (await product.put(made, model="gpt-4o-mini")).status_code == 200


async def the_end_of_its_time(product: Product, made: Made) -> None:
    product.clock.forward(seconds=HOUR)


CHANGES = [another_document, another_load, other_wishes, another_model, the_end_of_its_time, another_day]


@pytest.mark.parametrize("change", CHANGES, ids=[each.__name__ for each in CHANGES])
async def test_whatever_it_rests_on_it_is_asked_anew_once_that_has_changed(
    serving: Serving, made: Made, change: Callable[[Product, Made], Any]
) -> None:
    product = await cached(serving, made)
    await ask(product, made.member)
    await change(product, made)
    product.model.steps = (SEARCH, say(ANSWER))
    assert "cached_at" not in await ask(product, made.member)
    assert len(product.model.calls) == 2
    assert "cached_at" in await ask(product, made.member)


async def test_near_pairs_and_other_roles_never_share_an_answer(serving: Serving, made: Made) -> None:
    product = await cached(serving, made)
    for pair in NEAR_PAIRS:
        for question in pair:
            assert "cached_at" not in await ask(product, made.member, question), question
    assert "cached_at" not in await ask(product, made.admin, NEAR_PAIRS[0][0])
    assert "cached_at" in await ask(product, made.member, NEAR_PAIRS[0][0])


def test_only_what_nobody_means_is_the_same_question() -> None:
    assert _normalised(" What  did\nwe spend? ") == "What did we spend?"
    assert _normalised(unicodedata.normalize("NFD", "Zürich")) == "Zürich"
    assert _normalised("US spend") != _normalised("us spend")


SCRIPTS: dict[str, tuple[Step, ...]] = {
    "nothing was looked up": (say("Hello."),),
    "rows of shared tables": (call_tool("list_budgets"), say("There is none.")),
    "a call that failed": (SEARCH, call_tool("query_costs", group_by="nothing"), say("It failed.")),
    "a figure that is not verified": (SEARCH, say("It takes 123,456.78 USD [1].")),
}


@pytest.mark.parametrize("script", SCRIPTS)
async def test_what_may_change_at_any_time_or_is_no_answer_is_not_kept(
    serving: Serving, made: Made, script: str
) -> None:
    product = await cached(serving, made, *SCRIPTS[script])
    for _ in range(2):
        assert "cached_at" not in await ask(product, made.member)


async def test_only_the_first_message_of_a_conversation_is_answered_so(serving: Serving, made: Made) -> None:
    product = await cached(serving, made)
    first = await ask(product, made.member)
    again = await ask(product, made.member, conversation_id=first["conversation_id"])
    assert "cached_at" not in again
    message_id = str(uuid.uuid4())
    once, twice = [await ask(product, made.member, message_id=message_id) for _ in range(2)]
    assert once["cached_at"] == twice["cached_at"] == MIDDAY.isoformat()
    assert once["message_id"] == twice["message_id"]
