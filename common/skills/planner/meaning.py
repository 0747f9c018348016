"""The meaning of a query for models: its vector in the space of the catalogue's cards, where one can be had."""

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from common.errors import EmbeddingUnavailable
from common.skills.planner.search import Meaning
from common.tools.context import WarehouseContext

if TYPE_CHECKING:
    from common.knowledge.embedding.space import SharedEmbedding

# A search that waits longer for its meaning is one by words.
MEANING_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class ModelsContext(WarehouseContext):
    """The context of a tool that embeds a query beside the warehouse."""

    embeddings: "SharedEmbedding"


async def meaning_of(context: ModelsContext, query: str) -> Meaning | None:
    """Return the vector of a query. Returns None if no embedder is at hand."""
    try:
        async with asyncio.timeout(MEANING_SECONDS):
            embedder = context.embeddings.shared
            (vector,) = (await embedder.embed([query], "query")).vectors
    except (EmbeddingUnavailable, TimeoutError):
        return None
    return Meaning(str(embedder.space.name), tuple(vector))
