"""Several announce, delete and clear the same bytes at a time; and the measure of documents that stay behind."""

import asyncio
import hashlib
import io
import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from common import limits
from common.documents import Delete, Put
from common.errors import EmbeddingUnavailable
from common.knowledge.ingestion import CLAIM
from common.knowledge.overdue import OverdueDocuments
from common.knowledge.paths import chunks_path, document_path, due_path, file_path
from common.knowledge.services import KnowledgeServices
from common.knowledge.store import KnowledgeStore
from common.knowledge.uploads import Announced
from common.telemetry.log import Log
from common.tenant import OrgSlug, Principal, Tenant, UserId
from tests.knowledge.conftest import Knowing, a_tenant
from tests.knowledge.test_killed import DOCUMENT, SHA256, TEXT, Bench, Life, events_taken, parsed_once, read
from tests.knowledge.test_spaces import NEW, OLD, Letters, Two
from tests.organizations.organizations import Made

__all__ = ["events_taken", "parsed_once"]
UNREADABLE = "0" * 32
POLICY = b"# Commitments\n\nThe CFO signs every commitment of more than one year.\n"
ANNOUNCED = Announced("rules.txt", "text/plain", len(TEXT), SHA256)


def anna(tenant: Tenant) -> Principal:
    return Principal(tenant, UserId("anna"), "operator")


@pytest.mark.parametrize("before", ["nothing", "waiting", "deleted", "failed"])
async def test_whoever_announces_the_same_bytes_at_a_time_gets_the_one_document(
    knowing: Knowing, made: Made, before: str
) -> None:
    data = POLICY if before != "failed" else b"%PDF-1.7 no more of it"
    tenant, store = knowing.services.directory.tenant(OrgSlug(made.slug)), knowing.services.knowledge.store
    document_id = hashlib.sha256(data).hexdigest()[:32]
    if before in ("waiting", "deleted"):
        await knowing.announce(made, "policy.md", data)
    if before == "deleted":
        record = await store.read(tenant, document_id)
        assert record is not None
        await store.change(tenant, record, {"state": "deleted"})
    if before == "failed":
        await knowing.services.knowledge.ingestion.add(tenant, "broken.pdf", data, UserId("anna"))
    answers = await asyncio.gather(*(knowing.announce(made, f"policy-{n % 2}.md", data) for n in range(6)))
    assert {each.status_code for each in answers} == {201}, [each.text for each in answers]
    assert {each.json()["document_id"] for each in answers} == {document_id}
    assert {each.json()["state"] for each in answers} == {"waiting"}
    sent = await asyncio.gather(*(knowing.put(each.json(), data) for each in answers), return_exceptions=True)
    assert sent.count(None) >= 1


async def test_of_documents_announced_at_a_time_none_passes_the_limit(
    knowing: Knowing, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await knowing.announce(made, "first.md", POLICY)).status_code == 201
    monkeypatch.setattr(limits, "MAX_DOCUMENTS", 4)
    answers = await asyncio.gather(*(knowing.announce(made, f"{n}.md", POLICY + b"%d" % n) for n in range(8)))
    assert sorted(each.status_code for each in answers) == [201] * 3 + [409] * 5
    assert {each.json()["code"] for each in answers if each.status_code == 409} == {"knowledge_full"}
    # What is there already needs no room.
    assert (await knowing.announce(made, "first.md", POLICY)).status_code == 201
    await knowing.http.delete(f"/documents/{hashlib.sha256(POLICY).hexdigest()[:32]}", headers=made.admin)
    assert (await knowing.announce(made, "new.md", POLICY + b"new")).status_code == 201


async def test_an_event_of_no_document_deletes_no_file_that_is_announced_anew(knowledge: KnowledgeServices) -> None:
    """At each request that follows the event, another process announces the same bytes, and they are sent."""
    for number in range(9):
        bench = Bench(knowledge, Two(Letters(OLD), Letters(NEW)), a_tenant())
        told: list[str] = []

        async def announce(bench: Bench = bench, told: list[str] = told) -> None:
            begun, _ = await bench.workers().uploads.begin(anna(bench.tenant), ANNOUNCED)
            told.append(begun.state)
            blob = knowledge.files._bucket.blob(file_path(bench.tenant, DOCUMENT))
            await asyncio.to_thread(blob.upload_from_string, TEXT)

        await read(bench.workers(Life(disturbed_at=number, disturb=announce)), bench.tenant)
        if not told:
            assert number > 1
            return
        assert await knowledge.files.find(file_path(bench.tenant, DOCUMENT)) is not None, number
    raise AssertionError("the handling of an event does not come to an end")


