"""Writes: preconditions, field masks, transforms and limits, applied all together or not at all."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import grpc
from google.cloud.firestore_v1.types import write
from google.protobuf.timestamp_pb2 import Timestamp

from local.emulators.firestore.store import Document, Store
from local.emulators.firestore.values import (
    Message,
    NewDocument,
    NewValue,
    check_fields,
    document_size,
    number,
    number_value,
    parse_path,
    read_field,
    remove_field,
    sort_key,
    write_field,
)
from local.emulators.rpc import RpcFailure

MAX_DOCUMENT_BYTES = 1_048_576
_INT64 = 2**63
_NewResult = write.WriteResult.pb()
Write = write.Write.pb()
Status = grpc.StatusCode


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a list of writes: documents to save (None: deleted) and one WriteResult per write."""

    changes: dict[str, Document | None]
    results: list[Message]


def target(operation: Message) -> str:
    """The name of the document that a write is about."""
    return str(operation.update.name or operation.delete or operation.transform.document)


def apply_writes(store: Store, operations: Iterable[Message], now: Timestamp) -> Outcome:
    """Work out the writes in order, each seeing those before it; nothing is stored yet."""
    outcome = Outcome({}, [])
    for operation in operations:
        name = target(operation)
        old = outcome.changes[name] if name in outcome.changes else store.get(name)
        _check_precondition(operation, name, old)
        result = _NewResult()
        if operation.WhichOneof("operation") == "delete":
            outcome.changes[name] = None
        else:
            outcome.changes[name] = _written(operation, name, old, now, result)
        outcome.results.append(result)
    return outcome


def _check_precondition(operation: Message, name: str, old: Document | None) -> None:
    if not operation.HasField("current_document"):
        return
    condition = operation.current_document
    if condition.WhichOneof("condition_type") == "exists":
        if condition.exists and old is None:
            raise RpcFailure(Status.NOT_FOUND, f"No document to update: {name}")
        if not condition.exists and old is not None:
            raise RpcFailure(Status.ALREADY_EXISTS, f"Document already exists: {name}")
    elif condition.WhichOneof("condition_type") == "update_time" and (
        old is None or old.message.update_time != condition.update_time
    ):
        raise RpcFailure(
            Status.FAILED_PRECONDITION,
            f"the stored version of {name} does not match the required base version",
        )


def _written(operation: Message, name: str, old: Document | None, now: Timestamp, result: Message) -> Document:
    message = NewDocument(name=name)
    transform_only = operation.WhichOneof("operation") == "transform"
    if transform_only or operation.HasField("update_mask"):
        if old is not None:
            message.CopyFrom(old.message)
        _merge(message.fields, operation.update.fields, operation.update_mask.field_paths)
    else:
        message.CopyFrom(operation.update)
    transforms = operation.transform.field_transforms if transform_only else operation.update_transforms
    for transform in transforms:
        result.transform_results.append(_transform(message.fields, transform, now))
    try:
        check_fields(message.fields)
    except ValueError as error:
        raise RpcFailure(Status.INVALID_ARGUMENT, str(error)) from error
    # A document is charged less than eight times the bytes of its message.
    if message.ByteSize() > MAX_DOCUMENT_BYTES // 8 and document_size(message) > MAX_DOCUMENT_BYTES:
        raise RpcFailure(
            Status.INVALID_ARGUMENT,
            f"The document '{name}' cannot be written because its size exceeds the maximum allowed size of "
            f"{MAX_DOCUMENT_BYTES:,} bytes.",
        )
    saved = _stamped(message, old, now)
    result.update_time.CopyFrom(saved.message.update_time)
    return saved


def _stamped(message: Message, old: Document | None, now: Timestamp) -> Document:
    """The new version; the old one itself, with its old time, when nothing has changed."""
    if old is not None:
        message.create_time.CopyFrom(old.message.create_time)
        message.update_time.CopyFrom(old.message.update_time)
        if message.SerializeToString(deterministic=True) == old.body:
            return old
    else:
        message.create_time.CopyFrom(now)
    message.update_time.CopyFrom(now)
    return Document(message.name, message.SerializeToString(deterministic=True), message)


def _merge(fields: Message, given: Message, mask: Iterable[str]) -> None:
    for path in mask:
        try:
            parts = parse_path(path)
        except ValueError as error:
            raise RpcFailure(Status.INVALID_ARGUMENT, str(error)) from error
        value = read_field(given, parts)
        if value is None:
            remove_field(fields, parts)
        else:
            write_field(fields, parts, value)


def _transform(fields: Message, transform: Message, now: Timestamp) -> Message:
    """Apply one field transform and return its result for the client."""
    parts = parse_path(transform.field_path)
    kind = transform.WhichOneof("transform_type")
    current = read_field(fields, parts)
    match kind:
        case "set_to_server_value":
            value = NewValue(timestamp_value=now)
        case "increment" | "maximum" | "minimum":
            value = _numeric(kind, current, getattr(transform, kind))
        case "append_missing_elements" | "remove_all_from_array":
            write_field(fields, parts, _array(kind, current, getattr(transform, kind).values))
            return NewValue(null_value=0)
        case _:
            raise RpcFailure(Status.INVALID_ARGUMENT, "a field transform must say what it does")
    write_field(fields, parts, value)
    return value


def _numeric(kind: str, current: Message | None, operand: Message) -> Message:
    have, given = number(current), number(operand)
    if given is None:
        raise RpcFailure(Status.INVALID_ARGUMENT, f"{kind} transform requires a number")
    if have is None:
        return operand
    if kind == "increment":
        total = have + given
        if isinstance(total, int):
            total = max(-_INT64, min(_INT64 - 1, total))
        return number_value(total)
    if math.isnan(have) or math.isnan(given):
        return number_value(math.nan)
    keeps = have >= given if kind == "maximum" else have <= given
    return current if keeps else operand


def _array(kind: str, current: Message | None, operand: Iterable[Message]) -> Message:
    is_array = current is not None and current.WhichOneof("value_type") == "array_value"
    kept = list(current.array_value.values) if is_array and current is not None else []
    if kind == "remove_all_from_array":
        removed = {sort_key(item) for item in operand}
        kept = [item for item in kept if sort_key(item) not in removed]
    else:
        present = {sort_key(item) for item in kept}
        for item in operand:
            if (key := sort_key(item)) not in present:
                present.add(key)
                kept.append(item)
    value = NewValue()
    value.array_value.SetInParent()
    value.array_value.values.extend(kept)
    return value
