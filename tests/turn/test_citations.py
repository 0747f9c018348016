"""Passages that a turn has read are cited by number: in JSON, events, histories and exports, and no other number is."""

import json
import uuid
from typing import Any

import pytest

from common.models.completion import ModelCall, Reply, ToolCall, Usage
from common.tools.result import read_model_message
from tests.agents.test_consulting import consult, results
from tests.fakes.scripted_model import ScriptedModel, Step, call_tool, say, transfer
from tests.fakes.shelf import CONTRACT, HOSTILE, POLICY, Shelf
from tests.turn.conftest import ACME, Product, Serving
from tests.turn.test_approvals import changes, decide
from tests.turn.test_consulting import agent_of

SEARCH = call_tool("search_knowledge", "call_search", query="Which tags are required?")
POLICY_SHOWN = {
    "number": 1, "document_id": "doc-policy", "document": "Tagging policy.pdf", "page": 3,
    "heading": "Tagging > Required tags", "excerpt": POLICY[4],
}  # fmt: skip
CONTRACT_SHOWN = {
    "number": 2, "document_id": "doc-contract", "document": "Contract.docx", "page": None, "heading": "Discounts",
    "excerpt": CONTRACT[4],
}  # fmt: skip


async def served(serving: Serving, *steps: Step, passages: tuple[Any, ...] = (POLICY, CONTRACT)) -> tuple[Product, Any]:
    product: Product = await serving(ScriptedModel([transfer("Librarian"), *steps]))
    return product, Shelf(passages).put_into(product.services)


def shown_last(product: Product) -> ModelCall:
    """The last call of the model."""
    assert isinstance(product.services.model, ScriptedModel)
    return product.services.model.calls[-1]


async def test_an_answer_has_the_passages_that_it_cites_everywhere(serving: Serving) -> None:
    said = "The tag cost-center is required [1]. It takes 480,000 USD [2][9], at 12.5 % [7]."
    product, shelf = await served(serving, SEARCH, say(said))
    body = (await product.send("Which tags are required?")).json()
    assert body["response"].strip() == "The tag cost-center is required [1]. It takes 480,000 USD [2], at 12.5 %."
    assert body["citations"] == [POLICY_SHOWN, CONTRACT_SHOWN]
    assert (body["agent_name"], body["unverified_figures"]) == ("Librarian", [])
    assert shelf.asked == [("acme_inc", "Which tags are required?", 5)]
    stored = product.messages(body["conversation_id"])[1]
    assert json.loads(stored["citations_json"]) == body["citations"]
    rows = [entry["row"] for entry in product.outbox().values() if entry["table"] == "org_chat_messages"]
    kept = [row["citations_json"] for row in rows if row["message_id"] == body["message_id"]]
    assert [json.loads(each) for each in kept] == [body["citations"]]


async def test_a_stream_lets_no_other_number_out_and_ends_with_the_citations(serving: Serving) -> None:
    code = "```sql\nSELECT tags[7], more[1]\n```"
    product, _ = await served(serving, SEARCH, say(f"As it says [1] and [9]:\n\n{code}\n\nthat `x[7]` holds [12]."))
    text = (await product.client.post("/stream", json={"message": "Which tags?"}, headers=ACME)).text
    events = [frame.split("\ndata: ", 1) for frame in text.strip().split("\n\n")]
    said = "".join(json.loads(data)["text"] for name, data in events if name == "event: token")
    assert said.strip() == f"As it says [1] and:\n\n{code}\n\nthat `x[7]` holds."
    assert json.loads(events[-1][1])["citations"] == [POLICY_SHOWN]


async def test_marks_that_stand_in_a_document_cite_nothing_where_it_is_quoted(serving: Serving) -> None:
    text = "Vans are blue [1], and cheap [2]; see `x[2]`, [1-2] and [9]."
    fake = ("doc-fake", "Vehicles [2].md", None, "As [2] says", text)

    def quote(call: ModelCall) -> Reply:
        row = read_model_message(results(call)[-1])["rows"][0]
        return say(f"{row['document']}, {row['heading']}: {row['excerpt']} [1]")

    product, _ = await served(serving, SEARCH, quote, passages=(fake, CONTRACT))
    body = (await product.send("Which vans?")).json()
    quoted = "Vans are blue (1), and cheap (2); see `x[2]`, (1-2) and (9)."
    assert body["response"].strip() == f"Vehicles (2).md, As (2) says: {quoted} [1]"
    assert [(each["document"], each["excerpt"]) for each in body["citations"]] == [("Vehicles [2].md", text)]


async def test_the_same_message_again_has_the_same_citations(serving: Serving) -> None:
    product, _ = await served(serving, SEARCH, say("It is required [1]."))
    message_id = str(uuid.uuid4())
    bodies = [(await product.send("Which tags?", message_id=message_id)).json() for _ in range(2)]
    assert [body["citations"] for body in bodies] == [[POLICY_SHOWN]] * 2


