"""The embedding spaces that there are: one for each provider that embeds, and the operator's two."""

from collections.abc import Mapping
from decimal import Decimal

from common.knowledge.embedding.space import EmbeddingSpace

LOCAL = EmbeddingSpace("local", "all-MiniLM-L6-v2", 384)
VERTEX_AI = EmbeddingSpace("vertex_ai", "text-multilingual-embedding-002", 768)
# By the names of the catalogue; the providers that are not here embed nothing. The organisation pays for these.
OF_PROVIDERS: Mapping[str, EmbeddingSpace] = {
    "openai": EmbeddingSpace("openai", "text-embedding-3-small", 1536, Decimal("0.02")),
    "gemini": EmbeddingSpace("gemini", "gemini-embedding-001", 768, Decimal("0.15")),
    "mistral": EmbeddingSpace("mistral", "mistral-embed", 1024, Decimal("0.1")),
}
SPACES: tuple[EmbeddingSpace, ...] = (LOCAL, VERTEX_AI, *OF_PROVIDERS.values())
