"""Search by meaning over the emulators, with the local model's real weights."""

from common.knowledge.services import KnowledgeServices
from common.tenant import Tenant, UserId
from tests.knowledge.conftest import a_tenant

ANNA = UserId("anna")
TAGGING = b"""# Tagging policy

## Required tags
Every resource carries the tags cost-center, owner and environment. Untagged resources are stopped after 14 days.

## Exceptions
The platform team grants exceptions for shared networks.
"""
RUNBOOK = b"""# Runbook

## Reservations
A new reservation is approved by the head of FinOps, above 50,000 dollars also by the CFO.
"""


async def test_a_question_finds_the_passage_that_answers_it(knowledge: KnowledgeServices, tenant: Tenant) -> None:
    for name, data in (("tagging.md", TAGGING), ("runbook.md", RUNBOOK)):
        record = await knowledge.ingestion.add(tenant, name, data, ANNA)
        assert (record.state, record.reason) == ("ready", None)
    best, *_ = await knowledge.search.search(tenant, "who approves a new reservation?", 3, ANNA)
    assert (best.document_name, best.heading) == ("runbook.md", "Runbook > Reservations")
    assert "approved by the head of FinOps" in best.text
    assert 0.3 < best.score <= 1


async def test_no_search_reaches_another_organisations_passages(knowledge: KnowledgeServices, tenant: Tenant) -> None:
    other = a_tenant()
    await knowledge.ingestion.add(other, "tagging.md", TAGGING, ANNA)
    assert await knowledge.search.search(tenant, "Which tags are required?", 5, ANNA) == ()
    await knowledge.ingestion.add(tenant, "runbook.md", RUNBOOK, ANNA)
    assert {
        each.document_name for each in await knowledge.search.search(tenant, "Which tags are required?", 20, ANNA)
    } == {"runbook.md"}
