"""Search in documents: how often the right one is among the first five, beside BM25, and the CPU time of a search."""

import csv
import random
import re
import statistics
import time
from pathlib import Path

from rich.console import Console

from common.document_values import Vector
from common.documents import Documents, Put
from common.foundations import utc_now
from common.knowledge.embedding.local import LocalEmbedder
from common.knowledge.embedding.space import Embedder, Meter, SpaceName
from common.knowledge.ingestion import Ingestion
from common.knowledge.paths import chunks_path
from common.knowledge.search import KnowledgeSearch
from common.knowledge.store import KnowledgeStore
from common.tenant import Tenant, UserId, parse_org_slug
from local.embedding import WEIGHTS
from tests.bench.results import Results, Table, Verdict, shown
from tests.bench.served import cpu_of
from tests.bench.stage import Stage

QUESTIONS = Path(__file__).parents[1] / "knowledge" / "questions.tsv"
LEAST_RECALL, LEAST_MRR, MOST_MS = 0.88, 0.72, 60.0
_AMONG = 5
MANY = 5_000


class _Local:
    """The local model for whoever asks."""

    def __init__(self) -> None:
        self._embedder = LocalEmbedder(WEIGHTS)

    async def wanted(self, tenant: Tenant) -> Embedder:
        return self._embedder

    async def of(self, tenant: Tenant, space: SpaceName) -> Embedder:
        return self._embedder


async def _among_many(
    stage: Stage, documents: Documents, store: KnowledgeStore, tenant: Tenant, search: KnowledgeSearch, asked: list[str]
) -> float:
    """The milliseconds of CPU of a search in many passages, of both processes."""
    first, *_ = await store.page(tenant, None, 1)
    chosen = random.Random(1)
    fields = {
        "document_id": first.document_id,
        "version": first.version,
        "space": first.space,
        "heading": "",
        "page": 1,
    }
    for start in range(0, MANY, 100):
        writes = [
            Put(
                f"{chunks_path(tenant)}/{first.document_id}-{first.version}-{number:05}",
                {**fields, "text": f"passage {number}", "embedding": Vector([chosen.gauss() for _ in range(384)])},
            )
            for number in range(start + 100, start + 200)
        ]
        await documents.commit(writes)
    for question in asked[:2]:
        await search.search(tenant, question, 5, UserId("bench"))
    before = time.process_time() + cpu_of(stage.emulators.pid)
    for question in asked:
        await search.search(tenant, question, 5, UserId("bench"))
    return (time.process_time() + cpu_of(stage.emulators.pid) - before) * 1000 / len(asked)


def _free() -> Meter:
    raise AssertionError("the local model costs nothing")


async def run(console: Console, stage: Stage, results: Results) -> None:
    """Read the documents in, ask the questions, and print one table."""
    with QUESTIONS.open(encoding="utf-8", newline="") as file:
        asked = [tuple(row) for row in csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)]
    documents = Documents("local-dev-project")
    tenant = Tenant(parse_org_slug(f"bench_{time.time_ns()}"), "local-dev-project", "organizations")
    store, embeddings = KnowledgeStore(documents), _Local()
    ingestion, search = (
        Ingestion(store, embeddings, _free, utc_now),
        KnowledgeSearch(documents, store, embeddings, _free),
    )
    for name, heading, text, _ in asked:
        await ingestion.add(tenant, name, f"# {heading}\n\n{text}\n".encode(), UserId("bench"))
    ranks, taken = [], []
    for name, _, _, question in asked:
        began = time.process_time()
        found = [passage.document_name for passage in await search.search(tenant, question, 20, UserId("bench"))]
        taken.append((time.process_time() - began) * 1000)
        ranks.append(found.index(name) + 1 if name in found else 0)
    whole = await _among_many(stage, documents, store, tenant, search, [row[3] for row in asked])
    await documents.close()
    # It imports numpy, which the embedding tells how many threads to use: so it comes after that.
    from rank_bm25 import BM25Okapi

    words = BM25Okapi([_words(f"{heading} {text}") for _, heading, text, _ in asked])
    by_words = []
    for index, (_, _, _, question) in enumerate(asked):
        scores = words.get_scores(_words(question))
        by_words.append(1 + sum(score > scores[index] for score in scores))
    rows = tuple(
        (name, shown(_recall(found)), shown(_mrr(found))) for name, found in (("vectors", ranks), ("BM25", by_words))
    )
    table = Table(f"{len(asked)} questions over as many documents", ("search", "recall@5", "MRR"), rows)
    table.show(console)
    verdicts = [
        Verdict("Misses of recall@5 by vectors", 1 - _recall(ranks), 1 - LEAST_RECALL, ""),
        Verdict("Misses of MRR by vectors", 1 - _mrr(ranks), 1 - LEAST_MRR, ""),
        Verdict("CPU of a search with its embedding, without the store", statistics.median(taken), MOST_MS, "ms"),
        Verdict(f"CPU of a search among {MANY:,} passages, with the emulator's", whole, MOST_MS, "ms"),
    ]
    results.add("knowledge", table, verdicts=verdicts)


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", text.lower())


def _recall(ranks: list[int]) -> float:
    return sum(1 <= rank <= _AMONG for rank in ranks) / len(ranks)


def _mrr(ranks: list[int]) -> float:
    return sum(1 / rank for rank in ranks if rank) / len(ranks)
