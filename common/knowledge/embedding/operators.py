"""The operator's embedders: of organisations whose provider has none, and of texts that are nobody's own."""

from functools import cached_property

from common.knowledge.embedding import formats, spaces
from common.knowledge.embedding.local import LocalEmbedder
from common.knowledge.embedding.remote import RemoteEmbedder
from common.knowledge.embedding.space import Embedder, EmbeddingSpace
from common.models.http_pool import Sockets
from common.settings import Settings


class OperatorsEmbedders:
    """Embeds on this machine, or with Vertex AI as this function's account."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @property
    def shared(self) -> Embedder:
        """The embedder that the operator has chosen."""
        return self.vertex if self._settings.embedding == "vertex_ai" else self.local

    @cached_property
    def sockets(self) -> Sockets:
        return Sockets()

    @cached_property
    def local(self) -> LocalEmbedder:
        return LocalEmbedder(self._settings.local_embedding_weights)

    @cached_property
    def vertex(self) -> RemoteEmbedder:
        from common.knowledge.embedding.google_account import bearer

        return RemoteEmbedder(
            spaces.VERTEX_AI, self._vertex_address(spaces.VERTEX_AI), formats.VERTEX, bearer, self.sockets
        )

    def _vertex_address(self, space: EmbeddingSpace) -> str:
        where, project = self._settings.vertex_location, self._settings.gcp_project_id
        base = self._settings.model_api_bases.get("vertex_ai") or (
            f"https://{where}-aiplatform.googleapis.com/v1/projects/{project}/locations/{where}/publishers/google"
        )
        return f"{base}/models/{space.model_id}"

    async def close(self) -> None:
        """Close the sockets."""
        if "sockets" in self.__dict__:
            await self.sockets.close()
