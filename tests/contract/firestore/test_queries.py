"""Queries: the order of values, filters, cursors, groups, projection and aggregation."""

import datetime as dt
import math
from collections.abc import Callable
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import firestore
from google.cloud.firestore_v1.base_query import And, FieldFilter, Or
from google.cloud.firestore_v1.base_vector_query import DistanceMeasure
from google.cloud.firestore_v1.vector import Vector

Query = Callable[[firestore.CollectionReference], Any]
DOWN = firestore.Query.DESCENDING

# In ascending order; ties (1 and 1.0) are ordered by document id.
MIXED: dict[str, Any] = {
    "null": None,
    "false": False,
    "true": True,
    "nan": math.nan,
    "minus": -math.inf,
    "zero": 0.0,
    "one": 1,
    "one_float": 1.0,
    "half": 1.5,
    "huge_float": float(2**53),
    "huge": 2**53 + 1,
    "time": dt.datetime(2024, 1, 1, tzinfo=dt.UTC),
    "empty": "",
    "upper": "Z",
    "lower": "a",
    "accent": "é",
    "last": "\ufffd",
    "emoji": "😀",
    "bytes": b"\x01",
    "geo": firestore.GeoPoint(1, -2),
    "array0": [],
    "array1": [1],
    "array12": [1, 2],
    "map0": {},
    "map_a": {"a": 1},
    "map_ab": {"a": 1, "b": 0},
    "map_b": {"b": 0},
}


def where(path: str, operator: str, value: Any) -> FieldFilter:
    return FieldFilter(path, operator, value)


def ids(query: Any) -> list[str]:
    return [one.id for one in query.stream()]


@pytest.fixture
def mixed(client: firestore.Client, root: firestore.DocumentReference) -> firestore.CollectionReference:
    """One document per kind of value in field x; k is the id; one document has no x."""
    batch = client.batch()
    collection: firestore.CollectionReference = root.collection("mixed")
    for ident, value in MIXED.items():
        batch.set(collection.document(ident), {"x": value, "k": ident})
    batch.set(collection.document("without"), {"k": "without"})
    batch.commit()
    return collection


def test_values_of_all_types_are_ordered_as_firestore_orders_them(mixed: firestore.CollectionReference) -> None:
    assert ids(mixed.order_by("x")) == list(MIXED)


def test_descending_order_is_the_reverse(mixed: firestore.CollectionReference) -> None:
    assert ids(mixed.order_by("x", direction=DOWN)) == list(reversed(MIXED))


FILTERS: list[tuple[str, Any, list[str]]] = [
    ("==", None, ["null"]),
    ("!=", None, [one for one in MIXED if one != "null"]),
    ("==", math.nan, ["nan"]),
    ("!=", math.nan, [one for one in MIXED if one not in ("nan", "null")]),
    ("==", 1, ["one", "one_float"]),
    ("!=", 1, [one for one in MIXED if one not in ("one", "one_float", "null")]),
    ("<", 1, ["minus", "zero"]),
    ("<=", 1, ["minus", "zero", "one", "one_float"]),
    (">", 1, ["half", "huge_float", "huge"]),
    (">=", "a", ["lower", "accent", "last", "emoji"]),
    (">=", False, ["false", "true"]),
    ("in", [1, "a"], ["lower", "one", "one_float"]),
    ("in", [None, math.nan, 1], ["one", "one_float"]),
    ("not-in", [1, "a"], [one for one in MIXED if one not in ("one", "one_float", "lower", "null")]),
    ("not-in", [None, 1], []),
    ("array_contains", 1, ["array1", "array12"]),
    ("array_contains_any", [2, 9], ["array12"]),
    ("==", [], ["array0"]),
    ("==", {}, ["map0"]),
    (">", {"a": 1}, ["map_ab", "map_b"]),
]


@pytest.mark.parametrize(("operator", "value", "expected"), FILTERS)
def test_a_filter_finds_what_firestore_finds(
    mixed: firestore.CollectionReference, operator: str, value: Any, expected: list[str]
) -> None:
    assert ids(mixed.where(filter=where("x", operator, value))) == expected


