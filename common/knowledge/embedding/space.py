"""Embedding spaces: vectors of two spaces have nothing to do with each other, even of one length."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, NewType, Protocol

from common.documents import Write
from common.tenant import Tenant, UserId

SpaceName = NewType("SpaceName", str)
Purpose = Literal["passage", "query"]
Vectors = list[list[float]]


@dataclass(frozen=True, slots=True)
class EmbeddingSpace:
    """A model of a provider and the length of its vectors; a document names the space of its own.

    ``price`` is what a million tokens cost the organisation, in US dollars; None where it pays nothing.
    """

    provider: str
    model_id: str
    dimensions: int
    price: Decimal | None = None

    @property
    def name(self) -> SpaceName:
        return SpaceName(f"{self.provider}:{self.model_id}:{self.dimensions}")


@dataclass(frozen=True, slots=True)
class Embedded:
    """The vectors of some texts, each of length 1, and the tokens that their provider has read for them."""

    vectors: Vectors
    tokens: int = 0
    tokens_estimated: bool = False


class Embedder(Protocol):
    """Embeds texts in one space."""

    @property
    def space(self) -> EmbeddingSpace: ...

    async def embed(self, texts: Sequence[str], purpose: Purpose) -> Embedded:
        """Return a vector for each text, of length 1. Raises EmbeddingUnavailable."""
        ...


class Meter(Protocol):
    """Files and counts what an organisation pays its provider for."""

    async def check(self, tenant: Tenant) -> None:
        """Let passages be embedded. Raises CostCeiling where a ceiling of the organisation is reached."""
        ...

    def writes(self, tenant: Tenant, by: UserId, use_id: str, space: EmbeddingSpace, used: Embedded) -> list[Write]:
        """The writes for one use of a space; the same ``use_id`` is one use."""
        ...


def paid_writes(
    meter: Callable[[], Meter], tenant: Tenant, by: UserId, use_id: str, space: EmbeddingSpace, used: Embedded
) -> list[Write]:
    """The writes of ``meter`` for a space that the organisation pays for; none for any other one."""
    return meter().writes(tenant, by, use_id, space, used) if space.price is not None else []


class Embeddings(Protocol):
    """Finds the embedders of an organisation."""

    async def wanted(self, tenant: Tenant) -> Embedder:
        """Return the embedder of the organisation's new documents. Raises EmbeddingUnavailable."""
        ...

    async def of(self, tenant: Tenant, space: SpaceName) -> Embedder:
        """Return the embedder of a space that documents are in. Raises EmbeddingUnavailable."""
        ...


class SharedEmbedding(Protocol):
    """Knows the operator's embedder, of texts that are nobody's own."""

    @property
    def shared(self) -> Embedder:
        """The embedder that the operator has chosen."""
        ...
