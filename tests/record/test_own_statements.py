"""The product's own statements are not held to the gate of tools' queries, and a busy table is no row's fault."""

import json
from typing import Any

import pytest

from common.errors import WarehouseBusy
from common.record.writer import RecordWriter
from common.settings import load_settings
from common.warehouse.client import Warehouse
from common.warehouse.reading import LEAST_BILLED
from tests.conversations.conftest import Product, Serving
from tests.warehouse.conftest import ACME
from tests.warehouse.stub import Answer, Stub, refusal

# Less than any table holds.
GATE = 1


async def test_with_a_gate_below_every_table_a_conversation_is_kept_read_searched_continued_and_purged(
    serving: Serving,
) -> None:
    product = await serving(bq_max_bytes_gate=GATE, retention_deleted_days=0)
    conversation_id = (await product.send("A question about pelicans"))["conversation_id"]
    await product.synced()
    product.forget(conversation_id)
    product.forget_list()
    history = await product.get(f"/conversations/{conversation_id}/messages")
    assert [each["role"] for each in history["messages"]] == ["user", "assistant"]
    assert (await product.call("GET", f"/conversations/{conversation_id}/export")).status_code == 200
    found = await product.get("/messages/search", q="pelicans")
    assert [each["conversation_id"] for each in found["results"]] == [conversation_id]
    product.forget(conversation_id)
    assert (await product.send("And again", conversation_id=conversation_id))["conversation_id"] == conversation_id
    await product.call("DELETE", f"/conversations/{conversation_id}")
    await product.synced()
    product.clock.forward(seconds=1)
    await product.sync()
    assert product.record("org_chat_messages", conversation_id) == []


def changing_at_once(answers: list[Answer], reason: str, message: str) -> Any:
    """A BigQuery whose dry runs pass, and that refuses the statement itself."""

    def respond(method: str, path: str, body: dict[str, Any]) -> Answer:
        if body.get("configuration", {}).get("dryRun"):
            statistics = {"query": {"statementType": "MERGE", "totalBytesProcessed": "1"}}
            reference = {"projectId": "p", "jobId": "j", "location": "US"}
            return 200, {"jobReference": reference, "status": {"state": "DONE"}, "statistics": statistics}
        return answers.pop(0) if answers else refusal(400, reason, message)

    return respond


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        (
            "invalidQuery",
            "Could not serialize access to table p:organizations.org_chat_messages due to concurrent update",
        ),
        ("resourcesExceeded", "Resources exceeded: Too many DML statements outstanding against table, limit is 20."),
    ],
)
async def test_statements_that_change_a_table_at_the_same_time_may_be_sent_again(reason: str, message: str) -> None:
    with Stub(changing_at_once([], reason, message)) as stub:
        settings = load_settings().model_copy(update={"bigquery_emulator_host": stub.url})
        warehouse = Warehouse(settings)
        try:
            with pytest.raises(WarehouseBusy):
                await RecordWriter(warehouse, ACME).purge(ACME, "org_chat_messages", ["c"])
        finally:
            warehouse.close()


async def test_a_busy_table_rejects_no_row_and_the_next_round_writes_it(
    product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation_id = (await product.send())["conversation_id"]

    async def busy(*_: object) -> int:
        raise WarehouseBusy

    with monkeypatch.context() as patch:
        patch.setattr(RecordWriter, "merge", busy)
        report = await product.sync()
    assert (report["written"], report["rejected"]) == (0, 0)
    assert {entry["attempts"] for entry in product.outbox(conversation_id).values()} == {0}
    # The lease was given back: nothing of a busy statement still runs.
    await product.synced()
    assert product.outbox(conversation_id) == {}
    assert len(product.record("org_chat_messages", conversation_id)) == 2


async def test_a_request_says_what_signing_in_and_the_record_were_billed(serving: Serving) -> None:
    product = await serving(cache_ttl_seconds=0)
    conversation_id = (await product.send())["conversation_id"]
    await product.synced()
    product.forget(conversation_id)
    await product.get(f"/conversations/{conversation_id}/messages")
    records = [json.loads(line) for line in product.logs.getvalue().splitlines()]
    asked, synced, read = (
        next(each for each in records if each["message"] == "request.finished" and each["function"] == name)
        for name in ("send", "sync", "messages")
    )
    # Key, profile, settings, credentials, who may call: ten MiB each. Without copies a turn reads them more than once.
    assert read["directory_bytes_billed"] == 5 * LEAST_BILLED
    assert asked["directory_bytes_billed"] % (5 * LEAST_BILLED) == 0
    assert asked["record_bytes_billed"] is None
    assert synced["directory_bytes_billed"] is None
    # Conversations, messages and usage are merged.
    assert synced["record_bytes_billed"] >= 3 * LEAST_BILLED
    assert read["record_bytes_billed"] >= 3 * LEAST_BILLED