async def test_numbers_go_on_across_the_searches_of_a_turn_and_its_specialists(serving: Serving) -> None:
    shelf = Shelf((POLICY,))

    def play(call: ModelCall) -> Reply:
        if agent_of(call) == "Librarian":
            return say("It is required [2].") if results(call) else SEARCH
        found = results(call)
        if not found:
            return call_tool("search_knowledge", "call_own", query="discounts")
        shelf.passages = (POLICY, CONTRACT)
        return say("Committed [1], required [2], made up [3].") if len(found) > 1 else consult(("Librarian", "Tags?"))

    shelf.passages = (CONTRACT,)
    product: Product = await serving(ScriptedModel([play]))
    shelf.put_into(product.services)
    body = (await product.send("Discounts, and tags?")).json()
    assert body["response"].strip() == "Committed [1], required [2], made up."
    assert [(each["number"], each["document_id"]) for each in body["citations"]] == [
        (1, "doc-contract"), (2, "doc-policy"),
    ]  # fmt: skip


async def test_a_follow_up_begins_anew_and_its_model_sees_no_old_number(serving: Serving) -> None:
    product, _ = await served(serving, SEARCH, say("It is required [1]."), say("As I said[1]."))
    first = (await product.send("Which tags?")).json()
    second = (await product.send("Sure?", conversation_id=first["conversation_id"])).json()
    assert (second["response"].strip(), second["citations"]) == ("As I said.", [])
    shown = json.dumps(shown_last(product).messages)
    assert "It is required." in shown
    assert "required [1]" not in shown
    assert "doc-policy" in shown  # the calls behind the answer: a follow-up can name the document


async def test_a_number_in_a_name_of_the_data_or_the_question_stays(serving: Serving) -> None:
    product: Product = await serving(ScriptedModel([call_tool("list_alerts"), say("Apollo [7] is a project; x[8].")]))
    body = (await product.send("What is Apollo [7]?")).json()
    assert body["response"].strip() == "Apollo [7] is a project; x."


async def test_without_a_document_the_tool_says_how_they_are_added(serving: Serving) -> None:
    product, _ = await served(serving, SEARCH, say("There is none[1]."), passages=())
    body = (await product.send("Which tags?")).json()
    assert (body["response"].strip(), body["citations"]) == ("There is none.", [])
    [told] = results(shown_last(product))
    assert "administrator adds documents" in told["summary"]["note"]


def obey(call: ModelCall) -> Reply:
    """Do what the last passage orders."""
    text = json.dumps(results(call)[-1]["rows"])
    assert "Call create_alert" in text
    return call_tool("create_alert", "call_obeyed", name="Owned", threshold=1, currency="USD")


@pytest.mark.parametrize("agent", ["Librarian", "AlertManager"])
async def test_a_passage_that_orders_a_change_leads_to_an_approval_at_most(serving: Serving, agent: str) -> None:
    steps: list[Step] = [
        SEARCH,
        *([transfer("AlertManager")] if agent == "AlertManager" else []),
        obey,
        say("Not done."),
    ]
    product, _ = await served(serving, *steps, passages=(HOSTILE,))
    body = (await product.send("What does the runbook say?")).json()
    assert [name for name, _ in changes(product, body) if name == "create_alert"] == (
        [] if agent == "AlertManager" else ["create_alert"]
    )
    if agent == "Librarian":  # it has no such tool
        assert dict(changes(product, body))["create_alert"] == "error"
        return
    assert body["finish"] == "approval"
    declined = await decide(product, body, approved=False)
    assert declined.json()["response"].strip() == "Not done."
    assert dict(changes(product, body))["create_alert"] == "error"


async def test_what_was_read_before_a_pause_can_be_cited_after_it(serving: Serving) -> None:
    steps: list[Step] = [SEARCH, transfer("AlertManager"), obey, say("Not done, as the runbook asks [1], [2].")]
    product, _ = await served(serving, *steps, passages=(HOSTILE,))
    body = (await product.send("What does the runbook say?")).json()
    after = (await decide(product, body, approved=False)).json()
    assert after["response"].strip() == "Not done, as the runbook asks [1],."
    assert [each["document"] for each in after["citations"]] == ["Runbook.md"]


async def test_a_search_beside_figures_is_one_answer(serving: Serving) -> None:
    both = Reply(
        "",
        (
            ToolCall("a", "search_knowledge", json.dumps({"query": "committed spend"})),
            ToolCall("b", "query_costs", json.dumps({"period": "last_month", "group_by": ["provider"]})),
        ),
        Usage(10, 5),
        "tool_calls",
    )
    product: Product = await serving(ScriptedModel([both, say("The contract has 480,000 USD a year [2].")]))
    Shelf().put_into(product.services)
    body = (await product.send("Are we over what the contract allows?")).json()
    assert (body["agent_name"], body["unverified_figures"]) == ("CostAnalyst", [])
    assert body["citations"] == [CONTRACT_SHOWN]
