"""A question back to the user: over JSON and events, answered by its id or by the next message, and never for ever."""

import json
import uuid
from datetime import timedelta
from typing import Any

import httpx
import pytest

from common import limits
from common.agents.asking_back import AskedBack
from common.models.completion import Reply, ToolCall, Usage
from tests.fakes.scripted_model import ScriptedModel, Step, call_tool, say
from tests.turn.conftest import ACME, Product, Serving

QUESTION = "Which Mobile do you mean?"
CHOICES = ["the team Mobile", "the service Mobile"]
ASK = call_tool("ask_user", "call_ask", question=QUESTION, choices=CHOICES)
ALERT = ToolCall("call_alert", "create_alert", json.dumps({"name": "A", "threshold": 100, "currency": "USD"}))
DATA = call_tool("query_costs", "call_data", group_by=["provider"])


async def asked(product: Product) -> dict[str, Any]:
    """Ask something that is asked back, and return what the product says."""
    answer: dict[str, Any] = (await product.send("What does Mobile cost?")).json()
    assert answer["finish"] == "question", answer
    return answer


async def reply(product: Product, answer: dict[str, Any], headers: dict[str, str] | None = None, **given: Any) -> Any:
    body = {"conversation_id": answer["conversation_id"], "answer": {"id": answer["question"]["id"], **given}}
    return await product.client.post("/send", json=body, headers=ACME | (headers or {}))


def told(model: ScriptedModel) -> Any:
    """The result that the asking call got."""
    results = [each for each in model.calls[-1].messages if each["role"] == "tool"]
    return json.loads(results[-1]["content"])


async def test_the_answer_asks_with_choices_and_says_so_in_words_too(serving: Serving) -> None:
    product: Product = await serving(ScriptedModel([ASK]))
    answer = await asked(product)
    assert answer["question"] == {
        "id": answer["question"]["id"], "agent_name": "CostAnalyst", "question": QUESTION, "choices": CHOICES,
        "multiple": False,
    }  # fmt: skip
    assert answer["response"] == f"{QUESTION}\n\n1. the team Mobile\n2. the service Mobile"
    stored = product.messages(answer["conversation_id"])
    assert [(each["role"], each["finish"]) for each in stored] == [("user", None), ("assistant", "question")]


async def test_events_have_the_question_before_the_end(serving: Serving) -> None:
    product: Product = await serving(ScriptedModel([ASK]))
    response = await product.client.post("/stream", json={"message": "Mobile?"}, headers=ACME)
    names = [line.removeprefix("event: ") for line in response.text.splitlines() if line.startswith("event:")]
    assert names == ["start", "agent", "token", "question", "done"]
    data = [json.loads(line.removeprefix("data: ")) for line in response.text.splitlines() if line[:5] == "data:"]
    assert data[-2] == data[-1]["question"]
    assert data[-1]["finish"] == "question"


@pytest.mark.parametrize(
    ("given", "said", "result"),
    [
        ({"choices": [CHOICES[1]]}, CHOICES[1], {"answer": CHOICES[1], "choices": [CHOICES[1]]}),
        ({"text": "both of them"}, "both of them", {"answer": "both of them"}),
    ],
)
async def test_an_answer_goes_on_with_the_same_question(
    serving: Serving, given: dict[str, Any], said: str, result: dict[str, Any]
) -> None:
    model = ScriptedModel([ASK, say("It costs 5.")])
    product: Product = await serving(model)
    answer = await asked(product)
    final = (await reply(product, answer, **given)).json()
    assert (final["response"].strip(), final["finish"]) == ("It costs 5.", "stop")
    assert told(model) == result
    # The model reads the first question, its own call and the answer; nothing of it twice.
    roles = [(each["role"], each["content"]) for each in model.calls[-1].messages[1:]]
    assert roles[0] == ("user", "What does Mobile cost?")
    assert [role for role, _ in roles] == ["user", "assistant", "tool"]
    stored = product.messages(answer["conversation_id"])
    assert [each["content"].strip() for each in stored] == [
        "What does Mobile cost?", answer["response"], said, "It costs 5.",
    ]  # fmt: skip
    # The same answer again is answered once.
    again = (await reply(product, answer, **given)).json()
    assert again["message_id"] == final["message_id"]
    assert len(model.calls) == 2