REFUSED: dict[str, Query] = {
    "an empty IN": lambda c: c.where(filter=where("x", "in", [])),
    "an IN of 31": lambda c: c.where(filter=where("x", "in", list(range(31)))),
    "a NOT_IN of 11": lambda c: c.where(filter=where("x", "not-in", list(range(11)))),
    "two ARRAY_CONTAINS": lambda c: c.where(
        filter=And([where("x", "array_contains", 1), where("x", "array_contains", 2)])
    ),
    "IN with NOT_IN": lambda c: c.where(filter=And([where("x", "in", [1]), where("k", "not-in", ["a"])])),
    "two NOT_EQUAL": lambda c: c.where(filter=And([where("x", "!=", 1), where("k", "!=", "a")])),
    "36 disjunctions": lambda c: c.where(
        filter=And([where("x", "in", list(range(6))), where("k", "in", list("abcdef"))])
    ),
    "a field ordered by twice": lambda c: c.order_by("k").order_by("k"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_query_that_firestore_does_not_allow_is_refused(mixed: firestore.CollectionReference, name: str) -> None:
    with pytest.raises(exceptions.InvalidArgument):
        ids(REFUSED[name](mixed))


@pytest.fixture
def rows(client: firestore.Client, root: firestore.DocumentReference) -> firestore.CollectionReference:
    """Twenty documents d00 to d19: i counts, org alternates."""
    batch = client.batch()
    collection: firestore.CollectionReference = root.collection("rows")
    for number in range(20):
        fields = {"i": number, "org": "acme" if number % 2 else "zed", "third": number % 3}
        batch.set(collection.document(f"d{number:02}"), fields)
    batch.commit()
    return collection


def snapshot(collection: firestore.CollectionReference, ident: str) -> Any:
    return collection.document(ident).get()


QUERIES: dict[str, tuple[Query, list[str]]] = {
    "by id": (lambda c: c.limit(2), ["d00", "d01"]),
    "filter, order and limit": (
        lambda c: c.where(filter=where("org", "==", "acme")).order_by("i", direction=DOWN).limit(3),
        ["d19", "d17", "d15"],
    ),
    "after a snapshot": (
        lambda c: (
            c.where(filter=where("org", "==", "acme"))
            .order_by("i", direction=DOWN)
            .start_after(snapshot(c, "d15"))
            .limit(2)
        ),
        ["d13", "d11"],
    ),
    "between cursors": (lambda c: c.order_by("i").start_at({"i": 5}).end_before({"i": 8}), ["d05", "d06", "d07"]),
    "cursors, descending": (
        lambda c: c.order_by("i", direction=DOWN).start_after({"i": 8}).end_at({"i": 6}),
        ["d07", "d06"],
    ),
    "cursor in a tie": (
        lambda c: c.order_by("third").order_by("i", direction=DOWN).start_after({"third": 0, "i": 3}).limit(2),
        ["d00", "d19"],
    ),
    "two orders, both ways": (
        lambda c: c.order_by("third", direction=DOWN).order_by("i").limit(3),
        ["d02", "d05", "d08"],
    ),
    "offset": (lambda c: c.order_by("i").offset(3).limit(2), ["d03", "d04"]),
    "the last": (lambda c: c.order_by("i").limit_to_last(2), ["d18", "d19"]),
    "range": (lambda c: c.where(filter=where("i", ">=", 18)), ["d18", "d19"]),
    "two ranges": (
        lambda c: c.where(filter=where("i", ">", 15)).where(filter=where("third", ">", 0)),
        ["d16", "d17", "d19"],
    ),
    "range and another order": (
        lambda c: c.where(filter=where("i", ">", 16)).order_by("third", direction=DOWN),
        ["d17", "d19", "d18"],
    ),
    "or": (
        lambda c: c.where(filter=Or([where("i", "==", 1), where("i", "in", [2, 3])])).order_by("i"),
        ["d01", "d02", "d03"],
    ),
    "or over two fields": (
        lambda c: c.where(filter=Or([where("i", ">", 18), where("org", "==", "nobody")])),
        ["d19"],
    ),
    "and in or": (
        lambda c: c.where(filter=Or([And([where("i", "<", 4), where("org", "==", "acme")]), where("i", "==", 10)])),
        ["d01", "d03", "d10"],
    ),
    "by document": (lambda c: c.where(filter=where("__name__", ">=", c.document("d18"))), ["d18", "d19"]),
    "nothing": (lambda c: c.where(filter=where("none", "==", 1)), []),
    "a limit of none": (lambda c: c.where(filter=where("i", "in", [7])).limit(5), ["d07"]),
}


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_finds_its_documents_in_order(rows: firestore.CollectionReference, name: str) -> None:
    build, expected = QUERIES[name]
    assert [one.id for one in build(rows).get()] == expected


def test_a_change_moves_a_document_in_an_order_already_used(rows: firestore.CollectionReference) -> None:
    assert ids(rows.order_by("i").limit(1)) == ["d00"]
    rows.document("d10").update({"i": -1})
    rows.document("d00").update({"i": firestore.DELETE_FIELD})
    rows.document("d01").delete()
    rows.document("d99").set({"i": 1.5})
    assert ids(rows.order_by("i").limit(3)) == ["d10", "d99", "d02"]


def test_a_collection_group_reaches_every_collection_of_that_name(
    client: firestore.Client, root: firestore.DocumentReference
) -> None:
    group = f"g{root.id}"
    for parent in ("a", "b"):
        root.collection("parents").document(parent).collection(group).document(f"in_{parent}").set({"n": parent})
    root.collection("parents").document("a").collection("other").document("x").set({"n": "a"})
    assert ids(client.collection_group(group).order_by("n", direction=DOWN)) == ["in_b", "in_a"]
    assert ids(client.collection_group(group).where(filter=where("n", "==", "a"))) == ["in_a"]


def test_all_that_is_below_a_document_is_found_without_a_collections_name(
    client: firestore.Client, root: firestore.DocumentReference
) -> None:
    # The document between is missing.
    deep = root.collection("a").document("missing").collection("b").document("deep")
    for reference in (root, deep, root.collection("a").document("near")):
        reference.set({"n": 1})
    root.parent.document(f"{root.id}-beside").collection("a").document("x").set({"n": 1})
    query = {"from_": [{"all_descendants": True}], "select": {"fields": [{"field_path": "__name__"}]}}
    answers = client._firestore_api.run_query({"parent": root._document_path, "structured_query": query})
    found = [answer.document.name.removeprefix(root._document_path) for answer in answers if answer.document.name]
    assert sorted(found) == ["/a/missing/b/deep", "/a/near"]


def test_a_projection_returns_only_the_fields_selected(rows: firestore.CollectionReference) -> None:
    found = rows.where(filter=where("i", "==", 3)).select(["org", "missing.deep"]).get()
    assert found[0].to_dict() == {"org": "acme"}
    assert rows.limit(1).select(["__name__"]).get()[0].to_dict() == {}


def aggregated(query: Any) -> list[Any]:
    return [result.value for result in query.get()[0]]


def test_aggregations_count_sum_and_average(rows: firestore.CollectionReference) -> None:
    assert aggregated(rows.where(filter=where("org", "==", "acme")).count()) == [10]
    assert aggregated(rows.sum("i")) == [190]
    assert aggregated(rows.avg("i")) == [9.5]
    assert aggregated(rows.limit(3).count()) == [3]


def test_aggregations_pass_over_what_is_not_a_number(root: firestore.DocumentReference) -> None:
    collection = root.collection("c")
    for number, value in enumerate([1, 2, 2.5, "x", None]):
        collection.document(str(number)).set({"v": value})
    assert aggregated(collection.sum("v")) == [5.5]
    assert aggregated(collection.avg("v")) == [5.5 / 3]
    assert aggregated(root.collection("none").sum("v")) == [0]
    assert aggregated(root.collection("none").avg("v")) == [0]  # null on the wire; the client says 0
    assert aggregated(collection.count(alias="n").sum("missing", alias="s")) == [0, 0]


def test_a_count_stops_at_the_limit_asked_for(client: firestore.Client, rows: firestore.CollectionReference) -> None:
    query = rows._query()._to_protobuf()
    answer = client._firestore_api.run_aggregation_query(
        request={
            "parent": rows.parent._document_path,
            "structured_aggregation_query": {
                "structured_query": query,
                "aggregations": [{"alias": "n", "count": {"up_to": 7}}],
            },
        }
    )
    assert next(iter(answer)).result.aggregate_fields["n"].integer_value == 7


def test_the_nearest_vectors_come_closest_first(root: firestore.DocumentReference) -> None:
    collection = root.collection("vectors")
    for number, vector in enumerate([[1.0, 0.0], [0.0, 1.0], [0.9, 0.1]]):
        collection.document(str(number)).set({"e": Vector(vector)})
    found = collection.find_nearest(
        vector_field="e",
        query_vector=Vector([1.0, 0.0]),
        distance_measure=DistanceMeasure.COSINE,
        limit=2,
        distance_result_field="distance",
    ).get()
    assert [one.id for one in found] == ["0", "2"]
    assert found[0].get("distance") == pytest.approx(0)


def nearest_to(
    collection: firestore.CollectionReference, to: list[float], measure: DistanceMeasure, **more: Any
) -> Any:
    """The ids of the nearest documents, with their distances."""
    more = {"limit": 10, **more}
    found = collection.find_nearest("e", Vector(to), distance_measure=measure, distance_result_field="d", **more).get()
    return [(one.id, round(one.get("d"), 6)) for one in found]


@pytest.mark.parametrize(
    ("measure", "distances"),
    [
        (DistanceMeasure.COSINE, [("a", 0.0), ("c", 0.292893), ("b", 1.0)]),
        (DistanceMeasure.EUCLIDEAN, [("a", 1.0), ("c", 2.0), ("b", 2.236068)]),
        (DistanceMeasure.DOT_PRODUCT, [("a", 4.0), ("c", 4.0), ("b", 0.0)]),
    ],
)
def test_each_measure_has_its_distances(
    root: firestore.DocumentReference, measure: DistanceMeasure, distances: list[tuple[str, float]]
) -> None:
    collection = root.collection("measured")
    for name, vector in {"a": [2.0, 0.0], "b": [0.0, 2.0], "c": [2.0, 2.0]}.items():
        collection.document(name).set({"e": Vector(vector)})
    found = nearest_to(collection, [2.0, 0.0] if measure != DistanceMeasure.EUCLIDEAN else [1.0, 0.0], measure)
    if measure == DistanceMeasure.EUCLIDEAN:
        distances = [("a", 1.0), ("b", 2.236068), ("c", 2.236068)]
    assert found == distances


def test_what_is_searched_by_vector_is_filtered_first(root: firestore.DocumentReference) -> None:
    collection = root.collection("filtered")
    for name, space, state in (("a", "x", 1), ("b", "y", 1), ("c", "x", 2), ("d", "z", 1)):
        collection.document(name).set({"e": Vector([1.0, 0.0]), "space": space, "state": state})
    both = collection.where(filter=FieldFilter("space", "==", "x")).where(filter=FieldFilter("state", "==", 1))
    assert [name for name, _ in nearest_to(both, [1.0, 0.0], DistanceMeasure.COSINE)] == ["a"]
    either = collection.where(filter=FieldFilter("space", "in", ["x", "z"]))
    assert [name for name, _ in nearest_to(either, [1.0, 0.0], DistanceMeasure.COSINE)] == ["a", "c", "d"]


def test_vectors_of_another_length_are_not_found_and_a_threshold_ends_the_result(
    root: firestore.DocumentReference,
) -> None:
    collection = root.collection("lengths")
    for name, vector in {"a": [1.0, 0.0], "b": [0.0, 1.0], "c": [1.0, 0.0, 0.0]}.items():
        collection.document(name).set({"e": Vector(vector)})
    assert nearest_to(collection, [1.0, 0.0], DistanceMeasure.COSINE) == [("a", 0.0), ("b", 1.0)]
    assert nearest_to(collection, [1.0, 0.0], DistanceMeasure.COSINE, distance_threshold=0.5) == [("a", 0.0)]


def test_a_search_by_vector_is_bounded_as_googles_is(root: firestore.DocumentReference) -> None:
    collection = root.collection("bounded")
    collection.document("a").set({"e": Vector([1.0] * 2_048)})
    assert nearest_to(collection, [1.0] * 2_048, DistanceMeasure.COSINE, limit=1_000) == [("a", 0.0)]
    for dimensions, limit in ((2_048, 1_001), (2_049, 1_000), (2_048, 0)):
        with pytest.raises(exceptions.InvalidArgument):
            nearest_to(collection, [1.0] * dimensions, DistanceMeasure.COSINE, limit=limit)
