"""What a provider says of a resource: attributes, nested blocks, and the type of each."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

# A type as Terraform writes it in JSON: "string", ["list", "string"], ["list", ["object", {...}]], "dynamic".
Type = Any


@dataclass(frozen=True, slots=True)
class Attribute:
    """A single value. ``allowed`` holds the only values that the documentation names, where it names any."""

    type: Type
    required: bool = False
    optional: bool = False
    computed: bool = False
    allowed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Nested:
    """A block within a block. One that is ``single`` is an object, the others are lists."""

    block: "Block"
    required: bool = False
    single: bool = False
    at_most_one: bool = False


@dataclass(frozen=True, slots=True)
class Block:
    """What may stand between two braces."""

    attributes: Mapping[str, Attribute]
    blocks: Mapping[str, Nested]

    def inner(self, value: Mapping[str, Any]) -> Iterator[tuple["Block", dict[str, Any]]]:
        """The nested blocks that a value of this block holds, each with its own block."""
        for name, nested in self.blocks.items():
            held = value.get(name)
            for one in [held] if isinstance(held, dict) else held if isinstance(held, list) else []:
                if isinstance(one, dict):
                    yield nested.block, one


@dataclass(frozen=True, slots=True)
class Schemas:
    """Everything that one provider offers."""

    provider: Block
    resources: Mapping[str, Block]
    data: Mapping[str, Block]
