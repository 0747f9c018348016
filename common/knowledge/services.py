"""The services of an organisation's documents, each imported and built when it is first asked for."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

from common.documents import Documents
from common.settings import Settings

if TYPE_CHECKING:
    from common.knowledge.embedding.space import Embeddings
    from common.knowledge.ingestion import Ingestion
    from common.knowledge.search import KnowledgeSearch
    from common.knowledge.store import KnowledgeStore


@dataclass(frozen=True)
class KnowledgeServices:
    """Everything that is done with documents; nothing of it is imported by a function that asks for none."""

    settings: Settings
    documents: Documents
    clock: Callable[[], datetime]

    @cached_property
    def store(self) -> "KnowledgeStore":
        from common.knowledge.store import KnowledgeStore

        return KnowledgeStore(self.documents)

    @cached_property
    def embeddings(self) -> "Embeddings":
        from common.knowledge.embedding.choice import ChosenEmbeddings

        return ChosenEmbeddings(self.settings)

    @cached_property
    def search(self) -> "KnowledgeSearch":
        from common.knowledge.search import KnowledgeSearch

        return KnowledgeSearch(self.documents, self.store, self.embeddings)

    @cached_property
    def ingestion(self) -> "Ingestion":
        from common.knowledge.ingestion import Ingestion

        return Ingestion(self.store, self.embeddings, self.clock)
