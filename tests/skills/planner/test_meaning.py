"""Models by words and by meaning: the order equals one in Python, and without an embedder or vectors it is by words."""

import random
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from common.knowledge.embedding.local import LocalEmbedder
from common.knowledge.embedding.spaces import LOCAL, VERTEX_AI
from local.data.catalog import cards
from local.data.catalog.reading import SMALL
from local.data.rows import Row
from local.embedding import WEIGHTS
from tests.fakes.embedding import MadeEmbeddings, vector_of
from tests.skills.conftest import Call, CountingWarehouse
from tests.skills.planner import ranking

Catalog = dict[str, list[Row]]
QUERIES = 40


@pytest.fixture(scope="module")
def signs() -> tuple[list[str], Any]:
    """The models that have a card, and the matrix of their signs."""
    rows = cards.read(SMALL)
    return [row["model_id"] for row in rows], np.array([row["embedding"] for row in rows])


def nearness(signs: tuple[list[str], Any], query: str) -> dict[str, float]:
    names, matrix = signs
    vector = np.array(vector_of(query, LOCAL.dimensions))
    cosines = matrix @ vector / np.linalg.norm(matrix, axis=1) / np.linalg.norm(vector)
    return dict(zip(names, cosines.tolist(), strict=True))


def test_every_model_has_a_card_of_the_local_space(catalog: Catalog) -> None:
    rows = cards.read(SMALL)
    assert {row["model_id"] for row in rows} == {row["model_id"] for row in catalog["models"]}
    assert {row["space"] for row in rows} == {LOCAL.name}
    assert all(len(row["embedding"]) == LOCAL.dimensions and set(row["embedding"]) == {-1.0, 1.0} for row in rows[:50])


async def test_words_and_meaning_rank_as_an_independent_ranking_does(
    plan: Call, catalog: Catalog, embeddings: MadeEmbeddings, signs: tuple[list[str], Any]
) -> None:
    embeddings.missing = False
    rows, dice = catalog["models"], random.Random(27)
    tags = sorted({row["pipeline_tag"] for row in rows if row["pipeline_tag"]})
    for _ in range(QUERIES):
        like = dice.choice(rows)
        words = [word for word in re.findall(r"[a-z0-9.]{4,}", like["model_id"].lower()) if word.strip(".") == word]
        words = list(dict.fromkeys(words))[:3] or ["qwen3"]
        asked: dict[str, Any] = {"query": " ".join(words), "top_k": dice.choice((1, 5, 50))}
        if dice.random() < 0.4:
            asked["pipeline_tag"] = dice.choice(tags)
        if dice.random() < 0.4:
            asked["license_filter"] = ["apache-2.0", "mit"]
        answer = await plan("search_models", **asked)
        assert answer["summary"]["ranked_by"] == "words and meaning"
        assert "vector" not in answer["parameters"]
        found = [(row["model_id"], row["score"]) for row in answer["rows"]]
        wanted = ranking.models(
            rows, words, asked.get("pipeline_tag"), asked.get("license_filter", ()), asked["top_k"],
            nearness(signs, asked["query"]),
        )  # fmt: skip
        assert [name for name, _ in found] == [name for name, _ in wanted], asked
        # The last digit of a sum of products is the machine's own.
        assert [score for _, score in found] == pytest.approx([score for _, score in wanted], abs=2e-6)


async def test_the_same_question_has_the_same_answer(plan: Call, embeddings: MadeEmbeddings) -> None:
    embeddings.missing = False
    answers = [await plan("search_models", query="reads handwriting", top_k=20) for _ in range(5)]
    assert all(each["rows"] == answers[0]["rows"] for each in answers)
    assert answers[0]["row_count"] == 20
    assert answers[0]["bytes_processed"] <= 15_000_000


@pytest.mark.parametrize("why", ["no embedder", "another space", "no cards"])
async def test_without_a_vector_to_compare_it_ranks_by_words_and_says_so(
    plan: Call, embeddings: MadeEmbeddings, why: str
) -> None:
    by_words = await plan("search_models", query="qwen3 8b")
    assert by_words["summary"]["ranked_by"].startswith("words alone: no embedder is at hand")
    embeddings.missing = why == "no embedder"
    embeddings.space = (
        VERTEX_AI if why == "another space" else replace(LOCAL, model_id="none") if why == "no cards" else LOCAL
    )
    answer = await plan("search_models", query="qwen3 8b")
    assert answer["rows"] == by_words["rows"]
    assert answer["summary"]["ranked_by"] == by_words["summary"]["ranked_by"]


async def test_a_plan_is_the_same_with_and_without_an_embedder(
    plan: Call, embeddings: MadeEmbeddings, counting: CountingWarehouse
) -> None:
    llama = {"task_type": "inference", "domain": "language", "gpu_needed": True, "model": "Llama 70B"}
    without = await plan("plan_deployment", **llama)
    embeddings.missing = False
    counting.ran.clear()
    assert (await plan("plan_deployment", **llama))["summary"] == without["summary"]
    assert embeddings.asked == []


@pytest.mark.skipif(not (WEIGHTS / "model.safetensors").is_file(), reason="make installs the weights")
async def test_what_people_mean_is_found_without_its_words(
    plan_in: Any, counting: CountingWarehouse, embeddings: MadeEmbeddings
) -> None:
    real = LocalEmbedder(WEIGHTS)
    embeddings.missing = False
    embeddings.embed = real.embed  # type: ignore[method-assign]
    call = plan_in(counting)
    for query, task in (
        ("turn a picture into a caption", "image-text-to-text"),
        ("recognise what is spoken in audio", "automatic-speech-recognition"),
    ):
        tasks = [row["pipeline_tag"] for row in (await call("search_models", query=query))["rows"]]
        assert tasks[0] == task, (query, tasks)
