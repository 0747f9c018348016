"""From the outbox to the record: once, whatever goes wrong, and visibly where it cannot be."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from common import limits
from common.errors import DocumentsUnavailable
from common.record import outbox_queue, sync, sync_lease
from common.tenant import OrgSlug
from common.transcript.paths import SYNC_LEASE
from tests.conversations.conftest import Product, Row, Serving, delays, until
from tests.fakes.scripted_model import ScriptedModel, call_tool, say

TOOL_ANSWER = [call_tool("query_costs", group_by="provider"), say("Here it is.")]
TABLES = {"org_chat_conversations": 1, "org_chat_messages": 2, "org_chat_tool_calls": 1}


def counts(product: Product, conversation_id: str) -> dict[str, int]:
    return {table: len(product.record(table, conversation_id)) for table in TABLES}


async def conversation(product: Product, question: str = "question") -> str:
    conversation_id: str = (await product.send(question))["conversation_id"]
    return conversation_id


async def test_a_turn_is_on_the_record_whole_and_once(serving: Serving) -> None:
    product = await serving(ScriptedModel(TOOL_ANSWER))
    conversation_id = await conversation(product)
    entries = product.outbox(conversation_id)
    await product.synced()
    assert product.outbox(conversation_id) == {}
    assert counts(product, conversation_id) == TABLES
    for entry in entries.values():
        key = {"org_chat_messages": "message_id", "org_chat_tool_calls": "tool_call_id"}.get(entry["table"])
        rows = product.record(entry["table"], conversation_id)
        (row,) = [row for row in rows if key is None or row[key] == entry["row"][key]]
        said = {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in row.items()}
        assert said == entry["row"]
    await product.synced()
    assert counts(product, conversation_id) == TABLES


async def test_the_largest_rows_are_written_like_any_other(serving: Serving) -> None:
    # Six characters of JSON each: no text takes more of a statement.
    product = await serving(ScriptedModel([say("\x02" * 400_000)]))
    conversation_id = (await product.send("\x01" * limits.MAX_MESSAGE_CHARS))["conversation_id"]
    for _ in range(4):
        await product.send("\x01" * limits.MAX_MESSAGE_CHARS, conversation_id=conversation_id)
    await product.synced()
    assert product.outbox(conversation_id) == {}
    written = product.record("org_chat_messages", conversation_id)
    assert [len(row["content"]) for row in written] == [limits.MAX_MESSAGE_CHARS, 400_001] * 5


async def test_documents_may_expire_only_after_the_record_has_them(product: Product) -> None:
    conversation_id = await conversation(product)
    assert product.reference(conversation_id).get().to_dict()["expire_at"] is None
    assert {message["expire_at"] for message in product.stored(conversation_id)} == {None}
    await product.synced()
    later = product.clock.now + timedelta(days=limits.HOT_DAYS)
    assert product.reference(conversation_id).get().to_dict()["expire_at"] == later
    assert {message["expire_at"] for message in product.stored(conversation_id)} == {later}
    await product.send("more", conversation_id=conversation_id)
    assert product.reference(conversation_id).get().to_dict()["expire_at"] is None


async def test_two_syncs_at_the_same_time_write_everything_once(product: Product) -> None:
    ids = [await conversation(product) for _ in range(5)]
    reports = await asyncio.gather(*(product.sync() for _ in range(4)))
    assert sorted(report["status"] for report in reports) == ["busy", "busy", "busy", "ok"]
    for conversation_id in ids:
        assert counts(product, conversation_id) == TABLES | {"org_chat_tool_calls": 0}


async def test_merging_the_same_rows_at_the_same_time_writes_them_once(product: Product) -> None:
    conversation_id = await conversation(product)
    entries = product.outbox(conversation_id)
    await product.synced()
    writer = product.services.sync._writer
    changed = []
    for entry in entries.values():
        changed += await asyncio.gather(
            *(writer.merge(entry["table"], [(OrgSlug("acme_inc"), entry["row"])]) for _ in range(3))
        )
    assert sum(changed) == 0
    assert counts(product, conversation_id) == TABLES | {"org_chat_tool_calls": 0}


@pytest.mark.parametrize("lease", [{"holder": "gone"}, {"expires_at": datetime(2026, 1, 1, tzinfo=UTC)}])
async def test_a_sync_that_died_holds_the_next_one_up_only_for_its_lease(
    product: Product, monkeypatch: pytest.MonkeyPatch, lease: Row
) -> None:
    conversation_id = await conversation(product)
    product.documents.document(SYNC_LEASE).set(lease)
    product.firestore.reset()
    assert await product.sync() == {"status": "busy"}
    assert product.firestore.calls() == {"BatchGetDocuments": 1}
    assert counts(product, conversation_id)["org_chat_messages"] == 0
    # Firestore's time tells how old it is, whatever the instance's clock says.
    product.clock.forward(seconds=sync_lease.SYNC_LEASE_SECONDS)
    assert await product.sync() == {"status": "busy"}
    monkeypatch.setattr(sync_lease, "SYNC_LEASE_SECONDS", 0)
    assert (await product.sync())["status"] == "ok"
    assert counts(product, conversation_id)["org_chat_messages"] == 2


async def test_what_changes_while_bigquery_is_slow_is_not_lost(product: Product) -> None:
    conversation_id = await conversation(product)
    delays(product.cloud, query=0.4)
    before = delays(product.cloud)["counts"].get("query", 0)
    syncing = asyncio.create_task(product.sync())
    await asyncio.to_thread(lambda: asyncio.run(until(lambda: delays(product.cloud)["counts"]["query"] > before)))
    await product.call("PATCH", f"/conversations/{conversation_id}/rename", json={"title": "meanwhile"})
    await syncing
    delays(product.cloud, query=0)
    document = product.reference(conversation_id).get().to_dict()
    await product.synced()
    (row,) = product.record("org_chat_conversations", conversation_id)
    assert (row["title"], document["title"]) == ("meanwhile", "meanwhile")
    assert product.outbox(conversation_id) == {}


async def test_an_older_state_that_arrives_late_does_not_undo_a_newer_one(product: Product) -> None:
    conversation_id = await conversation(product)
    name, old = next(
        (name, entry)
        for name, entry in product.outbox(conversation_id).items()
        if entry["table"] == "org_chat_conversations"
    )
    await product.call("DELETE", f"/conversations/{conversation_id}")
    await product.synced()
    product.documents.document(f"outbox/{name}").set(old)
    await product.synced()
    assert product.record("org_chat_conversations", conversation_id)[0]["status"] == "deleted"


async def test_bigquery_being_down_keeps_everything_until_it_is_back(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    product = await serving()
    ids = [await conversation(product) for _ in range(3)]
    down = await serving(bigquery_emulator_host="http://127.0.0.1:9")
    report = await down.sync()
    assert (report["status"], report["written"]) == ("warehouse_unavailable", 0)
    assert '"message": "sync.stopped"' in down.logs.getvalue()
    for conversation_id in ids:
        entries = product.outbox(conversation_id)
        assert len(entries) == 4
        assert {entry["attempts"] for entry in entries.values()} == {0}
    back = await serving()
    # A statement that was not answered might still be running: until it must have ended, nobody writes.
    assert (await back.sync())["status"] == "busy"
    monkeypatch.setattr(sync_lease, "SYNC_LEASE_SECONDS", 0)
    await back.synced()
    for conversation_id in ids:
        assert counts(product, conversation_id)["org_chat_messages"] == 2


async def test_rows_that_bigquery_rejects_stay_and_block_nobody(product: Product) -> None:
    conversation_id = await conversation(product)
    for index in range(24):
        await product.send(f"question {index}", conversation_id=conversation_id)
    messages = {name: entry for name, entry in product.outbox(conversation_id).items() if "messages" in name}
    assert len(messages) == 50
    name, poisoned = list(messages.items())[17]
    product.documents.document(f"outbox/{name}").update({"row.content": None})
    report = await product.sync()
    assert (report["status"], report["rejected"]) == ("ok", 1)
    assert counts(product, conversation_id)["org_chat_messages"] == 49
    (entry,) = product.outbox(conversation_id).values()
    assert (entry["attempts"], entry["error_class"]) == (1, "query_failed")
    # Entries are looked for early by as much as clocks may differ.
    wait = timedelta(seconds=sync.SYNC_FIRST_RETRY_SECONDS + outbox_queue.CLOCK_SKEW_SECONDS)
    assert entry["next_try_at"] == product.clock.now + wait
    logged = [json.loads(line) for line in product.logs.getvalue().splitlines()]
    (error,) = [line for line in logged if line["message"] == "sync.rejected"]
    assert (error["severity"], error["stage"], error["error_class"]) == ("ERROR", "org_chat_messages", "query_failed")
    assert (await ready(product))["rejected"] >= 1
    assert (await product.sync())["rejected"] == 0
    product.clock.forward(seconds=sync.SYNC_FIRST_RETRY_SECONDS)
    assert (await product.sync())["rejected"] == 1
    product.documents.document(f"outbox/{name}").update({"row.content": poisoned["row"]["content"]})
    product.clock.forward(seconds=limits.SYNC_LAST_RETRY_SECONDS)
    await product.synced()
    assert counts(product, conversation_id)["org_chat_messages"] == 50
    assert (await ready(product))["status"] == "ok"


@pytest.mark.parametrize(
    ("method", "call"),
    [("BatchGetDocuments", 1), ("Commit", 1), ("RunQuery", 1), ("Commit", 2), ("Commit", 5), ("RunQuery", 2)],
)
async def test_a_failure_of_firestore_ends_the_round_and_the_next_one_goes_on(
    product: Product, monkeypatch: pytest.MonkeyPatch, method: str, call: int
) -> None:
    await product.synced()
    conversation_ids = [await conversation(product) for _ in range(2)]
    monkeypatch.setattr(sync, "SYNC_BATCH_ROWS", 1)
    product.firestore.reset()
    product.firestore.fail(method, "DATA_LOSS", after=call - 1)
    report = await product.sync()
    logged = [json.loads(line) for line in product.logs.getvalue().splitlines()]
    stops = [line["code"] for line in logged if line["message"] == "sync.stopped"]
    assert (report["status"], stops) == ("session_store_unavailable", ["session_store_unavailable"])
    product.firestore.reset()
    assert (await product.sync())["status"] == "ok"
    for conversation_id in conversation_ids:
        assert counts(product, conversation_id)["org_chat_messages"] == 2
        assert product.outbox(conversation_id) == {}


async def test_a_lease_that_was_taken_without_a_reply_is_given_back(product: Product) -> None:
    await conversation(product)
    commit = product.services.documents.commit
    lost: list[Any] = []

    async def lose_the_first_reply(writes):  # type: ignore[no-untyped-def]
        updated = await commit(writes)
        if not lost:
            lost.append(writes)
            raise DocumentsUnavailable
        return updated

    product.services.documents.commit = lose_the_first_reply  # type: ignore[method-assign]
    assert (await product.sync())["status"] == "session_store_unavailable"
    assert lost[0][0].path == SYNC_LEASE
    assert (await product.sync())["status"] == "ok"


@pytest.mark.parametrize(
    "missing",
    [["next_try_at"], ["shard"], ["expires"], ["attempts", "error_class"], ["next_try_at", "row_id", "created_at"]],
)
async def test_entries_of_an_older_shape_are_written_all_the_same(product: Product, missing: list[str]) -> None:
    conversation_id = await conversation(product)
    for name, entry in product.outbox(conversation_id).items():
        older = {field: value for field, value in entry.items() if field not in missing}
        product.documents.document(f"outbox/{name}").set(older)
    report = await product.sync()
    assert (report["status"], report["rejected"]) == ("ok", 0)
    assert product.outbox(conversation_id) == {}
    assert counts(product, conversation_id)["org_chat_messages"] == 2
    assert all(message["expire_at"] is not None for message in product.stored(conversation_id))


@pytest.mark.parametrize("broken", [{"table": "org_chat_of_tomorrow"}, {"row": "text"}, {"row": {}}, {"attempts": "1"}])
@pytest.mark.parametrize("dated", [True, False])
async def test_an_entry_that_cannot_be_read_is_named_and_holds_up_nobody(
    product: Product, broken: Row, dated: bool
) -> None:
    await product.synced()
    conversation_id = await conversation(product)
    name, entry = next(iter(product.outbox(conversation_id).items()))
    unreadable = entry | broken
    if not dated:
        del unreadable["next_try_at"]
    document = product.documents.document(f"outbox/{name}")
    document.set(unreadable)
    report = await product.sync()
    left = product.outbox(conversation_id)
    if broken == {"attempts": "1"}:
        assert (left, report["rejected"]) == ({}, 0)
        return
    assert list(left) == [name]
    assert (left[name]["attempts"], left[name]["error_class"]) == (1, "unreadable")
    logged = [json.loads(line) for line in product.logs.getvalue().splitlines()]
    assert [line["message_id"] for line in logged if line["message"] == "sync.rejected"] == [name]
    assert (await ready(product))["rejected"] == 1
    assert (await product.sync())["status"] == "ok"
    document.delete()


async def ready(product: Product) -> Row:
    product.services.readiness._until = 0.0
    body = (await product.http.get("/health/ready")).json()
    assert body["status"] == "ok"
    outbox: Row = body["checks"]["outbox"]
    return outbox


async def test_readiness_tells_how_old_the_outbox_is(product: Product) -> None:
    await product.synced()
    state = await ready(product)
    assert (state["status"], state["oldest_seconds"], state["rejected"]) == ("ok", 0, 0)
    await conversation(product)
    product.clock.forward(seconds=limits.OUTBOX_OLD_SECONDS + 60)
    state = await ready(product)
    assert state["status"] == "behind"
    assert state["oldest_seconds"] >= limits.OUTBOX_OLD_SECONDS
    await product.synced()


async def test_a_call_does_a_bounded_part_and_says_what_remains(
    product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    await product.synced()
    for _ in range(4):
        await conversation(product)
    monkeypatch.setattr(limits, "SYNC_READ", 5)
    monkeypatch.setattr(sync, "SYNC_SECONDS", 0.0)
    assert (await product.sync())["remaining"] == 16
    monkeypatch.setattr(sync, "SYNC_SECONDS", 40.0)
    monkeypatch.setattr(sync, "SYNC_BATCH_ROWS", 1)
    assert (await product.sync())["remaining"] == 0


@pytest.mark.parametrize("late", [timedelta(seconds=30), timedelta(hours=2)])
async def test_an_entry_that_shows_after_younger_ones_were_written_is_found(product: Product, late: timedelta) -> None:
    await product.synced()
    conversation_id = await conversation(product)
    name, entry = next(iter(product.outbox(conversation_id).items()))
    await product.synced()
    # As a commit does that took long, or an instance whose clock is behind.
    shown = entry | {"next_try_at": entry["next_try_at"] - late}
    product.documents.document(f"outbox/{name}").set(shown)
    if late > timedelta(minutes=5):
        # So late that only a reading from the beginning finds it, which comes once an hour.
        product.clock.forward(hours=1, seconds=1)
    await product.synced()
    assert product.outbox(conversation_id) == {}


async def test_what_was_deleted_long_enough_ago_is_purged_everywhere(serving: Serving) -> None:
    product = await serving(ScriptedModel([*TOOL_ANSWER, *TOOL_ANSWER]), retention_deleted_days=30)
    kept, gone = await conversation(product), await conversation(product)
    await product.synced()
    await product.call("DELETE", f"/conversations/{gone}")
    await product.synced()
    product.clock.forward(days=29)
    assert (await product.sync())["purged"] == 0
    assert counts(product, gone)["org_chat_messages"] == 2
    product.clock.forward(days=1, seconds=1)
    assert (await product.sync())["purged"] >= 1
    assert set(counts(product, gone).values()) == {0}
    assert product.stored(gone) == []
    assert not product.reference(gone).get().exists
    assert counts(product, kept)["org_chat_messages"] == 2
    assert (await product.sync())["purged"] == 0


async def test_a_purge_takes_what_the_record_rejected_with_it(serving: Serving) -> None:
    product = await serving(retention_deleted_days=0)
    conversation_id = await conversation(product)
    name = next(name for name in product.outbox(conversation_id) if "messages" in name)
    product.documents.document(f"outbox/{name}").update({"row.content": None})
    await product.sync()
    await product.call("DELETE", f"/conversations/{conversation_id}")
    product.clock.forward(seconds=1)
    await product.sync()
    assert product.outbox(conversation_id) == {}
    assert set(counts(product, conversation_id).values()) == {0}


async def test_a_purge_that_stopped_half_way_is_done_again(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    product = await serving()
    conversation_id = await conversation(product)
    await product.call("DELETE", f"/conversations/{conversation_id}")
    await product.synced()
    down = await serving(retention_deleted_days=0, bigquery_emulator_host="http://127.0.0.1:9")
    down.clock.forward(seconds=1)
    report = await down.sync()
    assert report["status"] == "warehouse_unavailable"
    assert product.reference(conversation_id).get().exists
    back = await serving(retention_deleted_days=0)
    back.clock.forward(seconds=2)
    monkeypatch.setattr(sync_lease, "SYNC_LEASE_SECONDS", 0)
    await back.sync()
    assert set(counts(product, conversation_id).values()) == {0}
    assert not product.reference(conversation_id).get().exists


async def test_an_organisation_may_keep_idle_conversations_for_so_long_only(serving: Serving) -> None:
    product = await serving(retention_days=90)
    # Of the other tests' organisation nothing is due.
    product.documents.document("synced_orgs/acme_inc").set(
        {"org_slug": "acme_inc", "checked_at": product.clock.now + timedelta(days=365)}
    )
    headers = product.headers() | {"X-Org-Slug": "globex_inc", "X-API-Key": "demo-globex-key"}
    path = "/api/v1/chat/globex_inc"

    async def opened() -> str:
        response = await product.http.post(f"{path}/send", json={"message": "question"}, headers=headers)
        conversation_id: str = response.json()["conversation_id"]
        return conversation_id

    idle, cold = await opened(), await opened()
    await product.synced()
    stored = product.documents.collection("orgs/globex_inc/conversations")
    stored.document(cold).delete()
    product.clock.forward(days=91)
    spoken = await opened()
    await product.synced()
    while (await product.sync())["purged"]:
        pass
    for conversation_id in (idle, cold):
        assert set(counts(product, conversation_id).values()) == {0}
        assert not stored.document(conversation_id).get().exists
    assert counts(product, spoken)["org_chat_messages"] == 2
    listed = (await product.http.get(f"{path}/conversations", headers=headers)).json()["conversations"]
    assert [one["conversation_id"] for one in listed] == [spoken]
    product.documents.document("synced_orgs/acme_inc").delete()
