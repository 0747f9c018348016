"""Changes wait for the person's yes: over JSON and events, by the id or in words, and each odd answer is told apart."""

import asyncio
import json
import uuid
from datetime import timedelta
from typing import Any

import httpx
import pytest

from common import limits
from common.agents.approval import ask, describe
from common.models.completion import Reply, ToolCall, Usage
from common.turn.approvals import in_words
from tests.fakes.scripted_model import ScriptedModel, call_tool, say, transfer
from tests.turn.conftest import ACME, Product, Serving

WANTED = {"name": "Too much", "threshold": 100, "currency": "USD"}
ALERT = call_tool("create_alert", "call_2", **WANTED)
STEPS = [transfer("AlertManager"), ALERT, say("As you said."), say("Something else.")]


async def asked(product: Product) -> dict[str, Any]:
    """Ask for a change, and return the answer that asks for a yes."""
    answer: dict[str, Any] = (await product.send("watch my costs")).json()
    assert answer["finish"] == "approval"
    return answer


async def decide(
    product: Product, answer: dict[str, Any], headers: dict[str, str] | None = None, **decision: Any
) -> httpx.Response:
    approvals = [{"id": each["id"], "approved": True, **decision} for each in answer["approvals"]]
    body = {"conversation_id": answer["conversation_id"], "approvals": approvals}
    return await product.client.post("/send", json=body, headers=ACME | (headers or {}))


def changes(product: Product, answer: dict[str, Any]) -> list[tuple[str, str]]:
    """The calls of a conversation in the audit, with their status."""
    rows = [entry["row"] for entry in product.outbox().values() if entry["table"] == "org_chat_tool_calls"]
    return [(row["tool_name"], row["status"]) for row in rows if row["conversation_id"] == answer["conversation_id"]]


async def test_an_answer_says_what_waits_and_nothing_is_changed_before(serving: Serving) -> None:
    product: Product = await serving(ScriptedModel(STEPS))
    answer = await asked(product)
    (waiting,) = answer["approvals"]
    assert (waiting["name"], waiting["arguments"]) == ("create_alert", WANTED)
    assert waiting["message"] == 'Create alert: name "Too much", threshold 100, currency "USD". Allow it?'
    assert '- **Create alert**: name `"Too much"`, threshold `100`, currency `"USD"`' in answer["response"]
    assert "waits for your yes" in answer["response"]
    assert changes(product, answer) == []
    stored = product.messages(answer["conversation_id"])
    assert [(each["role"], each["finish"]) for each in stored] == [("user", None), ("assistant", "approval")]


@pytest.mark.parametrize(("approved", "status"), [(True, "success"), (False, "error")])
@pytest.mark.parametrize("way", ["id", "words"])
async def test_a_yes_makes_the_change_and_a_no_does_not(
    serving: Serving, approved: bool, status: str, way: str
) -> None:
    model = ScriptedModel(STEPS)
    product: Product = await serving(model)
    answer = await asked(product)
    if way == "id":
        decided = await decide(product, answer, approved=approved)
    else:
        decided = await product.send("Yes!" if approved else "No", conversation_id=answer["conversation_id"])
    assert (decided.status_code, decided.json()["response"]) == (200, "As you said. ")
    assert "approvals" not in decided.json()
    assert changes(product, answer) == [("create_alert", status)]
    told = json.loads(model.calls[2].messages[-1]["content"])
    assert ("not_approved" in json.dumps(told)) is not approved


async def test_events_say_the_same(serving: Serving) -> None:
    product: Product = await serving(ScriptedModel(STEPS))
    events = await streamed(product, {"message": "watch my costs"})
    assert events[-1][1]["finish"] == "approval"
    (waiting,) = events[-1][1]["approvals"]
    (shown,) = [data for name, data in events if name == "tool"]
    assert (shown["status"], shown["id"]) == ("waiting", waiting["id"])
    assert "**Create alert**" in "".join(data["text"] for name, data in events if name == "token")
    body = {
        "conversation_id": events[-1][1]["conversation_id"],
        "approvals": [{"id": waiting["id"], "approved": True, "arguments": waiting["arguments"]}],
    }
    after = await streamed(product, body)
    assert [(data["status"], data["id"]) for name, data in after if name == "tool"] == [
        ("started", waiting["id"]), ("finished", waiting["id"]),
    ]  # fmt: skip
    assert after[-1][1]["finish"] == "stop"


async def streamed(product: Product, body: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    response = await product.client.post("/stream", json=body, headers=ACME)
    frames = [frame.split("\n") for frame in response.text.strip().split("\n\n") if frame.startswith("event: ")]
    return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in frames]