@pytest.mark.parametrize(
    ("said", "choices"),
    [("2", [CHOICES[1]]), ("The team mobile.", [CHOICES[0]]), ("3", None), ("What do you mean?", None)],
)
async def test_the_next_message_is_the_answer(serving: Serving, said: str, choices: list[str] | None) -> None:
    model = ScriptedModel([ASK, say("Fine."), say("Next.")])
    product: Product = await serving(model)
    answer = await asked(product)
    final = (await product.send(said, conversation_id=answer["conversation_id"])).json()
    assert final["response"].strip() == "Fine."
    assert told(model) == {"answer": said} | ({"choices": choices} if choices else {})
    # Afterwards all of it is history, once each.
    await product.send("And then?", conversation_id=answer["conversation_id"])
    contents = [each["content"].strip() for each in model.calls[-1].messages[1:]]
    assert contents == ["What does Mobile cost?", answer["response"], said, "Fine.", "And then?"]


async def test_results_from_before_the_question_are_still_there_after_it(serving: Serving) -> None:
    model = ScriptedModel([DATA, ASK, say("Fine.")])
    product: Product = await serving(model)
    answer = await asked(product)
    await reply(product, answer, choices=CHOICES[:1])
    assert [each["role"] for each in model.calls[-1].messages[1:]] == ["user", *["assistant", "tool"] * 2]


async def test_the_fourth_question_in_a_row_is_not_asked(serving: Serving) -> None:
    product: Product = await serving(model := ScriptedModel([ASK, ASK, ASK, ASK, say("I take the team.")]))
    answer = await asked(product)
    for _ in range(limits.MAX_ASKED_BACK - 1):
        answer = (await reply(product, answer, text="I do not know")).json()
        assert answer["finish"] == "question"
    final = (await reply(product, answer, text="I do not know")).json()
    assert (final["response"].strip(), final["finish"]) == ("I take the team.", "stop")
    assert told(model)["error"]["code"] == "too_many_questions"
    history = product.messages(answer["conversation_id"])
    assert [each["role"] for each in history] == ["user", "assistant"] * 4
    # All of one question: the model reads the first one, and what it asked.
    assert [each["role"] for each in model.calls[-1].messages[1:]] == ["user", *["assistant", "tool"] * 4]


async def test_one_question_at_a_time_and_no_change_beside_it(serving: Serving) -> None:
    second = ToolCall("call_2", "ask_user", json.dumps({"question": "And?"}))
    both = Reply("", (*ASK.tool_calls, second, ALERT), Usage(1, 1), "tool_calls")
    model = ScriptedModel([call_tool("transfer_to_agent", agent_name="AlertManager"), both, say("Fine.")])
    product: Product = await serving(model)
    answer = await asked(product)
    assert "approvals" not in answer
    assert answer["question"]["question"] == QUESTION
    await reply(product, answer, text="so")
    results = [json.loads(each["content"]) for each in model.calls[-1].messages if each["role"] == "tool"]
    assert [each.get("error", {}).get("code") for each in results] == ["one_question", "asked_first", None]


@pytest.mark.parametrize(
    "arguments",
    [
        {"question": ""}, {"choices": CHOICES}, {"question": "?", "choices": ["x"] * 6}, {"question": "x" * 501},
        {"question": "?", "choices": [" "]}, {"question": "?", "org": "globex_inc"},
    ],
)  # fmt: skip
async def test_a_question_that_is_none_is_an_answer_to_the_model(serving: Serving, arguments: dict[str, Any]) -> None:
    product: Product = await serving(model := ScriptedModel([call_tool("ask_user", **arguments), say("Sorry.")]))
    answer = (await product.send()).json()
    assert (answer["finish"], answer["response"].strip()) == ("stop", "Sorry.")
    assert told(model)["error"]["code"] == "invalid_arguments"


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"choices": ["the moon"]}, "choose among the team Mobile, the service Mobile"),
        ({"choices": CHOICES}, "choose one"),
        ({"choices": CHOICES[:1], "text": "x"}, "one of the two"),
        ({}, "one of the two"),
        ({"choices": ["x"] * 6}, "answer"),
    ],
)
async def test_an_answer_that_was_not_offered_is_refused_and_the_question_waits_on(
    serving: Serving, given: dict[str, Any], sentence: str
) -> None:
    product: Product = await serving(ScriptedModel([ASK, say("Fine.")]))
    answer = await asked(product)
    refused = await reply(product, answer, **given)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_body")
    assert sentence in refused.json()["detail"]
    assert (await reply(product, answer, choices=CHOICES[:1])).json()["response"].strip() == "Fine."


