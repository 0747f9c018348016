"""Structured query filters: checked once, then compiled to a test of one document."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import grpc

from local.emulators.firestore.store import Document
from local.emulators.firestore.values import NAN_KEY, NULL_KEY, NUMBER_RANK, Key, Message, sort_key
from local.emulators.rpc import RpcFailure

Predicate = Callable[[Document], bool]

LESS, LESS_EQUAL, GREATER, GREATER_EQUAL, EQUAL, NOT_EQUAL = 1, 2, 3, 4, 5, 6
ARRAY_CONTAINS, IN, ARRAY_CONTAINS_ANY, NOT_IN = 7, 8, 9, 10
IS_NAN, IS_NULL, IS_NOT_NAN, IS_NOT_NULL = 2, 3, 4, 5
AND, OR = 1, 2
MAX_DISJUNCTIONS = 30
MAX_NOT_IN = 10
_RANGES = {LESS, LESS_EQUAL, GREATER, GREATER_EQUAL}
_INEQUALITIES = _RANGES | {NOT_EQUAL, NOT_IN}
_UNARY_NAMES = {IS_NOT_NAN: "IS_NOT_NAN", IS_NOT_NULL: "IS_NOT_NULL"}
_FIELD_NAMES = {IN: "IN", ARRAY_CONTAINS_ANY: "ARRAY_CONTAINS_ANY", NOT_IN: "NOT_IN", NOT_EQUAL: "NOT_EQUAL"}
_NEGATIONS = {"NOT_EQUAL", "NOT_IN", "IS_NOT_NAN", "IS_NOT_NULL"}
_EXCLUDED_BY_NOT_IN = {"IN", "ARRAY_CONTAINS_ANY", "OR"}
_LIST_NAMES = {IN: "IN", ARRAY_CONTAINS_ANY: "ARRAY_CONTAINS_ANY", NOT_IN: "NOT_IN"}


@dataclass(frozen=True, slots=True)
class Comparison:
    """A field compared with a constant that every matching document satisfies; it may narrow an index."""

    path: str
    operator: int
    key: Key


def _refuse(message: str) -> RpcFailure:
    return RpcFailure(grpc.StatusCode.INVALID_ARGUMENT, message)


def compile_filter(node: Message) -> Predicate:
    """A test of one document for this filter; INVALID_ARGUMENT when the filter is not allowed."""
    match node.WhichOneof("filter_type"):
        case None:
            return lambda _document: True
        case "composite_filter":
            return _composite(node.composite_filter)
        case "unary_filter":
            return _unary(node.unary_filter)
        case _:
            return _field(node.field_filter)


def check_filter(node: Message) -> None:
    """Refuse combinations that Firestore refuses: too many disjunctions, or operators that exclude each other."""
    operators = list(_operators(node))
    count = _disjunctions(node)
    if count > MAX_DISJUNCTIONS:
        raise _refuse(
            f"Too many disjunctions after normalization. Result had {count} disjunctions which is more than the "
            f"maximum of {MAX_DISJUNCTIONS}"
        )
    if _array_contains(node) > 1:
        raise _refuse("A maximum of 1 'ARRAY_CONTAINS' filter is allowed per disjunction.")
    if len([name for name in operators if name in _NEGATIONS]) > 1:
        raise _refuse("Only a single 'NOT_EQUAL', 'NOT_IN', 'IS_NOT_NAN', or 'IS_NOT_NULL' filter allowed per query.")
    if "NOT_IN" in operators and not _EXCLUDED_BY_NOT_IN.isdisjoint(operators):
        raise _refuse("'NOT_IN' cannot be used in the same query with 'IN', 'ARRAY_CONTAINS_ANY' or 'OR'.")


def _operators(node: Message) -> Iterator[str]:
    kind = node.WhichOneof("filter_type")
    if kind == "composite_filter":
        if node.composite_filter.op == OR and len(node.composite_filter.filters) > 1:
            yield "OR"
        for part in node.composite_filter.filters:
            yield from _operators(part)
    elif kind is not None:
        names = _UNARY_NAMES if kind == "unary_filter" else _FIELD_NAMES
        yield names.get(getattr(node, kind).op, "")


def _disjunctions(node: Message) -> int:
    match node.WhichOneof("filter_type"):
        case "composite_filter":
            counts = [_disjunctions(part) for part in node.composite_filter.filters]
            return sum(counts) if node.composite_filter.op == OR else math.prod(counts)
        case "field_filter" if node.field_filter.op in (IN, ARRAY_CONTAINS_ANY):
            return len({sort_key(item) for item in node.field_filter.value.array_value.values}) or 1
        case _:
            return 1


def _array_contains(node: Message) -> int:
    """The most ARRAY_CONTAINS that one disjunction holds."""
    match node.WhichOneof("filter_type"):
        case "composite_filter":
            counts = [_array_contains(part) for part in node.composite_filter.filters]
            return max(counts, default=0) if node.composite_filter.op == OR else sum(counts)
        case "field_filter":
            return int(node.field_filter.op in (ARRAY_CONTAINS, ARRAY_CONTAINS_ANY))
        case _:
            return 0


def _composite(node: Message) -> Predicate:
    parts = [compile_filter(part) for part in node.filters]
    if node.op == OR:
        return lambda document: any(part(document) for part in parts)
    return lambda document: all(part(document) for part in parts)


def _unary(node: Message) -> Predicate:
    path = node.field.field_path
    match node.op:
        case 2:
            return lambda document: document.key(path) == NAN_KEY
        case 3:
            return lambda document: document.key(path) == NULL_KEY
        case 4:
            return lambda document: document.key(path) not in (None, NULL_KEY, NAN_KEY)
        case _:
            return lambda document: document.key(path) not in (None, NULL_KEY)


def _field(node: Message) -> Predicate:
    path, operator = node.field.field_path, node.op
    if operator in _LIST_NAMES:
        return _list_filter(path, operator, node.value)
    wanted = sort_key(node.value)
    match operator:
        case 5:
            return lambda document: document.key(path) == wanted
        case 6:
            return lambda document: document.key(path) not in (None, NULL_KEY, wanted)
        case 7:
            return lambda document: wanted in _items(document.key(path))
        case _:
            return _range(path, operator, wanted)


def _range(path: str, operator: int, wanted: Key) -> Predicate:
    def holds(document: Document) -> bool:
        key = document.key(path)
        if key is None or key[0] != wanted[0] or NAN_KEY in (key, wanted):
            return False
        if operator == LESS:
            return key < wanted
        if operator == LESS_EQUAL:
            return key <= wanted
        return key > wanted if operator == GREATER else key >= wanted

    return holds


def _list_filter(path: str, operator: int, value: Message) -> Predicate:
    if value.WhichOneof("value_type") != "array_value" or not value.array_value.values:
        raise _refuse(f"'{_LIST_NAMES[operator]}' requires an non-empty ArrayValue.")
    given = {sort_key(item) for item in value.array_value.values}
    keys = given - {NULL_KEY, NAN_KEY}  # null and NaN equal nothing in a list
    limit = MAX_NOT_IN if operator == NOT_IN else MAX_DISJUNCTIONS
    if len(value.array_value.values) > limit:
        raise _refuse(f"'{_LIST_NAMES[operator]}' supports up to {limit} comparison values.")
    if operator == IN:
        return lambda document: document.key(path) in keys
    if operator == ARRAY_CONTAINS_ANY:
        return lambda document: not keys.isdisjoint(_items(document.key(path)))
    if NULL_KEY in given:
        return lambda _document: False
    return lambda document: document.key(path) not in (None, NULL_KEY) and document.key(path) not in keys


def _items(key: Key | None) -> tuple[Key, ...]:
    return key[1] if key is not None and key[0] == 8 else ()


def comparisons(node: Message) -> Iterator[Comparison]:
    """The comparisons that every matching document satisfies: those joined by AND only."""
    match node.WhichOneof("filter_type"):
        case "composite_filter" if node.composite_filter.op != OR or len(node.composite_filter.filters) == 1:
            for part in node.composite_filter.filters:
                yield from comparisons(part)
        case "field_filter" if node.field_filter.op in _RANGES | {EQUAL}:
            yield Comparison(
                node.field_filter.field.field_path, node.field_filter.op, sort_key(node.field_filter.value)
            )
        case _:
            pass


def inequality_paths(node: Message) -> Iterator[str]:
    """Fields under an inequality anywhere in the filter: a query is ordered by them when it does not say otherwise."""
    match node.WhichOneof("filter_type"):
        case "composite_filter":
            for part in node.composite_filter.filters:
                yield from inequality_paths(part)
        case "field_filter" if node.field_filter.op in _INEQUALITIES:
            yield node.field_filter.field.field_path
        case "unary_filter" if node.unary_filter.op in (IS_NOT_NAN, IS_NOT_NULL):
            yield node.unary_filter.field.field_path
        case _:
            pass


def bounds(path: str, wanted: list[Comparison]) -> tuple[Key, Key]:
    """The lowest and highest index entry that can satisfy the comparisons on one field."""
    low: Key = ((),)
    high: Key = ((NUMBER_RANK * 100,),)
    after_ids = (2,)
    for comparison in wanted:
        if comparison.path != path:
            continue
        rank = comparison.key[0]
        if comparison.operator in (EQUAL, GREATER, GREATER_EQUAL):
            low = max(low, (comparison.key,))
        else:
            low = max(low, ((rank,),))
        if comparison.operator in (EQUAL, LESS, LESS_EQUAL):
            high = min(high, (comparison.key, after_ids))
        else:
            high = min(high, ((rank + 1,),))
    return low, high
