"""What was said: in pages, exported, rated, and unchanged whatever it is."""

import json
import uuid
from typing import Any

import pytest

from common import limits
from common.conversations import messages as messages_module
from common.tools.result import read_model_message
from tests.conversations.conftest import Product, Row, Serving
from tests.fakes.scripted_model import ScriptedModel, call_tool, say

ODD_TEXTS = {
    "emoji": "👩‍👩‍👧‍👦 🇩🇪 ❤️‍🔥",
    "right to left": "\u202eمرحبا שלום\u202c \u200f",
    "control characters": "".join(map(chr, range(1, 32))) + "\x7f\x85\u2028\ufeff",
    "markdown": "# a\n\n| x | y |\n|---|---|\n| `1` | **2** |\n\n```sql\nSELECT 1\n```",
    "json": '{"a": [1, null, "\\u0000"], "b": "\\\\"}',
    "sql": "'; DROP TABLE x; -- \" ` \\' @param {shared.org_api_keys} %s _ %",
    "combining": "e\u0301 vs é, Å vs Å",
    "longest": "x😀" * (limits.MAX_MESSAGE_CHARS // 2),
}


async def talked(product: Product, count: int) -> str:
    """A conversation with this many questions, each answered."""
    conversation_id: str = (await product.send("question 0"))["conversation_id"]
    for index in range(1, count):
        await product.send(f"question {index}", conversation_id=conversation_id)
    return conversation_id


async def read(product: Product, conversation_id: str, limit: int) -> list[Row]:
    """All messages, page by page."""
    found: list[Row] = []
    parameters: Row = {"limit": limit}
    while True:
        page = await product.get(f"/conversations/{conversation_id}/messages", **parameters)
        found += page["messages"]
        if "next_cursor" not in page:
            return found
        parameters["cursor"] = page["next_cursor"]


async def exported(product: Product, conversation_id: str) -> Any:
    response = await product.call("GET", f"/conversations/{conversation_id}/export")
    assert response.status_code == 200, response.text
    assert response.headers["content-disposition"].startswith("attachment")
    return response.json()


async def test_a_history_has_the_documented_shape(product: Product) -> None:
    conversation_id = await talked(product, 1)
    body = await product.get(f"/conversations/{conversation_id}/messages")
    assert body.keys() == {"org_slug", "conversation_id", "messages", "escalated"}
    question, answer = body["messages"]
    assert question.keys() == answer.keys() >= {
        "message_id", "role", "content", "agent_name", "tool_calls_json", "model_id", "created_at", "status",
    }  # fmt: skip
    assert (question["role"], question["content"]) == ("user", "question 0")
    assert (answer["role"], answer["content"], answer["model_id"]) == ("assistant", "ok ", "analyst-1")
    assert question["created_at"] < answer["created_at"]


@pytest.mark.parametrize("limit", [1, 3, 8, 9])
async def test_pages_hold_every_message_once_oldest_first(product: Product, limit: int) -> None:
    conversation_id = await talked(product, 4)
    messages = await read(product, conversation_id, limit)
    assert [message["content"] for message in messages] == [
        text for index in range(4) for text in (f"question {index}", "ok ")
    ]
    assert len({message["message_id"] for message in messages}) == 8


@pytest.mark.parametrize("kept", [(), (0, 1), (2, 5), (7,), (0, 1, 2, 3, 4, 5, 6)])
@pytest.mark.parametrize("limit", [3, 50])
async def test_messages_that_expired_come_from_the_record(product: Product, kept: tuple[int, ...], limit: int) -> None:
    conversation_id = await talked(product, 4)
    warm = await read(product, conversation_id, limit)
    await product.synced()
    for message in product.stored(conversation_id):
        if message["sequence"] not in kept:
            product.reference(conversation_id).collection("messages").document(message["message_id"]).delete()
    assert await read(product, conversation_id, limit) == warm
    product.firestore.reset()
    assert await read(product, conversation_id, limit) == warm
    pages = -(-8 // limit)
    assert product.firestore.calls() == {"BatchGetDocuments": pages, "RunQuery": pages}
    assert [message["sequence"] for message in product.stored(conversation_id)] == list(range(8))


async def test_a_cold_conversation_is_read_continued_and_renamed_like_a_warm_one(serving: Serving) -> None:
    model = ScriptedModel([say("one"), say("two")])
    product = await serving(model)
    conversation_id = await talked(product, 2)
    await product.synced()
    warm = await read(product, conversation_id, 50)
    export = await exported(product, conversation_id)
    product.forget(conversation_id)
    product.forget_list()
    assert await read(product, conversation_id, 50) == warm
    assert await exported(product, conversation_id) == export
    product.forget(conversation_id)
    await product.send("third question", conversation_id=conversation_id)
    assert [message["content"] for message in model.calls[-1].messages][1:] == [
        "question 0", "one ", "question 1", "two ", "third question",
    ]  # fmt: skip
    assert len(await read(product, conversation_id, 50)) == 6
    await product.synced()
    product.forget(conversation_id)
    await product.call("PATCH", f"/conversations/{conversation_id}/rename", json={"title": "still here"})
    await product.send("fourth question", conversation_id=conversation_id)
    await product.synced()
    (row,) = product.record("org_chat_conversations", conversation_id)
    assert (row["title"], row["message_count"]) == ("still here", 8)
    messages = product.record("org_chat_messages", conversation_id)
    assert [message["content"] for message in messages][::2] == [
        "question 0", "question 1", "third question", "fourth question",
    ]  # fmt: skip


async def test_a_retry_into_a_cold_conversation_gets_the_answer_of_the_record(serving: Serving) -> None:
    model = ScriptedModel([say("once")])
    product = await serving(model)
    conversation_id = await talked(product, 1)
    message_id = uuid.uuid4().hex
    first = await product.send("again", conversation_id=conversation_id, message_id=message_id)
    await product.synced()
    product.forget(conversation_id)
    again = await product.send("again", conversation_id=conversation_id, message_id=message_id)
    assert (again["message_id"], again["response"]) == (first["message_id"], first["response"])
    assert len(model.calls) == 2


@pytest.mark.parametrize("name", ODD_TEXTS)
async def test_contents_survive_unchanged(serving: Serving, name: str) -> None:
    text = ODD_TEXTS[name]
    product = await serving(ScriptedModel([say(text)]))
    conversation_id = (await product.send(text))["conversation_id"]
    await product.synced()
    wanted = [text, f"{text} "]
    for _ in range(2):
        assert [message["content"] for message in await read(product, conversation_id, 50)] == wanted
        assert [message["content"] for message in (await exported(product, conversation_id))["messages"]] == wanted
        product.forget(conversation_id)
    assert [row["content"] for row in product.record("org_chat_messages", conversation_id)] == wanted


async def test_a_conversation_stays_below_what_a_document_holds_whatever_is_said(serving: Serving) -> None:
    worst = "\x01" * limits.MAX_MESSAGE_CHARS
    product = await serving(ScriptedModel([say("\x02" * 400_000)]))
    conversation_id = (await product.send(worst))["conversation_id"]
    for _ in range(4):
        await product.send(worst, conversation_id=conversation_id)
    document = product.reference(conversation_id).get().to_dict()
    assert sum(len(str(value).encode()) for value in document.values()) < 1_000_000
    assert [len(message["content"]) for message in product.stored(conversation_id)][:2] == [10_000, 400_001]


async def test_an_export_holds_tool_calls_and_usage(serving: Serving) -> None:
    steps = [call_tool("query_costs", group_by="provider"), say("Here it is.")]
    product = await serving(ScriptedModel(steps))
    conversation_id = (await product.send())["conversation_id"]
    body = await exported(product, conversation_id)
    assert (body["schema_version"], body["org_slug"], body["user_id"]) == (1, "acme_inc", product.user)
    assert body["conversation"]["conversation_id"] == conversation_id
    question, answer = body["messages"]
    assert question["usage"] is None
    assert answer["usage"] == {"input_tokens": 20, "output_tokens": 10}
    assert [call["name"] for call in answer["tool_calls"]] == ["query_costs"]
    assert answer["tool_results"][0]["result"]["rows"]


async def test_a_chart_is_there_again_whenever_the_answer_is_read(serving: Serving) -> None:
    steps = [call_tool("query_costs", group_by="provider"), say("Here it is.")]
    model = ScriptedModel(steps)
    product = await serving(model)
    conversation_id = (await product.send())["conversation_id"]
    told = read_model_message(json.loads(str(model.calls[-1].messages[-1]["content"])))
    assert told["rows"]
    assert "chart" not in told
    await product.synced()
    charts = []
    for _ in range(2):
        (result,) = json.loads((await read(product, conversation_id, 50))[1]["tool_results_json"])
        (same,) = (await exported(product, conversation_id))["messages"][1]["tool_results"]
        assert result == same
        assert (result["result"]["rows"], result["result"]["summary"]) == (told["rows"], told["summary"])
        charts.append(result["result"]["chart"])
        product.forget(conversation_id)
    assert charts[0] == charts[1]
    assert charts[0]["data"]["values"][0]["provider"] == told["rows"][0]["provider"]
    (audited,) = product.record("org_chat_tool_calls", conversation_id)
    assert "vega" not in json.dumps(audited, default=str)


async def test_a_page_of_long_answers_is_shorter_and_none_is_lost(
    product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation_id = await talked(product, 3)
    whole = await read(product, conversation_id, 50)
    first = len("question 0") + len("ok ")
    for most, count in ((first, 2), (first - 1, 1), (1, 1)):
        monkeypatch.setattr(messages_module, "PAGE_BYTES", most)
        page = await product.get(f"/conversations/{conversation_id}/messages", limit=50)
        assert len(page["messages"]) == count
        assert await read(product, conversation_id, 50) == whole


async def test_an_export_of_many_pages_holds_every_message_once(
    product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messages_module, "EXPORT_PAGE", 3)
    conversation_id = await talked(product, 4)
    messages = (await exported(product, conversation_id))["messages"]
    assert [message["content"] for message in messages][::2] == [f"question {index}" for index in range(4)]


async def test_a_rating_shows_in_the_history_and_on_the_record(product: Product) -> None:
    conversation_id = await talked(product, 1)
    answer = product.stored(conversation_id)[1]["message_id"]
    path = f"/conversations/{conversation_id}/messages/{answer}/feedback"
    body = {"rating": "down", "reason": "wrong_numbers", "comment": "Das ist falsch 👎"}
    first = await product.call("POST", path, json=body)
    assert first.json() == {"status": "stored", "conversation_id": conversation_id, "message_id": answer, **body}
    assert (await read(product, conversation_id, 50))[1]["feedback"] == body
    await product.synced()
    product.clock.forward(minutes=5)
    for _ in range(2):
        assert (await product.call("POST", path, json={"rating": "up"})).status_code == 200
    await product.synced()
    (row,) = product.record("org_chat_feedback", conversation_id)
    assert (row["rating"], row["reason"], row["comment"]) == ("up", None, None)
    assert (row["user_id"], row["message_id"]) == (product.user, answer)
    product.forget(conversation_id)
    assert (await read(product, conversation_id, 50))[1]["feedback"]["rating"] == "up"


async def test_only_an_answer_can_be_rated(product: Product) -> None:
    conversation_id = await talked(product, 1)
    question = product.stored(conversation_id)[0]["message_id"]
    for message_id in (question, "no-such-message", "not an id"):
        path = f"/conversations/{conversation_id}/messages/{message_id}/feedback"
        response = await product.call("POST", path, json={"rating": "up"})
        assert (response.status_code, response.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    "body",
    [
        {}, {"rating": "sideways"}, {"rating": "up", "comment": "x" * (limits.FEEDBACK_COMMENT_CHARS + 1)},
        {"rating": "up", "reason": "x" * (limits.FEEDBACK_REASON_CHARS + 1)},
    ],
)  # fmt: skip
async def test_a_rating_that_is_none_is_refused(product: Product, body: Row) -> None:
    conversation_id = await talked(product, 1)
    answer = product.stored(conversation_id)[1]["message_id"]
    response = await product.call(
        "POST", f"/conversations/{conversation_id}/messages/{answer}/feedback", content=json.dumps(body)
    )
    assert (response.status_code, response.json()["code"]) == (422, "invalid_body")