@pytest.mark.parametrize("sent", [False, True])
async def test_what_is_announced_while_its_deletion_is_cleared_is_kept(
    knowledge: KnowledgeServices, sent: bool
) -> None:
    """At each request of a clearing, the same bytes are announced anew by another process, and sent and read."""
    probe, life = await Bench.made(knowledge), Life()
    await read(probe.workers(), probe.tenant)
    await probe.workers(life).uploads.delete(probe.tenant, DOCUMENT)
    for number in range(len(life.asked)):
        bench = await Bench.made(knowledge)
        await read(bench.workers(), bench.tenant)
        record = await knowledge.store.read(bench.tenant, DOCUMENT)
        assert record is not None
        gone: dict[str, Any] = {"state": "deleted", "version": "", "space": None, "staged": ""}
        await knowledge.store.change(bench.tenant, record, gone, knowledge.clock())
        told: list[str] = []

        async def announce(bench: Bench = bench, told: list[str] = told) -> None:
            begun, upload = await bench.workers().uploads.begin(anna(bench.tenant), ANNOUNCED)
            told.append(begun.state)
            if sent and upload is not None:
                blob = knowledge.files._bucket.blob(file_path(bench.tenant, DOCUMENT))
                await asyncio.to_thread(blob.upload_from_string, TEXT)
                await read(bench.workers(), bench.tenant)

        clearing = Life(disturbed_at=number, disturb=announce)
        await bench.workers(clearing).uploads.clear(bench.tenant, DOCUMENT)
        if not told:
            return  # the clearing makes fewer requests than the deletion
        found = await knowledge.store.read(bench.tenant, DOCUMENT)
        assert found is not None, (number, clearing.asked)
        if sent:
            await bench.check_one_version()
            assert await knowledge.files.find(file_path(bench.tenant, DOCUMENT)) is not None
        else:
            assert found.state == "waiting"
            assert await knowledge.documents.query(chunks_path(bench.tenant), limit=9) == []


class Away(Letters):
    """Its provider does not answer."""

    async def embed(self, *given: Any) -> Any:
        raise EmbeddingUnavailable


async def test_readiness_counts_documents_that_arrived_and_are_not_read(knowledge: KnowledgeServices) -> None:
    begun = knowledge.clock()
    seconds, alone = limits.DOCUMENT_OVERDUE_SECONDS, 20 * 60 + CLAIM.total_seconds() + limits.DOCUMENT_ALONE_SECONDS

    async def measured(later: float) -> dict[str, Any]:
        return await OverdueDocuments(knowledge.documents, lambda: begun + timedelta(seconds=later)).measure()

    # Of other tests.
    early, late, left = [await measured(later) for later in (seconds - 600, seconds + 600, alone + 600)]
    bench = await Bench.made(knowledge)
    # One that waits for its bytes is nobody's fault.
    assert (await measured(seconds + 600))["overdue"] == late["overdue"]
    bench.two.old = Away(OLD)
    for minutes in (0, 20):
        workers = bench.workers(Life(), timedelta(minutes=minutes))
        with pytest.raises(EmbeddingUnavailable):
            await workers.arrivals.finalized(file_path(bench.tenant, DOCUMENT))
    record = await knowledge.store.read(bench.tenant, DOCUMENT)
    assert record is not None
    assert (record.state, record.reason) == ("processing", "embedding_unavailable")
    assert (await measured(seconds - 600))["overdue"] == early["overdue"]
    found = await measured(seconds + 600)
    assert (found["status"], found["overdue"]) == ("overdue", late["overdue"] + 1)
    assert found["oldest_seconds"] >= seconds
    assert (await measured(alone + 600))["unattended"] == left["unattended"] + 1

    bench.two.old = Letters(OLD)
    await bench.workers(Life(), timedelta(minutes=21)).arrivals.finalized(file_path(bench.tenant, DOCUMENT))
    await bench.check_one_version()
    assert (await measured(seconds + 600))["overdue"] == late["overdue"]
    assert (await measured(alone + 600))["unattended"] == left["unattended"]


class OwnStore(KnowledgeStore):
    """Of what is due it sees the documents of the organisation with this one alone: other tests have theirs."""

    async def due(self, now: datetime, limit: int) -> list[tuple[OrgSlug, str]]:
        found = await super().due(now, 10_000)
        own = {org_slug for org_slug, document_id in found if document_id == UNREADABLE}
        return [each for each in found if each[0] in own][:limit]

    async def unchecked(self, before: datetime, limit: int) -> list[OrgSlug]:
        return []


async def test_a_document_that_cannot_be_looked_after_holds_no_other_one_up(knowledge: KnowledgeServices) -> None:
    bench, logs = await Bench.made(knowledge), io.StringIO()
    documents, tenant, early = knowledge.documents, bench.tenant, knowledge.clock() - timedelta(days=9)
    path, note = document_path(tenant, UNREADABLE), due_path(tenant, UNREADABLE)
    due = {"org_slug": tenant.org_slug, "document_id": UNREADABLE, "due_at": early, "since": early}
    await documents.commit([Put(path, {"name": "of another release"}), Put(note, due)])
    await knowledge.store.note_due(tenant, DOCUMENT, early + timedelta(seconds=1))
    arrivals = replace(bench.workers().arrivals, store=OwnStore(documents), log=Log("INFO", logs))
    assert await arrivals.run_due() == {"done": 1, "failed": 1}
    assert (await bench.answers()) != []
    told = json.loads(logs.getvalue())
    assert [told[name] for name in ("message", "message_id", "code", "error_class")] == [
        "document.failed", UNREADABLE, "internal", "TypeError",
    ]  # fmt: skip
    # It is tried again later, and readiness goes on to count it.
    left = (await documents.get_all([note]))[note]
    assert left is not None
    assert (left.data["since"], left.data["due_at"] > knowledge.clock()) == (early, True)
    await documents.commit([Delete(note), Delete(path)])
