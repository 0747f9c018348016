"""The embedding space of an organisation: its provider's where it has one, else the operator's choice."""

from functools import cached_property

from common.errors import EmbeddingUnavailable
from common.knowledge.embedding.local import LOCAL_SPACE, LocalEmbedder
from common.knowledge.embedding.space import Embedder, SpaceName
from common.settings import Settings
from common.tenant import Tenant


class ChosenEmbeddings:
    """Finds the embedders of an organisation."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def wanted(self, tenant: Tenant) -> Embedder:  # noqa: ARG002  # the provider's come with their wires
        """Return the embedder of the organisation's new documents. Raises EmbeddingUnavailable."""
        return self._local

    async def of(self, tenant: Tenant, space: SpaceName) -> Embedder:  # noqa: ARG002
        """Return the embedder of a space that documents are in. Raises EmbeddingUnavailable."""
        if space == LOCAL_SPACE.name:
            return self._local
        raise EmbeddingUnavailable

    @cached_property
    def _local(self) -> LocalEmbedder:
        return LocalEmbedder(self._settings.local_embedding_weights)
