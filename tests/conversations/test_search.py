"""Search: one's own conversations, text as it is written, newest first, and honest about what it left out."""

import pytest

from common import limits
from common.conversations import search
from common.conversations.search import snippet
from tests.conversations.conftest import Product, Row, Serving


async def asked(product: Product, *questions: str) -> list[str]:
    ids = []
    for question in questions:
        product.clock.forward(seconds=1)
        ids.append((await product.send(question))["conversation_id"])
    return ids


async def hits(product: Product, text: str, **parameters: object) -> list[str]:
    body = await product.get("/messages/search", q=text, **parameters)
    return [hit["content"] for hit in body["results"]]


@pytest.mark.parametrize("cold", [False, True], ids=["warm", "cold"])
async def test_text_is_found_as_it_is_written_in_any_case_newest_first(product: Product, cold: bool) -> None:
    questions = ["Was 100% GenAI?", "was 100 x genai", "under_score", "underXscore", "ÜBER Größe", "a.c", "abc"]
    ids = await asked(product, *questions)
    if cold:
        await product.synced()
        for conversation_id in ids:
            product.forget(conversation_id)
        product.forget_list()
    assert await hits(product, "100%") == ["Was 100% GenAI?"]
    assert await hits(product, "genai") == ["was 100 x genai", "Was 100% GenAI?"]
    assert await hits(product, "r_s") == ["under_score"]
    assert await hits(product, "über gr") == ["ÜBER Größe"]
    assert await hits(product, "A.C") == ["a.c"]
    assert await hits(product, "nothing of this kind") == []


async def test_a_hit_has_the_documented_shape(product: Product) -> None:
    (conversation_id,) = await asked(product, f"{'x' * 500} needle {'y' * 500}")
    body = await product.get("/messages/search", q="NEEDLE")
    (hit,) = body["results"]
    assert hit.keys() == {"message_id", "conversation_id", "content", "role", "created_at", "snippet"}
    assert (hit["conversation_id"], hit["role"], body["cut"]) == (conversation_id, "user", False)
    assert "needle" in hit["snippet"]
    assert len(hit["snippet"]) <= search.SNIPPET_CHARS + 2


@pytest.mark.parametrize("text", ["", "   "])
async def test_an_empty_search_finds_nothing_and_asks_nobody(product: Product, text: str) -> None:
    await asked(product, "something")
    product.firestore.reset()
    assert await product.get("/messages/search", q=text) == {"results": [], "cut": False}
    assert product.firestore.calls() == {"BatchGetDocuments": 1}


async def test_another_users_words_are_not_found(product: Product) -> None:
    await asked(product, "my secret plan")
    await product.synced()
    response = await product.call(
        "GET", "/messages/search", params={"q": "secret plan"}, headers=product.headers("someone-else")
    )
    assert response.json() == {"results": [], "cut": False}


async def test_a_search_says_when_it_was_cut(product: Product) -> None:
    await asked(product, *(f"same word {index}" for index in range(4)))
    cut = await product.get("/messages/search", q="same", limit=3)
    assert [hit["content"] for hit in cut["results"]] == ["same word 3", "same word 2", "same word 1"]
    assert cut["cut"] is True
    assert (await product.get("/messages/search", q="same", limit=4))["cut"] is False


async def test_without_the_record_a_search_finds_what_is_recent_and_says_it_was_cut(serving: Serving) -> None:
    product = await serving()
    await asked(product, "recent words")
    down = await serving(bigquery_emulator_host="http://127.0.0.1:9")
    down.user = product.user
    body: Row = await down.get("/messages/search", q="recent")
    assert [hit["content"] for hit in body["results"]] == ["recent words"]
    assert body["cut"] is True


async def test_a_text_that_is_too_long_is_refused(product: Product) -> None:
    response = await product.call("GET", "/messages/search", params={"q": "x" * (limits.SEARCH_CHARS + 1)})
    assert (response.status_code, response.json()["code"]) == (400, "invalid_request")


@pytest.mark.parametrize(
    ("content", "text", "shown"),
    [
        ("short", "ORT", "short"),
        (f"{'a' * 300}b", "b", f"…{'a' * (search.SNIPPET_CHARS - 1)}b"),
        (f"b{'a' * 300}", "b", f"b{'a' * (search.SNIPPET_CHARS - 1)}…"),
    ],
)
def test_a_snippet_is_the_part_around_the_hit(content: str, text: str, shown: str) -> None:
    assert snippet(content, text) == shown
