"""Two organisations with the same bytes, and the same bytes twice: each has its own, and one of it."""

import asyncio
from typing import Any

import pytest

from common.documents import Documents, Neighbour
from common.knowledge import search
from common.knowledge.paths import chunks_path
from common.knowledge.search import KnowledgeSearch
from common.knowledge.store import KnowledgeStore
from common.tenant import OrgSlug, Tenant
from tests.knowledge.conftest import Knowing
from tests.organizations.organizations import Made, Rows

POLICY = b"# Commitments\n\nThe CFO signs every commitment of more than one year.\n\n# Tags\n\nAn owner is required.\n"
QUESTION = "who signs a three year commitment?"


def without_filters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away what a search filters by: its conditions, and whether a passage's version answers."""
    nearest = Documents.nearest

    async def unfiltered(self: Documents, *given: Any, where: Any = (), **named: Any) -> list[Neighbour]:
        return await nearest(self, *given, where=(), **named)

    async def all_of(self: KnowledgeSearch, tenant: Tenant, near: list[Neighbour]) -> list[Any]:
        records = await self.store.read_many(tenant, {each.data["document_id"] for each in near})
        unknown = next(iter(records.values()), None)
        assert unknown is not None or not near
        return [search._passage(unknown, each.data, each.distance) for each in near if unknown is not None]

    monkeypatch.setattr(Documents, "nearest", unfiltered)
    monkeypatch.setattr(KnowledgeSearch, "_answering", all_of)


@pytest.mark.parametrize("filtered", [True, False])
async def test_of_the_same_document_each_organisation_finds_its_own_passages_alone(
    knowing: Knowing, rows: Rows, filtered: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = rows.make(), rows.make()
    entries = [await knowing.upload(made, f"{made.slug}.md", POLICY) for made in (one, other)]
    assert {(each["document_id"], each["state"]) for each in entries} == {(entries[0]["document_id"], "ready")}
    passages = entries[0]["passages"]
    if not filtered:
        without_filters(monkeypatch)
    for made in (one, other):
        found = await knowing.search(made, QUESTION, 20)
        assert len(found) == passages
        assert {each["name"] for each in found} == {f"{made.slug}.md"}
    await knowing.http.delete(f"/documents/{entries[0]['document_id']}", headers=one.admin)
    assert await knowing.search(one, QUESTION, 20) == []
    assert len(await knowing.search(other, QUESTION, 20)) == passages


async def test_the_same_bytes_announced_sent_and_told_twice_at_a_time_are_one_document(
    knowing: Knowing, made: Made
) -> None:
    announced = await asyncio.gather(*(knowing.announce(made, f"{name}.md", POLICY) for name in ("a", "b")))
    assert {each.status_code for each in announced} <= {200, 201, 409}
    entries = [each.json() for each in announced if each.status_code != 409]
    assert len({each["document_id"] for each in entries}) == 1
    document_id = entries[0]["document_id"]
    sent = await asyncio.gather(*(knowing.put(each, POLICY) for each in entries), return_exceptions=True)
    assert None in sent
    path = f"orgs/{made.slug}/documents/{document_id}"
    event = {
        "ce-type": "google.cloud.storage.object.v1.finalized", "ce-subject": f"objects/{path}",
        "ce-source": f"//storage.googleapis.com/projects/_/buckets/{knowing.services.settings.documents_bucket_name}",
    }  # fmt: skip
    told = await asyncio.gather(*(knowing.ingest.post("/", headers=event, json={}) for _ in range(3)))
    assert {each.json()["state"] for each in told} <= {"processing", "ready"}
    assert (await knowing.settled(made, document_id))["state"] == "ready"
    again = await knowing.ingest.post("/", headers=event, json={})
    assert again.json() == {"state": "ready"}

    tenant = knowing.services.directory.tenant(OrgSlug(made.slug))
    record = await KnowledgeStore(knowing.services.documents).read(tenant, document_id)
    assert record is not None
    left = await knowing.services.documents.query(chunks_path(tenant), limit=100)
    assert [each.data["version"] for each in left] == [record.version] * record.passages
    assert len(await knowing.search(made, QUESTION, 20)) == record.passages
    listed = (await knowing.http.get("/documents", headers=made.member)).json()["documents"]
    assert [each["document_id"] for each in listed] == [document_id]
