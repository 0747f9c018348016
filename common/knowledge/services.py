"""The services of an organisation's documents, each imported and built when it is first asked for."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

from common.documents import Documents
from common.organizations.directory import Directory
from common.organizations.provider_key import ProviderKeys
from common.settings import Settings
from common.telemetry.log import Log

if TYPE_CHECKING:
    from common.files import Files
    from common.knowledge.arrivals import Arrivals
    from common.knowledge.embedding.choice import ChosenEmbeddings
    from common.knowledge.embedding.space import Meter
    from common.knowledge.ingestion import Ingestion
    from common.knowledge.search import KnowledgeSearch
    from common.knowledge.store import KnowledgeStore
    from common.knowledge.uploads import Uploads


@dataclass(frozen=True)
class KnowledgeServices:
    """Everything that is done with documents; nothing of it is imported by a function that asks for none."""

    settings: Settings
    documents: Documents
    directory: Directory
    provider_keys: ProviderKeys
    clock: Callable[[], datetime]
    # Imported with the first use that the organisation pays for.
    meter: "Callable[[], Meter]"
    log: Log

    @cached_property
    def store(self) -> "KnowledgeStore":
        from common.knowledge.store import KnowledgeStore

        return KnowledgeStore(self.documents)

    @cached_property
    def embeddings(self) -> "ChosenEmbeddings":
        from common.knowledge.embedding.choice import ChosenEmbeddings

        return ChosenEmbeddings(self.settings, self.directory, self.provider_keys, self.clock)

    @cached_property
    def search(self) -> "KnowledgeSearch":
        from common.knowledge.search import KnowledgeSearch

        return KnowledgeSearch(self.documents, self.store, self.embeddings, self.meter)

    @cached_property
    def ingestion(self) -> "Ingestion":
        from common.knowledge.ingestion import Ingestion

        return Ingestion(self.store, self.embeddings, self.meter, self.clock)

    @cached_property
    def files(self) -> "Files":
        from common.files import Files

        return Files(self.settings)

    @cached_property
    def uploads(self) -> "Uploads":
        from common.knowledge.uploads import Uploads

        return Uploads(self.store, self.files, self.clock)

    @cached_property
    def arrivals(self) -> "Arrivals":
        from common.knowledge.arrivals import Arrivals

        return Arrivals(self.store, self.files, self.ingestion, self.uploads, self.directory, self.clock, self.log)

    async def close(self) -> None:
        """Close the sockets of what was used."""
        if "embeddings" in self.__dict__:
            await self.embeddings.close()