async def test_what_comes_too_late_is_told_apart(serving: Serving) -> None:
    product: Product = await serving(ScriptedModel([ASK, say("Fine."), ASK, say("Later.")]))
    answer = await asked(product)
    unknown = {**answer, "question": {**answer["question"], "id": "another"}}
    assert (await reply(product, unknown, text="x")).json()["code"] == "question_gone"
    await reply(product, answer, choices=CHOICES[:1])
    late = await reply(product, answer, choices=CHOICES[1:])
    assert (late.status_code, late.json()["code"]) == (409, "question_answered")
    second = await asked(product)
    product.clock.now += timedelta(hours=limits.APPROVAL_HOURS, seconds=1)
    expired = await reply(product, second, choices=CHOICES[:1])
    assert (expired.status_code, expired.json()["code"]) == (409, "question_expired")
    # The conversation goes on: a message is one of its own then.
    final = (await product.send("the team", conversation_id=second["conversation_id"])).json()
    assert final["finish"] == "stop"


async def test_nobody_else_answers(serving: Serving) -> None:
    product: Product = await serving(ScriptedModel([ASK, say("Fine.")]))
    answer = await asked(product)
    for headers in ({"X-User-Id": "somebody"}, {"X-Org-Slug": "globex_inc", "X-API-Key": "demo-globex-key"}):
        other = await reply(product, answer, headers, choices=CHOICES[:1])
        assert (other.status_code, other.json()["code"]) == (404, "conversation_not_found")


async def test_it_survives_a_restart_and_an_attempt_that_failed(serving: Serving) -> None:
    from common.errors import ProviderUnavailable

    first: Product = await serving(ScriptedModel([ASK]))
    answer = await asked(first)
    # Another instance, whose provider is down at first.
    steps: list[Step] = [ProviderUnavailable(), say("Fine.")]
    second: Product = await serving(model := ScriptedModel(steps))
    body = {"conversation_id": answer["conversation_id"], "message": "1", "message_id": uuid.uuid4().hex}
    failed: httpx.Response = await second.client.post("/send", json=body, headers=ACME)
    assert failed.status_code == 503
    final = (await second.client.post("/send", json=body, headers=ACME)).json()
    assert final["response"].strip() == "Fine."
    assert told(model) == {"answer": "1", "choices": [CHOICES[0]]}
    contents = [each["content"].strip() for each in second.messages(answer["conversation_id"])]
    assert contents == ["What does Mobile cost?", answer["response"], "1", "Fine."]


async def test_the_stored_question_is_said_again_with_what_waits(serving: Serving) -> None:
    product: Product = await serving(model := ScriptedModel([ASK]))
    body = {"message": "Mobile?", "message_id": uuid.uuid4().hex}
    first = (await product.client.post("/send", json=body, headers=ACME)).json()
    again = (await product.client.post("/send", json=body, headers=ACME)).json()
    assert again["question"] == first["question"]
    assert len(model.calls) == 1


@pytest.mark.parametrize(
    ("said", "chosen"),
    [("1, 3", ["A", "C"]), ("a and c", ["A", "C"]), ("B", ["B"]), ("a and d", []), ("", []), ("0", []), ("4", [])],
)
def test_several_choices_are_read_where_several_may_be_taken(said: str, chosen: list[str]) -> None:
    asked = AskedBack(question="?", choices=("A", "B", "C"), multiple=True)
    assert asked.chosen(said) == chosen
    assert AskedBack(question="?", choices=("A", "B", "C")).chosen("1, 3") == []