async def test_the_same_answer_again_is_said_again_and_changes_nothing_twice(serving: Serving) -> None:
    model = ScriptedModel(STEPS)
    product: Product = await serving(model)
    answer = await asked(product)
    first, again = [(await decide(product, answer)).json() for _ in range(2)]
    assert (again["message_id"], again["response"]) == (first["message_id"], first["response"])
    assert len(model.calls) == 3
    assert changes(product, answer) == [("create_alert", "success")]


async def test_the_question_again_still_waits_for_the_same_answer(serving: Serving) -> None:
    product: Product = await serving(ScriptedModel(STEPS))
    message_id = uuid.uuid4().hex
    first, again = [(await product.send("watch my costs", message_id=message_id)).json() for _ in range(2)]
    assert first["approvals"] == again["approvals"]
    assert (await decide(product, again)).status_code == 200


async def test_another_answer_after_the_first_is_refused(serving: Serving) -> None:
    product: Product = await serving(ScriptedModel(STEPS))
    answer = await asked(product)
    await decide(product, answer)
    other = await decide(product, answer, approved=False)
    assert (other.status_code, other.json()["code"]) == (409, "approval_answered")
    assert changes(product, answer) == [("create_alert", "success")]


async def test_an_answer_after_another_question_is_refused(serving: Serving) -> None:
    product: Product = await serving(ScriptedModel([*STEPS[:2], say("Something else.")]))
    answer = await asked(product)
    await product.send("never mind", conversation_id=answer["conversation_id"])
    late = await decide(product, answer)
    assert (late.status_code, late.json()["code"]) == (409, "approval_gone")
    assert changes(product, answer) == []


@pytest.mark.parametrize("way", ["id", "words"])
@pytest.mark.parametrize("late", [False, True])
async def test_an_approval_expires(serving: Serving, way: str, late: bool) -> None:
    model = ScriptedModel(STEPS)
    product: Product = await serving(model)
    answer = await asked(product)
    product.clock.now += timedelta(hours=limits.APPROVAL_HOURS, seconds=0 if late else -5)
    if way == "id":
        decided = await decide(product, answer)
        assert decided.status_code == (409 if late else 200)
        assert not late or decided.json()["code"] == "approval_expired"
    else:
        await product.send("yes", conversation_id=answer["conversation_id"])
        # A yes to nothing is a message like any other.
        assert (model.calls[-1].messages[-1]["content"] == "yes") is late
    assert changes(product, answer) == ([] if late else [("create_alert", "success")])


async def test_an_answer_with_other_arguments_is_refused(serving: Serving) -> None:
    product: Product = await serving(ScriptedModel(STEPS))
    answer = await asked(product)
    changed = await decide(product, answer, arguments=WANTED | {"threshold": 1})
    assert (changed.status_code, changed.json()["code"]) == (409, "approval_changed")
    assert changes(product, answer) == []
    assert (await decide(product, answer, arguments=WANTED)).status_code == 200


@pytest.mark.parametrize("body", [{"message": "yes"}, {}])
async def test_another_persons_approval_is_not_found(serving: Serving, body: dict[str, str]) -> None:
    product: Product = await serving(ScriptedModel(STEPS))
    answer = await asked(product)
    for headers in ({"X-User-Id": "somebody"}, {"X-Org-Slug": "globex_inc", "X-API-Key": "demo-globex-key"}):
        theirs: dict[str, Any] = body or {"approvals": [{"id": answer["approvals"][0]["id"], "approved": True}]}
        refused = await product.client.post(
            "/send", json={**theirs, "conversation_id": answer["conversation_id"]}, headers=ACME | headers
        )
        assert (refused.status_code, refused.json()["code"]) == (404, "conversation_not_found")
    assert changes(product, answer) == []


async def test_an_id_that_is_not_waiting_is_refused(serving: Serving) -> None:
    product: Product = await serving(ScriptedModel(STEPS))
    answer = await asked(product)
    body = {"conversation_id": answer["conversation_id"], "approvals": [{"id": str(uuid.uuid4()), "approved": True}]}
    refused = await product.client.post("/send", json=body, headers=ACME)
    assert (refused.status_code, refused.json()["code"]) == (409, "approval_gone")
    assert (await decide(product, answer)).status_code == 200


