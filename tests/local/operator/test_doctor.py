"""``python -m local doctor``: each planted fault is found, named, and answered with what to do."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.api_core import exceptions as google
from google.cloud import bigquery, firestore_admin_v1
from google.cloud.firestore_admin_v1.services.firestore_admin import FirestoreAdminAsyncClient
from google.cloud.firestore_admin_v1.services.firestore_admin.transports import FirestoreAdminGrpcAsyncIOTransport

from common.app import Services
from common.documents import Delete, DocumentConflict, Documents, Put
from common.settings import load_settings
from common.transcript.paths import OUTBOX
from local.diagnosis import stores
from local.diagnosis.rights import FUNCTIONS, OPERATOR, Rights
from tests.api.test_command_line import FOCUS
from tests.conftest import PROJECT
from tests.local.operator.conftest import Tenant, Terminal
from tests.test_facts import block

ROOT = Path(__file__).parents[3]
DATASET = "examined"


@pytest.fixture(autouse=True)
def _dataset(terminal: Terminal) -> None:
    """A shared dataset of its own, so that what is broken here is whole elsewhere."""
    terminal.patch.setenv("ORGANIZATIONS_DATASET", DATASET)


@pytest.fixture(autouse=True)
async def _nothing_rejected(services: Services) -> None:
    for document in await services.documents.query(OUTBOX, limit=500):
        await services.documents.commit([Delete(document.path)])


@pytest.fixture
def founded(terminal: Terminal, warehouse: bigquery.Client, tmp_path: Path) -> Iterator[Tenant]:
    """An organisation with all that a question needs, in a shared dataset that is whole."""
    bill = tmp_path / "bill.csv"
    bill.write_text(FOCUS, encoding="utf-8")
    org = ("--org", "examined_inc")
    model = ("--provider", "demo", "--model", "analyst-1", "--key-stdin")
    assert terminal.run("org", "create", *org, "--name", "Examined", "--email", "a@b.example") == 0, terminal.errors
    assert terminal.run("focus", "load", str(bill), *org) == 0, terminal.errors
    assert terminal.run("settings", "set", *org, *model, typed="sk-of-nobody-0123456789\n") == 0, terminal.errors
    assert terminal.run("key", "create", *org, "--name", "web") == 0, terminal.errors
    yield Tenant("examined_inc", terminal.out.strip(), "")
    warehouse.delete_dataset(DATASET, delete_contents=True, not_found_ok=True)
    warehouse.delete_dataset("examined_inc_prod", delete_contents=True, not_found_ok=True)


def examine(terminal: Terminal, *arguments: str) -> tuple[int, list[dict[str, str]]]:
    """The exit code and the faults."""
    code = terminal.run("doctor", "--json", *arguments)
    found = [json.loads(line) for line in terminal.out.splitlines()]
    return code, [each for each in found if each["state"] == "fault"]


def test_a_project_that_is_whole_has_no_fault(terminal: Terminal, founded: Tenant) -> None:
    assert terminal.run("doctor", "--org", founded.slug) == 0, terminal.out
    lines = terminal.out.splitlines()
    assert lines[-1] == "Nothing is wrong."
    for said in (
        "ok      dataset examined: 18 tables",
        "ok      dataset catalog: 4 tables",
        "ok      dataset examined_inc_prod: 3 tables",
        "ok      BigQuery rights",
        "ok      Firestore: written, read and deleted",
        "ok      Firestore indexes",
        "ok      KMS: encrypted and decrypted",
        "ok      record",
        "ok      examined_inc: active keys, demo/analyst-1, 3 rows of costs",
    ):
        assert any(line.startswith(said) for line in lines), (said, lines)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_what_each_function_does_can_be_tried(terminal: Terminal, founded: Tenant, function: str) -> None:
    assert examine(terminal, "--org", founded.slug, "--function", function) == (0, [])


def test_an_empty_project_is_told_what_makes_it(terminal: Terminal) -> None:
    code, faults = examine(terminal, "--org", "examined_inc")
    assert code == 1
    assert {"dataset examined", "dataset examined_inc_prod"} <= {each["subject"] for each in faults}
    assert "terraform apply makes it" in {each["remedy"] for each in faults}


def test_a_table_that_differs_is_named_by_its_columns(
    terminal: Terminal, warehouse: bigquery.Client, founded: Tenant
) -> None:
    for name in ("org_budgets", "org_chat_messages", "org_chat_feedback"):
        warehouse.delete_table(f"{DATASET}.{name}")
    kept = bigquery.SchemaField("message_id", "STRING")
    wrong = bigquery.SchemaField("created_at", "STRING")
    warehouse.create_table(bigquery.Table(f"{PROJECT}.{DATASET}.org_chat_messages", schema=[kept, wrong]))
    warehouse.create_table(bigquery.Table(f"{PROJECT}.{DATASET}.org_chat_feedback", schema=[kept]))
    code, faults = examine(terminal)
    assert code == 1
    said = {(each["subject"], each["said"].split(",")[0]) for each in faults}
    assert ("table examined.org_budgets", "it is not there") in said
    assert ("table examined.org_chat_messages", "it lacks conversation_id") in said
    assert ("table examined.org_chat_messages", "created_at is STRING") in said
    assert ("table examined.org_chat_messages", "it is partitioned by nothing") in said
    assert any("tables --add" in each["remedy"] for each in faults)


@pytest.mark.parametrize(
    ("command", "said", "remedy"),
    [
        (("org", "suspend"), "it is SUSPENDED", "org resume"),
        (("key", "revoke", "--id", "ID"), "none of its 1 keys is active", "key create"),
        (("settings", "delete"), "No chat model is set up", "settings set"),
    ],
)
def test_an_organisation_that_cannot_ask_is_told_why(
    terminal: Terminal, founded: Tenant, command: tuple[str, ...], said: str, remedy: str
) -> None:
    assert terminal.run("key", "list", "--org", founded.slug) == 0
    key_id = terminal.out.split("\t")[0]
    assert terminal.run(*(key_id if each == "ID" else each for each in command), "--org", founded.slug) == 0
    code, faults = examine(terminal, "--org", founded.slug)
    assert code == 1
    assert [(each["subject"], said in each["said"], remedy in each["remedy"]) for each in faults] == [
        (founded.slug, True, True)
    ]


def test_an_organisation_without_costs_is_told_so(
    terminal: Terminal, warehouse: bigquery.Client, founded: Tenant
) -> None:
    warehouse.query_and_wait("DELETE FROM examined_inc_prod.cost_data_standard_1_3 WHERE TRUE")
    code, faults = examine(terminal, "--org", founded.slug, "--org", "nobody_inc")
    assert code == 1
    assert {(each["subject"], each["said"]) for each in faults} == {
        (founded.slug, "it has no costs"),
        ("nobody_inc", "there is no such organisation"),
        ("dataset nobody_inc_prod", "it is not there"),
    }


def test_a_key_that_is_not_there_is_named(terminal: Terminal, founded: Tenant) -> None:
    name = f"projects/{PROJECT}/locations/global/keyRings/other/cryptoKeys/missing"
    terminal.patch.setenv("KMS_KEY_NAME", name)
    for arguments in ((), ("--function", "health")):
        code, faults = examine(terminal, *arguments)
        assert code == 1
        assert [(each["subject"], each["said"]) for each in faults] == [("KMS", "it is not there")]


async def test_rejected_rows_are_counted(terminal: Terminal, founded: Tenant, services: Services) -> None:
    now = services.clock()
    await services.documents.commit([Put(f"{OUTBOX}/rejected", {"attempts": 2, "created_at": now, "next_try_at": now})])
    code, faults = await asyncio.to_thread(examine, terminal)
    await services.documents.commit([Delete(f"{OUTBOX}/rejected")])
    assert code == 1
    assert [(each["said"], each["remedy"]) for each in faults] == [
        ("BigQuery rejects 1 rows", "python -m local record list")
    ]


def test_a_store_that_does_not_answer_is_named_and_the_others_are_looked_at(
    terminal: Terminal, founded: Tenant
) -> None:
    terminal.patch.setattr(Documents, "commit", _refused)
    code, faults = examine(terminal)
    assert code == 1
    assert [(each["subject"], each["said"]) for each in faults] == [("Firestore", "access is denied")]
    assert '"KMS"' in terminal.out


async def _refused(*_: object) -> None:
    raise google.PermissionDenied("Missing or insufficient permissions.")


def test_a_right_that_is_missing_is_named(terminal: Terminal, founded: Tenant) -> None:
    query: Callable[..., Any] = bigquery.Client.query

    def without(client: bigquery.Client, sql: str, **options: Any) -> Any:
        # As BigQuery refuses, with the name of the table.
        if "DELETE" in sql and "org_chat_messages" in sql:
            raise google.Forbidden("Access Denied: Table org_chat_messages")
        return query(client, sql, **options)

    terminal.patch.setattr(bigquery.Client, "query", without)
    code, faults = examine(terminal, "--function", "sync")
    assert code == 1
    assert [(each["subject"], each["said"]) for each in faults] == [
        ("BigQuery: write examined.org_chat_messages", "access is denied")
    ]
    assert examine(terminal, "--function", "send") == (0, [])


def test_an_index_that_is_missing_is_named(terminal: Terminal, founded: Tenant) -> None:
    query: Callable[..., Any] = Documents.query

    async def without(documents: Documents, collection: str, **options: Any) -> Any:
        if collection.endswith("/conversations"):
            raise DocumentConflict from google.FailedPrecondition("The query requires an index.")
        return await query(documents, collection, **options)

    terminal.patch.setattr(Documents, "query", without)
    code, faults = examine(terminal)
    assert code == 1
    assert [each["subject"] for each in faults] == ["Firestore index of conversations"]


@pytest.fixture
async def fields() -> AsyncIterator[tuple[dict[str, Any], FirestoreAdminAsyncClient]]:
    """Firestore's own administration over gRPC, and what it answers of each collection's expiry."""
    states: dict[str, Any] = {}

    async def get_field(name: bytes, context: Any) -> bytes:
        asked = firestore_admin_v1.GetFieldRequest.deserialize(name)
        state = states[asked.name.split("/collectionGroups/")[1].split("/")[0]]
        if state is None:
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, "no")
        field = firestore_admin_v1.Field(name=asked.name, ttl_config={"state": state} if state else None)
        body: bytes = firestore_admin_v1.Field.serialize(field)
        return body

    handler: Any = grpc.unary_unary_rpc_method_handler(get_field)
    server = grpc.aio.server(futures.ThreadPoolExecutor(1))
    service = "google.firestore.admin.v1.FirestoreAdmin"
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {"GetField": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}")
    transport = FirestoreAdminGrpcAsyncIOTransport(channel=channel)
    yield states, FirestoreAdminAsyncClient(transport=transport)
    await channel.close()
    await server.stop(None)


@pytest.mark.parametrize(
    ("state", "found", "said"),
    [
        (firestore_admin_v1.Field.TtlConfig.State.ACTIVE, "ok", "documents expire"),
        (firestore_admin_v1.Field.TtlConfig.State.CREATING, "fault", "documents of messages do not expire"),
        (0, "fault", "documents of messages do not expire"),
        (None, "unknown", "this account may not see it"),
    ],
)
async def test_documents_that_do_not_expire_are_named(
    terminal: Terminal,
    fields: tuple[dict[str, Any], FirestoreAdminAsyncClient],
    state: Any,
    found: str,
    said: str,
) -> None:
    states, client = fields
    states.update(dict.fromkeys(stores.EXPIRING, firestore_admin_v1.Field.TtlConfig.State.ACTIVE) | {"messages": state})
    (finding,) = await stores.expiry(load_settings(), client)
    assert (finding.state, finding.said) == (found, said)


def test_the_rights_are_those_that_terraform_grants() -> None:
    text = block("locals.tf", "locals {\n  functions = {")
    alerts = tuple(re.findall(r'"(\w+)"', re.search(r"alert_tables = \[(.*?)\]", text, re.DOTALL)[1]))  # type: ignore[index]
    granted = {}
    for name, body in re.findall(r"^    (\w+) = \{\n(.*?)^    \}", text, re.DOTALL | re.MULTILINE):
        writes = re.search(r"writes += (local\.alert_tables|\[.*?\])", body, re.DOTALL)
        key = re.search(r"key += \[(.*?)\]", body)
        assert writes is not None
        assert key is not None
        role = re.search(r"cloudkms\.(cryptoKeyEncrypter|cryptoKeyDecrypter|viewer)", key[1])
        granted[name] = Rights(
            shared=re.search(r"shared += true", body) is not None,
            tenants=re.search(r"tenants += true", body) is not None,
            catalog=re.search(r"catalog += true", body) is not None,
            writes=alerts if "alert_tables" in writes[1] else tuple(re.findall(r'"(\w+)"', writes[1])),
            key={"cryptoKeyEncrypter": "encrypt", "cryptoKeyDecrypter": "decrypt", "viewer": "view"}[role[1]]  # type: ignore[arg-type]
            if role
            else None,
            writes_documents="datastore.user" in body,
        )
    assert granted == FUNCTIONS
    assert set(OPERATOR.writes) >= set(FUNCTIONS["sync"].writes)
    expiring = re.search(r"expiring = \[(.*?)\]", block("firestore.tf", "locals {"))
    assert expiring is not None
    assert tuple(re.findall(r'"(\w+)"', expiring[1])) == stores.EXPIRING


@pytest.mark.parametrize("arguments", [("--function", "nothing"), ("--org", "No Slug")])
def test_what_is_not_understood_is_not_examined(terminal: Terminal, arguments: tuple[str, ...]) -> None:
    assert terminal.run("doctor", *arguments) == 2
    assert terminal.out == ""
