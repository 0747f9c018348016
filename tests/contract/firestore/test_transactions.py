"""Transactions: one view while reading, retried on contention, nothing half done."""

import random
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from google.api_core import exceptions
from google.cloud import firestore


@firestore.transactional
def add_one(transaction: firestore.Transaction, reference: firestore.DocumentReference) -> int:
    # Two that try again in step, as on a machine with nothing else to do, would be in each other's way for ever.
    time.sleep(random.uniform(0, 0.5))
    value = int(reference.get(transaction=transaction).get("v")) + 1
    transaction.update(reference, {"v": value})
    return value


def test_a_transaction_reads_and_writes(client: firestore.Client, root: firestore.DocumentReference) -> None:
    root.set({"v": 0})
    assert [add_one(client.transaction(), root) for _ in range(3)] == [1, 2, 3]


def test_no_increment_is_lost_under_contention(client: firestore.Client, root: firestore.DocumentReference) -> None:
    root.set({"v": 0})
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: add_one(client.transaction(max_attempts=30), root), range(4)))
    assert root.get().get("v") == 4


def test_a_transaction_that_fails_writes_nothing(client: firestore.Client, root: firestore.DocumentReference) -> None:
    @firestore.transactional
    def fail(transaction: firestore.Transaction) -> None:
        transaction.set(root, {"v": 1})
        raise KeyError("stop")

    with pytest.raises(KeyError):
        fail(client.transaction())
    assert not root.get().exists


def test_a_query_in_a_transaction_is_part_of_what_it_read(
    client: firestore.Client, root: firestore.DocumentReference
) -> None:
    members = root.collection("members")
    members.document("1").set({"on": True})

    @firestore.transactional
    def count(transaction: firestore.Transaction) -> int:
        found = list(members.where(filter=firestore.FieldFilter("on", "==", True)).stream(transaction=transaction))
        transaction.set(root, {"count": len(found)})
        return len(found)

    assert count(client.transaction()) == 1
    assert root.get().get("count") == 1


def test_a_read_only_transaction_sees_one_moment(client: firestore.Client, root: firestore.DocumentReference) -> None:
    root.collection("c").document("1").set({"v": 1})
    transaction = client.transaction(read_only=True)
    transaction._begin()
    root.collection("c").document("1").set({"v": 2})
    root.collection("c").document("2").set({"v": 9})
    assert root.collection("c").document("1").get(transaction=transaction).get("v") == 1
    assert [one.get("v") for one in root.collection("c").stream(transaction=transaction)] == [1]
    transaction._commit()
    assert [one.get("v") for one in root.collection("c").stream()] == [2, 9]


def test_a_transaction_that_has_ended_cannot_commit(
    client: firestore.Client, root: firestore.DocumentReference
) -> None:
    api, database = client._firestore_api, client._database_string
    ident = api.begin_transaction(request={"database": database}).transaction
    api.rollback(request={"database": database, "transaction": ident})
    api.rollback(request={"database": database, "transaction": ident})
    with pytest.raises(exceptions.InvalidArgument):
        api.commit(request={"database": database, "transaction": ident, "writes": []})


def test_a_read_only_transaction_cannot_write(client: firestore.Client, root: firestore.DocumentReference) -> None:
    api, database = client._firestore_api, client._database_string
    begun = api.begin_transaction(request={"database": database, "options": {"read_only": {}}})
    write = {"delete": root._document_path}
    with pytest.raises(exceptions.InvalidArgument):
        api.commit(request={"database": database, "transaction": begun.transaction, "writes": [write]})