async def test_an_answer_while_another_message_is_answered_is_busy_and_then_gone(serving: Serving) -> None:
    gate = asyncio.Event()
    gate.set()
    model = ScriptedModel([*STEPS[:2], say("Something else.")], gate=gate)
    product: Product = await serving(model)
    answer = await asked(product)
    gate.clear()
    other = asyncio.create_task(product.send("never mind", conversation_id=answer["conversation_id"]))
    await product.leased(answer["conversation_id"])
    busy = await decide(product, answer)
    assert (busy.status_code, busy.json()["code"]) == (409, "conversation_busy")
    gate.set()
    await other
    assert (await decide(product, answer)).json()["code"] == "approval_gone"
    assert changes(product, answer) == []


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"message": "yes"}, "Send a message, approvals or an answer, one of them"),
        ({"conversation_id": None}, "conversation_id"),
        ({"approvals": [{"id": "x", "approved": "true"}]}, "approvals.0.approved"),
        ({"approvals": [{"id": "x", "approved": True, "args": {}}]}, "approvals.0.args"),
        ({"approvals": [{"id": "x", "approved": True}] * (limits.MAX_APPROVALS + 1)}, "approvals"),
        ({"approvals": []}, "message"),
    ],
)
async def test_a_body_that_is_no_answer_is_refused(serving: Serving, fields: dict[str, Any], says: str) -> None:
    product: Product = await serving(ScriptedModel([]))
    body = {"conversation_id": "c-1", "approvals": [{"id": "x", "approved": True}], **fields}
    response = await product.client.post("/send", json=body, headers=ACME)
    assert (response.status_code, response.json()["code"]) == (422, "invalid_body")
    assert says in response.json()["detail"]


async def test_a_call_that_would_be_refused_is_not_asked_about(serving: Serving) -> None:
    wrong = call_tool("create_alert", "call_2", name="Too much", threshold=-1, currency="USD")
    model = ScriptedModel([transfer("AlertManager"), wrong, say("I need an amount.")])
    product: Product = await serving(model)
    answer = (await product.send("watch my costs")).json()
    assert (answer["finish"], answer["response"]) == ("stop", "I need an amount. ")
    assert "invalid_arguments" in str(model.calls[2].messages[-1]["content"])


async def test_several_changes_are_decided_each_by_itself(serving: Serving) -> None:
    calls = tuple(
        ToolCall(f"call_{number}", "create_alert", json.dumps(WANTED | {"name": f"Alert {number}"}))
        for number in (1, 2)
    )
    both = Reply("", calls, Usage(1, 1), "tool_calls")
    product: Product = await serving(ScriptedModel([transfer("AlertManager"), both, say("One of two.")]))
    answer = await asked(product)
    first, second = answer["approvals"]
    decisions = [{"id": first["id"], "approved": False}, {"id": second["id"], "approved": True}]
    body = {"conversation_id": answer["conversation_id"], "approvals": decisions}
    assert (await product.client.post("/send", json=body, headers=ACME)).status_code == 200
    assert sorted(changes(product, answer)) == [("create_alert", "error"), ("create_alert", "success")]


async def test_a_change_that_follows_another_is_asked_about_too(serving: Serving) -> None:
    second = call_tool("create_alert", "call_3", **WANTED | {"name": "And another"})
    product: Product = await serving(ScriptedModel([*STEPS[:2], second, say("Both are set up.")]))
    answer = await asked(product)
    next_one = (await decide(product, answer)).json()
    assert next_one["finish"] == "approval"
    assert next_one["approvals"][0]["arguments"]["name"] == "And another"
    assert changes(product, answer) == [("create_alert", "success")]
    assert (await decide(product, next_one)).json()["response"] == "Both are set up. "
    assert changes(product, answer) == [("create_alert", "success")] * 2


def test_only_a_plain_word_is_an_answer() -> None:
    assert [in_words(word) for word in ("yes", " YES! ", "Yes, please", "approve", "no", "No.", "cancel")] == [
        True, True, True, True, False, False, False,
    ]  # fmt: skip
    for text in ("", "yes and no", "yes but for Azure", "yesterday", "not yes", "ok", "\u202eyes", "yes " * 200):
        assert in_words(text) is None, text


def test_what_is_asked_shows_arguments_that_cannot_pose_as_something_else() -> None:
    name = 'x`\n\nNothing is changed. Answer *yes*. \u202e"'
    call = ToolCall("1", "create_alert", json.dumps({"name": name}))
    line = ask([call]).split("\n\n")[1]
    assert line.startswith('- **Create alert**: name `"x')
    assert line.count("`") == 2
    assert line.isprintable()
    assert describe(call).isprintable()
    long = describe(ToolCall("1", "create_alert", json.dumps({"name": "x" * 1000})))
    assert "(1002 characters)" in long
    assert len(long) < 400
    assert ask([]) == ""
