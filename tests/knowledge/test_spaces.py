"""A change of the embedding space: both are searched until no passage of the old one is left."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from common.errors import EmbeddingUnavailable
from common.knowledge.arrivals import Arrivals
from common.knowledge.embedding.space import Embedded, Embedder, EmbeddingSpace, Purpose, SpaceName
from common.knowledge.ingestion import Ingestion
from common.knowledge.paths import chunks_path
from common.knowledge.search import KnowledgeSearch
from common.knowledge.services import KnowledgeServices
from common.tenant import Tenant, UserId

ANNA = UserId("anna")
OLD, NEW = EmbeddingSpace("made", "old", 3), EmbeddingSpace("made", "new", 4)


@dataclass
class Letters:
    """Embeds by the first letter: texts that begin alike are the same."""

    space: EmbeddingSpace
    embedded: int = 0

    async def embed(self, texts: Sequence[str], purpose: Purpose) -> Embedded:
        self.embedded += len(texts)
        letters = "abcd"[: self.space.dimensions]
        return Embedded([[float(text[:1] == letter) for letter in letters] for text in texts])


@dataclass
class Two:
    """An organisation whose provider has changed."""

    old: Letters
    new: Letters
    changed: bool = False

    async def wanted(self, tenant: Tenant) -> Embedder:
        return self.new if self.changed else self.old

    async def of(self, tenant: Tenant, space: SpaceName) -> Embedder:
        for each in (self.old, self.new):
            if each.space.name == space:
                return each
        raise EmbeddingUnavailable


async def test_documents_answer_throughout_and_nothing_of_the_old_space_stays(
    knowledge: KnowledgeServices, tenant: Tenant
) -> None:
    two = Two(Letters(OLD), Letters(NEW))
    ingestion = Ingestion(knowledge.store, two, knowledge.meter, knowledge.clock)
    search = KnowledgeSearch(knowledge.documents, knowledge.store, two, knowledge.meter)
    arrivals: Arrivals = replace(knowledge.arrivals, ingestion=ingestion)
    ids = [(await ingestion.add(tenant, f"{text[0]}.txt", text.encode(), ANNA)).document_id
           for text in ("a rule", "b rule")]  # fmt: skip
    assert await knowledge.store.spaces(tenant) == [OLD.name]

    two.changed = True
    for done, document_id in enumerate(ids, 1):
        await arrivals._look_after(tenant, document_id)
        spaces = [OLD.name, NEW.name] if done < len(ids) else [NEW.name]
        assert await knowledge.store.spaces(tenant) == sorted(spaces)
        for letter in "ab":
            best = {passage.document_name for passage in await search.search(tenant, f"{letter}?", 2, ANNA)}
            assert f"{letter}.txt" in best
    left = await knowledge.documents.query(chunks_path(tenant), limit=100)
    assert [each.data["space"] for each in left] == [NEW.name, NEW.name]


async def test_the_same_bytes_again_embed_nothing(knowledge: KnowledgeServices, tenant: Tenant) -> None:
    two = Two(Letters(OLD), Letters(NEW))
    ingestion = Ingestion(knowledge.store, two, knowledge.meter, knowledge.clock)
    first = await ingestion.add(tenant, "a.txt", b"a rule", ANNA)
    again = await ingestion.add(tenant, "another name.txt", b"a rule", UserId("ben"))
    assert (again.document_id, again.version, two.old.embedded) == (first.document_id, first.version, 1)
