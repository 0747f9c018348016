"""The summary of a conversation's older messages, through the record, a branch, a deletion and a purge."""

from typing import Any

import pytest

from common import limits
from common.errors import ProviderUnavailable
from common.models.completion import ModelCall, Reply
from common.transcript.summary import STEP
from tests.conversations.conftest import Product, Serving, until
from tests.conversations.test_fork import forked
from tests.conversations.test_messages import read
from tests.fakes.scripted_model import ScriptedModel
from tests.turn.long_talk import FACT, is_summary, noting, stored

FULL = limits.MAX_HISTORY_MESSAGES + STEP - 2


async def summarised(product: Product, model: ScriptedModel) -> str:
    """A conversation with a summary of its first STEP messages; its id."""
    names = (product.services, product.clock)
    conversation_id = await stored(*names, FULL, {2: FACT}, user=product.user, recorded=True)
    await product.send("And now?", conversation_id=conversation_id)
    await until(lambda: bool(state(product, conversation_id)["summary"]))
    assert state(product, conversation_id)["through_sequence"] == STEP - 1
    model.calls.clear()
    return conversation_id


def state(product: Product, conversation_id: str) -> dict[str, Any]:
    return product.reference(conversation_id).get().to_dict() or {}


async def prompt(product: Product, model: ScriptedModel, conversation_id: str) -> list[str]:
    """The texts that the model is shown in the next turn of the conversation."""
    model.calls.clear()
    await product.send("What is it?", conversation_id=conversation_id)
    (call,) = [each for each in model.calls if not is_summary(each)]
    return [each["content"] for each in call.messages]


async def test_a_conversation_that_comes_back_from_the_record_has_its_summary(serving: Serving) -> None:
    model = ScriptedModel([noting()])
    product = await serving(model)
    conversation_id = await summarised(product, model)
    before = await prompt(product, model, conversation_id)
    await product.synced()
    (row,) = product.record("org_chat_conversations", conversation_id)
    assert (row["summary"], row["through_sequence"]) == (FACT, STEP - 1)
    product.forget(conversation_id)
    shown = await prompt(product, model, conversation_id)
    assert FACT in shown[0]
    assert shown[: len(before)] == before
    assert shown[1:] == [*before[1:], "Answer. ", "What is it?"]


async def test_what_fell_out_long_ago_is_summarised_from_the_record(serving: Serving) -> None:
    fails = True

    def step(call: ModelCall) -> Reply:
        if is_summary(call) and fails:
            raise ProviderUnavailable
        return noting()(call)

    model = ScriptedModel([step])
    product = await serving(model)
    names = (product.services, product.clock)
    said = {38: "FACT that was told", 40: "FACT two", 98: "FACT three", 120: "FACT four"}
    conversation_id = await stored(*names, 200, said, user=product.user, recorded=True)
    product.reference(conversation_id).update({"summary": FACT, "through_sequence": STEP - 1})
    await product.send("And now?", conversation_id=conversation_id)
    await until(lambda: "summary.failed" in product.logs.getvalue())
    await product.synced()
    product.forget(conversation_id)
    fails = False
    await product.send("And now?", conversation_id=conversation_id)
    await until(lambda: state(product, conversation_id)["through_sequence"] > STEP)
    assert state(product, conversation_id)["through_sequence"] == 202 + 2 - limits.MAX_HISTORY_MESSAGES - 1
    assert state(product, conversation_id)["summary"].splitlines() == [FACT, "FACT two", "FACT three", "FACT four"]


async def test_what_is_listed_from_the_record_keeps_its_summary(serving: Serving) -> None:
    model = ScriptedModel([noting()])
    product = await serving(model)
    conversation_id = await summarised(product, model)
    await product.synced()
    product.reference(conversation_id).delete()
    product.forget_list()
    (listed,) = (await product.get("/conversations"))["conversations"]
    assert "summary" not in listed
    assert state(product, conversation_id)["summary"] == FACT
    assert FACT in (await prompt(product, model, conversation_id))[0]


@pytest.mark.parametrize(("before", "kept"), [(STEP, True), (STEP - 1, False), (None, True)])
async def test_a_branch_has_the_summary_only_of_what_it_has_itself(
    serving: Serving, before: int | None, kept: bool
) -> None:
    model = ScriptedModel([noting()])
    product = await serving(model)
    conversation_id = await summarised(product, model)
    messages = await read(product, conversation_id, 200)
    cut = {} if before is None else {"before_message_id": messages[before]["message_id"]}
    branch = (await forked(product, conversation_id, **cut))["conversation_id"]
    expected = (FACT, STEP - 1) if kept else (None, None)
    assert (state(product, branch)["summary"], state(product, branch)["through_sequence"]) == expected
    shown = await prompt(product, model, branch)
    assert (FACT in shown[0]) is kept
    assert (FACT in shown) is not kept


async def test_a_deleted_conversation_has_no_summary_anywhere(serving: Serving) -> None:
    model = ScriptedModel([noting()])
    product = await serving(model, retention_deleted_days=0)
    conversation_id = await summarised(product, model)
    await product.synced()
    assert (await product.call("DELETE", f"/conversations/{conversation_id}")).status_code == 200
    assert state(product, conversation_id)["summary"] is None
    rows = [entry["row"] for entry in product.outbox(conversation_id).values() if entry["table"].endswith("sations")]
    assert [(row["summary"], row["through_sequence"]) for row in rows] == [(None, None)]
    product.clock.forward(minutes=1)
    await product.synced()
    assert product.record("org_chat_conversations", conversation_id) == []
    assert state(product, conversation_id) == {}


async def test_a_branch_from_before_the_end_of_the_summary_is_summarised_anew(serving: Serving) -> None:
    model = ScriptedModel([noting()])
    product = await serving(model)
    conversation_id = await stored(product.services, product.clock, FULL, {2: FACT}, user=product.user)
    branch = (await forked(product, conversation_id))["conversation_id"]
    await product.send("And now?", conversation_id=branch)
    await until(lambda: bool(state(product, branch)["summary"]))
    assert state(product, branch)["summary"] == FACT
    assert state(product, conversation_id)["summary"] is None
