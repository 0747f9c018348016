"""What is stored comes back as it was; what breaks a rule of names or sizes is refused."""

import datetime as dt
import math
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import firestore

NOW = dt.datetime(2026, 3, 5, 10, 0, 0, 123456, tzinfo=dt.UTC)


def test_every_type_of_value_comes_back_as_it_was(root: firestore.DocumentReference) -> None:
    values: dict[str, Any] = {
        "null": None,
        "flag": True,
        "whole": 2**53 + 1,
        "fraction": 1.5,
        "time": NOW,
        "text": "é😀",
        "bytes": b"\x00\xff",
        "place": firestore.GeoPoint(1, -2),
        "empty_array": [],
        "empty_map": {},
        "map": {"a.b": [1, {"c": None}]},
    }
    root.set(values | {"self": root, "nan": math.nan})
    stored: Any = root.get().to_dict()
    assert {name: stored[name] for name in values} == values
    assert stored["self"].path == root.path
    assert math.isnan(stored["nan"])


def test_a_missing_document_is_said_not_to_exist(root: firestore.DocumentReference) -> None:
    assert not root.get().exists


def test_get_all_answers_for_found_and_missing_documents(
    client: firestore.Client, root: firestore.DocumentReference
) -> None:
    there, missing = root.collection("c").document("there"), root.collection("c").document("missing")
    there.set({"a": 1})
    assert {one.id: one.exists for one in client.get_all([there, missing])} == {"there": True, "missing": False}


def test_only_the_fields_asked_for_are_read(root: firestore.DocumentReference) -> None:
    root.set({"a.b": 1, "c": {"d": 1, "e": 2}})
    assert root.get(["`a.b`"]).to_dict() == {"a.b": 1}
    assert root.get(["c.d"]).to_dict() == {"c": {"d": 1}}


def test_a_document_whose_expiry_has_passed_stays_readable(root: firestore.DocumentReference) -> None:
    root.set({"expire_at": dt.datetime(2020, 1, 1, tzinfo=dt.UTC)})
    assert root.get().exists


def test_collections_are_listed_below_the_root_and_below_a_missing_document(
    client: firestore.Client, root: firestore.DocumentReference
) -> None:
    root.collection("b").document("1").set({})
    root.collection("a").document("missing").collection("deep").document("1").set({})
    assert [one.id for one in root.collections()] == ["a", "b"]
    assert "places" in [one.id for one in client.collections()]


def test_documents_are_listed_page_by_page_with_missing_parents(root: firestore.DocumentReference) -> None:
    for ident in ("1", "2", "3"):
        root.collection("c").document(ident).set({})
    root.collection("c").document("2b").collection("deep").document("1").set({})
    assert [one.id for one in root.collection("c").list_documents(page_size=2)] == ["1", "2", "2b", "3"]
    assert [one.id for one in root.collection("c").stream()] == ["1", "2", "3"]


@pytest.mark.parametrize("ident", ["__x__", ".", "..", "a" * 1501, "ü" * 751])
def test_a_document_id_that_firestore_reserves_is_refused(root: firestore.DocumentReference, ident: str) -> None:
    with pytest.raises(exceptions.InvalidArgument):
        root.collection("c").document(ident).set({})


@pytest.mark.parametrize("ident", ["__id5__", "a" * 1500, "ü" * 750, "a b", "%2F"])
def test_an_unusual_document_id_is_kept(root: firestore.DocumentReference, ident: str) -> None:
    root.collection("c").document(ident).set({"a": 1})
    assert [one.id for one in root.collection("c").stream()] == [ident]


@pytest.mark.parametrize("fields", [{"__f__": 1}, {"a" * 1501: 1}, {"a": [[1]]}, {"a": {"__f__": 1}}])
def test_a_field_that_firestore_does_not_allow_is_refused(
    root: firestore.DocumentReference, fields: dict[str, Any]
) -> None:
    with pytest.raises(exceptions.InvalidArgument):
        root.set(fields)
    assert not root.get().exists


@pytest.mark.parametrize(("length", "fits"), [(1_048_000, True), (1_048_576, False)])
def test_a_document_of_more_than_a_mebibyte_is_refused(
    root: firestore.DocumentReference, length: int, fits: bool
) -> None:
    if fits:
        root.set({"x": "y" * length})
        assert len(root.get().get("x")) == length
    else:
        with pytest.raises(exceptions.InvalidArgument):
            root.set({"x": "y" * length})
        assert not root.get().exists


def test_many_fields_that_exceed_a_mebibyte_together_are_refused(root: firestore.DocumentReference) -> None:
    with pytest.raises(exceptions.InvalidArgument):
        root.set({f"x{number}": "y" * 1000 for number in range(1100)})


def test_recursive_delete_removes_descendants_and_leaves_neighbours(
    client: firestore.Client, root: firestore.DocumentReference
) -> None:
    for number in range(30):
        root.collection("c").document(str(number)).set({})
        root.collection("c").document(str(number)).collection("d").document("1").set({})
    root.collection("cc").document("1").set({})
    assert client.recursive_delete(root.collection("c"), chunk_size=7) == 60
    assert [one.id for one in root.collections()] == ["cc"]


def test_a_bulk_writer_writes_everything(client: firestore.Client, root: firestore.DocumentReference) -> None:
    writer = client.bulk_writer()
    for number in range(120):
        writer.create(root.collection("c").document(str(number)), {"n": number})
    writer.close()
    assert root.collection("c").count().get()[0][0].value == 120
