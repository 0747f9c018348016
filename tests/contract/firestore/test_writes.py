"""Writes: merges, preconditions, transforms, and batches that apply whole or not at all."""

import datetime as dt
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import firestore


def test_creating_an_existing_document_is_refused(root: firestore.DocumentReference) -> None:
    root.create({"a": 1})
    with pytest.raises(exceptions.AlreadyExists):
        root.create({"a": 2})
    assert root.get().to_dict() == {"a": 1}


def test_updating_a_missing_document_is_refused(root: firestore.DocumentReference) -> None:
    with pytest.raises(exceptions.NotFound):
        root.update({"a": 1})
    assert not root.get().exists


def test_deleting_a_missing_document_is_no_error_unless_it_must_exist(
    client: firestore.Client, root: firestore.DocumentReference
) -> None:
    root.delete()
    with pytest.raises(exceptions.NotFound):
        root.delete(option=client.write_option(exists=True))


def test_a_write_based_on_an_old_version_is_refused(
    client: firestore.Client, root: firestore.DocumentReference
) -> None:
    first = root.set({"a": 1})
    condition = client.write_option(last_update_time=first.update_time)
    root.update({"a": 2}, option=condition)
    with pytest.raises(exceptions.FailedPrecondition):
        root.update({"a": 3}, option=condition)
    with pytest.raises(exceptions.FailedPrecondition):
        root.delete(option=condition)
    assert root.get().to_dict() == {"a": 2}


def test_a_merge_keeps_what_it_does_not_name(root: firestore.DocumentReference) -> None:
    root.set({"a": {"b": 1, "c": 2}, "d": 4})
    root.set({"a": {"b": 3}, "e": {}}, merge=True)
    assert root.get().to_dict() == {"a": {"b": 3, "c": 2}, "d": 4, "e": {}}
    fields: Any = ["a.b"]  # a list of paths is allowed, though the annotation says bool
    root.set({"a": {"b": 9, "c": 8}}, merge=fields)
    assert root.get().to_dict() == {"a": {"b": 9, "c": 2}, "d": 4, "e": {}}


UPDATES: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    ({"a": {"b": 1, "c": 2}}, {"a.b": 5}, {"a": {"b": 5, "c": 2}}),
    ({"a": 1}, {"a.b": 2}, {"a": {"b": 2}}),
    ({"a": {"b": 1, "c": 2}}, {"a.b": firestore.DELETE_FIELD}, {"a": {"c": 2}}),
    ({"a": 1}, {"q.b": firestore.DELETE_FIELD}, {"a": 1}),
    ({"a": 1}, {"`x.y`.`z\\`q`": 5}, {"a": 1, "x.y": {"z`q": 5}}),
    ({"a": 1}, {"a": firestore.Increment(4)}, {"a": 5}),
    ({"a": 1}, {"a": firestore.Increment(2.5)}, {"a": 3.5}),
    ({"a": "x"}, {"a": firestore.Increment(2)}, {"a": 2}),
    ({"z": 1}, {"a": firestore.Increment(2)}, {"z": 1, "a": 2}),
    ({"a": 2**63 - 2}, {"a": firestore.Increment(5)}, {"a": 2**63 - 1}),
    ({"a": 1}, {"a": firestore.Maximum(2)}, {"a": 2}),
    ({"a": 3}, {"a": firestore.Maximum(2)}, {"a": 3}),
    ({"a": "s"}, {"a": firestore.Maximum(3)}, {"a": 3}),
    ({"a": 1}, {"a": firestore.Minimum(0.5)}, {"a": 0.5}),
    ({"b": 1}, {"a": firestore.Minimum(3)}, {"a": 3, "b": 1}),
    ({"a": [1]}, {"a": firestore.ArrayUnion([1.0, 2, 2])}, {"a": [1, 2]}),
    ({"a": "s"}, {"a": firestore.ArrayUnion([1])}, {"a": [1]}),
    ({"a": [1, 2, 1]}, {"a": firestore.ArrayRemove([1.0])}, {"a": [2]}),
    ({"b": 1}, {"a": firestore.ArrayRemove([1])}, {"a": [], "b": 1}),
]


@pytest.mark.parametrize(("before", "change", "after"), UPDATES)
def test_an_update_changes_the_document_as_firestore_does(
    root: firestore.DocumentReference, before: dict[str, Any], change: dict[str, Any], after: dict[str, Any]
) -> None:
    root.set(before)
    root.update(change)
    assert root.get().to_dict() == after


def test_the_server_time_is_the_time_of_the_commit(root: firestore.DocumentReference) -> None:
    before = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=5)
    result: Any = root.set({"at": firestore.SERVER_TIMESTAMP, "nested": {"at": firestore.SERVER_TIMESTAMP}})
    stored: Any = root.get().to_dict()
    assert stored["at"] == stored["nested"]["at"]
    assert before < stored["at"] <= result.update_time


def test_a_write_that_changes_nothing_keeps_the_time_of_the_last_change(root: firestore.DocumentReference) -> None:
    first = root.set({"a": 1})
    assert root.set({"a": 1}).update_time == first.update_time
    changed: Any = root.set({"a": 2})
    assert changed.update_time > first.update_time
    assert root.get().update_time == changed.update_time
    assert root.get().create_time == first.update_time


def test_writes_of_one_batch_see_those_before_them(client: firestore.Client, root: firestore.DocumentReference) -> None:
    batch = client.batch()
    batch.set(root, {"a": 1})
    batch.update(root, {"b": 2})
    batch.update(root, {"c": firestore.Increment(1)})
    batch.commit()
    assert root.get().to_dict() == {"a": 1, "b": 2, "c": 1}


def test_a_batch_with_one_refused_write_changes_nothing(
    client: firestore.Client, root: firestore.DocumentReference
) -> None:
    batch = client.batch()
    batch.set(root, {"a": 1})
    batch.update(root.collection("c").document("missing"), {"b": 2})
    with pytest.raises(exceptions.NotFound):
        batch.commit()
    assert not root.get().exists


def test_a_batch_of_five_hundred_writes_is_accepted(
    client: firestore.Client, root: firestore.DocumentReference
) -> None:
    batch = client.batch()
    for number in range(500):
        batch.set(root.collection("c").document(str(number)), {"n": number})
    batch.commit()
    assert root.collection("c").count().get()[0][0].value == 500
