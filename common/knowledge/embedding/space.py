"""Embedding spaces: vectors of two spaces have nothing to do with each other, even of one length."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NewType, Protocol

from common.tenant import Tenant

SpaceName = NewType("SpaceName", str)
Purpose = Literal["passage", "query"]
Vectors = list[list[float]]


@dataclass(frozen=True, slots=True)
class EmbeddingSpace:
    """A model of a provider and the length of its vectors; a document names the space of its own."""

    provider: str
    model_id: str
    dimensions: int

    @property
    def name(self) -> SpaceName:
        return SpaceName(f"{self.provider}:{self.model_id}:{self.dimensions}")


class Embedder(Protocol):
    """Embeds texts in one space."""

    @property
    def space(self) -> EmbeddingSpace: ...

    async def embed(self, texts: Sequence[str], purpose: Purpose) -> Vectors:
        """Return a vector for each text, of length 1. Raises EmbeddingUnavailable."""
        ...


class Embeddings(Protocol):
    """Finds the embedders of an organisation."""

    async def wanted(self, tenant: Tenant) -> Embedder:
        """Return the embedder of the organisation's new documents. Raises EmbeddingUnavailable."""
        ...

    async def of(self, tenant: Tenant, space: SpaceName) -> Embedder:
        """Return the embedder of a space that documents are in. Raises EmbeddingUnavailable."""
        ...
