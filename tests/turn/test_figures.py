"""An answer's figures are checked when it ends: the text stays, and what stands nowhere is told, kept and counted."""

import json
from typing import Any

from tests.fakes.scripted_model import ScriptedModel, call_tool, say, transfer
from tests.turn.conftest import ACME, Serving

INVENTED = "You have spent 123,456.78 USD, up 77.7 %."
FIGURES = ["123,456.78", "77.7"]


def finished(logs: str) -> list[dict[str, Any]]:
    return [record for record in map(json.loads, logs.splitlines()) if record.get("message") == "turn.finished"]


async def test_an_invented_figure_is_told_stored_and_counted(serving: Serving) -> None:
    product = await serving(ScriptedModel([call_tool("list_alerts"), say(INVENTED)]))
    body = (await product.send()).json()
    assert body["unverified_figures"] == FIGURES
    assert body["response"].strip() == INVENTED
    stored = product.messages(body["conversation_id"])
    assert stored[0]["unverified_figures_json"] is None
    assert json.loads(stored[1]["unverified_figures_json"]) == FIGURES
    rows = [entry["row"] for entry in product.outbox().values() if "row" in entry]
    read = [json.loads(row) if isinstance(row, str) else row for row in rows]
    kept = [row for row in read if row.get("message_id") == body["message_id"]]
    assert [json.loads(row["unverified_figures_json"]) for row in kept if row.get("unverified_figures_json")] == [
        FIGURES
    ]
    assert [record["unverified_figures"] for record in finished(product.logs.getvalue())] == [2]
    assert "123,456.78" not in product.logs.getvalue()


async def test_figures_of_the_tools_and_of_the_question_are_verified(serving: Serving) -> None:
    product = await serving(ScriptedModel([call_tool("list_alerts"), say("None is above 4,321.50 USD of 9,999.99.")]))
    body = (await product.send("Which alerts are above 4,321.50 USD?")).json()
    assert body["unverified_figures"] == ["9,999.99"]


async def test_the_stream_says_the_text_first_and_the_figures_at_its_end(serving: Serving) -> None:
    product = await serving(ScriptedModel([say(INVENTED)]))
    text = (await product.client.post("/stream", json={"message": "How much?"}, headers=ACME)).text
    names = [line.removeprefix("event: ") for line in text.splitlines() if line.startswith("event: ")]
    assert names[-1] == "done"
    assert json.loads(text.rstrip().rsplit("data: ", 1)[1])["unverified_figures"] == FIGURES


async def test_the_same_message_again_has_the_same_figures(serving: Serving) -> None:
    product = await serving(ScriptedModel([say(INVENTED)]))
    bodies = [(await product.send(message_id="m-figures-1")).json() for _ in range(2)]
    assert [body["unverified_figures"] for body in bodies] == [FIGURES, FIGURES]


async def test_an_answer_without_a_result_may_repeat_what_was_verified_before(serving: Serving) -> None:
    said = say("The 700.25 USD that you named, and 123,456.78 USD.")
    product = await serving(ScriptedModel([said]))
    first = (await product.send("Is 700.25 USD much?")).json()
    assert first["unverified_figures"] == ["123,456.78"]
    second = (await product.send("And now?", conversation_id=first["conversation_id"])).json()
    assert second["unverified_figures"] == ["123,456.78"]


async def test_the_arguments_of_a_change_that_waits_are_shown_and_no_claim(serving: Serving) -> None:
    asked = call_tool("create_alert", "call_2", name="AWS", threshold=712.5, currency="USD")
    product = await serving(ScriptedModel([transfer("AlertManager"), asked]))
    body = (await product.send("Warn me when AWS is twice as much")).json()
    assert body["finish"] == "approval"
    assert "712.5" in body["response"]
    assert body["unverified_figures"] == []
