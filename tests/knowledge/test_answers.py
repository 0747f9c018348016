"""Real documents, the real search and the demo model: questions of both organisations, each answered from its own."""

from typing import Any

import pytest

from common.knowledge.paths import documents_path
from common.tenant import UserId, parse_org_slug
from local.data.documents import files, load_documents
from local.data.organizations import API_KEYS, DEMO
from local.demo_model.provider import register
from tests.turn.conftest import Product, Serving, serving

__all__ = ["serving"]

QUESTIONS = [
    ("acme_inc", "Which tags are required?", "tagging-policy.md", "cost-center"),
    ("globex_inc", "Which tags are required?", "tagging-policy.md", "kostenstelle"),
    ("acme_inc", "Who approves a new reservation below 10,000 USD?", "commitment-policy.md", "FinOps lead"),
    ("globex_inc", "Who approves a new reservation?", "commitment-policy.md", "Marta Kowalska"),
    ("acme_inc", "What did we agree in the EDP contract for 2027?", "aws-contract-summary.md", "410,000 USD"),
    ("globex_inc", "What does the runbook say about a runaway GenAI key?", "cloud-runbook.html", "100 EUR a day"),
]


async def asked(product: Product, org: str, question: str) -> dict[str, Any]:
    headers = {"X-Org-Slug": org, "X-API-Key": API_KEYS[org], "X-User-Id": "reader"}
    response = await product.send(question, headers)
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


async def load(product: Product) -> None:
    """Load the demo documents, anew where another test has left one that does not answer."""
    paths = [documents_path(product.services.directory.tenant(parse_org_slug(org))) for org in DEMO]
    for path in paths:
        for each in product.documents.collection(path).stream():
            if (each.to_dict() or {}).get("state") != "ready":
                each.reference.delete()
    assert await load_documents(product.services, DEMO) == ""
    found = [each.to_dict() or {} for path in paths for each in product.documents.collection(path).stream()]
    assert [each for each in found if each["state"] != "ready"] == []


@pytest.mark.parametrize(("org", "question", "document", "said"), QUESTIONS)
async def test_a_question_about_documents_is_answered_from_the_organisations_own(
    serving: Serving, org: str, question: str, document: str, said: str
) -> None:
    register()
    product: Product = await serving(None)
    await load(product)
    body = await asked(product, org, question)
    assert body["agent_name"] == "Librarian"
    tenant = product.services.directory.tenant(parse_org_slug(org))
    near = await product.services.knowledge.search.search(tenant, question, 5, UserId("reader"))
    assert said in body["response"], (body["response"], near)
    assert body["unverified_figures"] == []
    cited = {each["document"] for each in body["citations"]}
    assert document in cited
    assert cited <= {path.name for path in files(org)}
    (other,) = {*DEMO} - {org}
    excerpts = " ".join(each["excerpt"] for each in body["citations"])
    assert DEMO[other].company_name.split()[0] not in excerpts


async def test_spend_against_a_contract_is_one_answer_with_a_figure_and_a_citation(serving: Serving) -> None:
    register()
    product: Product = await serving(None)
    await load(product)
    body = await asked(product, "acme_inc", "Are we over what the AWS contract commits us to this year?")
    assert body["agent_name"] == "CostAnalyst"
    assert "360,000 USD" in body["response"]
    assert body["unverified_figures"] == []
    assert {each["document"] for each in body["citations"]} >= {"aws-contract-summary.md"}


async def test_what_is_deleted_is_in_no_answer(serving: Serving) -> None:
    register()
    product: Product = await serving(None)
    knowledge, tenant = product.services.knowledge, product.services.directory.tenant(parse_org_slug("globex_inc"))
    text = b"# Parking policy\n\n## Who may park\n\nThe parking policy says: only electric vans at gate 7.\n"
    record = await knowledge.ingestion.add(tenant, "parking.md", text, UserId("anna"))
    before = await asked(product, "globex_inc", "What does the parking policy say about vans?")
    assert "parking.md" in {each["document"] for each in before["citations"]}
    await knowledge.store.change(tenant, record, {"state": "deleted"})
    after = await asked(product, "globex_inc", "What does the parking policy say about vans?")
    assert "parking.md" not in {each["document"] for each in after["citations"]}
    assert "electric vans" not in after["response"]
