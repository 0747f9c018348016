"""Terraform's plugin protocol, version 5: the messages that a plan needs, built from a table, not generated."""

import json
from typing import Any

import msgpack  # type: ignore[import-untyped]
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message

from tests.infra.provider.schema import Attribute, Block, Nested, Schemas

SERVICE = "tfplugin5.Provider"
_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "string": _Field.TYPE_STRING,
    "bool": _Field.TYPE_BOOL,
    "int64": _Field.TYPE_INT64,
    "bytes": _Field.TYPE_BYTES,
}
# Message: its fields as "name number type", a star where it repeats; the numbers are those of tfplugin5.proto.
_MESSAGES = {
    "Empty": "",
    "DynamicValue": "msgpack 1 bytes, json 2 bytes",
    "Diagnostic": "severity 1 int64, summary 2 string, detail 3 string",
    "Attribute": "name 1 string, type 2 bytes, required 4 bool, optional 5 bool, computed 6 bool",
    "NestedBlock": "type_name 1 string, block 2 Block, nesting 3 int64, min_items 4 int64, max_items 5 int64",
    "Block": "version 1 int64, attributes 2 Attribute*, block_types 3 NestedBlock*",
    "Schema": "version 1 int64, block 2 Block",
    "Named": "key 1 string, value 2 Schema",
    "Schemas": "provider 1 Schema, resource_schemas 2 Named*, data_source_schemas 3 Named*",
    "Prepare": "config 1 DynamicValue",
    "Prepared": "prepared_config 1 DynamicValue, diagnostics 2 Diagnostic*",
    "Validate": "type_name 1 string, config 2 DynamicValue",
    "Diagnostics": "diagnostics 1 Diagnostic*",
    "Plan": "type_name 1 string, prior_state 2 DynamicValue, proposed_new_state 3 DynamicValue",
    "Planned": "planned_state 1 DynamicValue, diagnostics 4 Diagnostic*, legacy_type_system 5 bool",
    "RawState": "json 1 bytes",
    "Upgrade": "type_name 1 string, raw_state 3 RawState",
    "Upgraded": "upgraded_state 1 DynamicValue, diagnostics 2 Diagnostic*",
    "ReadData": "type_name 1 string, config 2 DynamicValue",
    "Data": "state 1 DynamicValue, diagnostics 2 Diagnostic*",
}
_LIST, _SINGLE = 3, 1
_NESTED_SINGLE, _NESTED_LIST = 1, 2
_ERROR = 1


def _pool() -> descriptor_pool.DescriptorPool:
    file = descriptor_pb2.FileDescriptorProto(name="tfplugin5.proto", package="tfplugin5", syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for written in filter(None, fields.split(", ")):
            field, number, kind = written.split()
            label = _LIST if kind.endswith("*") else _SINGLE
            made = message.field.add(name=field, number=int(number), label=label)
            if kind in _SCALARS:
                made.type = _SCALARS[kind]
            else:
                made.type, made.type_name = _Field.TYPE_MESSAGE, f".tfplugin5.{kind.rstrip('*')}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool


_POOL = _pool()


def message(name: str, /, **fields: Any) -> Any:
    """A message of the protocol."""
    return type_of(name)(**fields)


def type_of(name: str) -> type[Message]:
    """The class of a message of the protocol."""
    return message_factory.GetMessageClass(_POOL.FindMessageTypeByName(f"tfplugin5.{name}"))


def decoded(value: Any) -> Any:
    """What a DynamicValue says; a value that is not yet known is a msgpack.ExtType."""
    return msgpack.unpackb(value.msgpack, raw=False, strict_map_key=False)


def encoded(value: Any) -> Any:
    """A DynamicValue that says this."""
    return message("DynamicValue", msgpack=msgpack.packb(value, use_bin_type=True))


def is_unknown(value: Any) -> bool:
    """Whether Terraform will know the value only when it applies."""
    return isinstance(value, msgpack.ExtType)


def error(summary: str, detail: str) -> Any:
    """A diagnostic that stops Terraform."""
    return message("Diagnostic", severity=_ERROR, summary=summary, detail=detail)


def schemas(offered: Schemas) -> Any:
    """What GetSchema answers."""
    return message(
        "Schemas",
        provider=message("Schema", block=_block(offered.provider)),
        resource_schemas=[_named(name, block) for name, block in offered.resources.items()],
        data_source_schemas=[_named(name, block) for name, block in offered.data.items()],
    )


def _named(name: str, block: Block) -> Any:
    return message("Named", key=name, value=message("Schema", block=_block(block)))


def _block(block: Block) -> Any:
    return message(
        "Block",
        attributes=[_attribute(name, each) for name, each in block.attributes.items()],
        block_types=[_nested(name, each) for name, each in block.blocks.items()],
    )


def _attribute(name: str, each: Attribute) -> Any:
    flags = {"required": each.required, "optional": each.optional, "computed": each.computed}
    return message("Attribute", name=name, type=json.dumps(each.type).encode(), **flags)


def _nested(name: str, nested: Nested) -> Any:
    return message(
        "NestedBlock",
        type_name=name,
        block=_block(nested.block),
        nesting=_NESTED_SINGLE if nested.single else _NESTED_LIST,
        min_items=int(nested.required),
        max_items=int(nested.at_most_one),
    )
