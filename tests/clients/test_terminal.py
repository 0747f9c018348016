"""The terminal client against the product over a scripted model: cancelling, dropped connections, hostile text."""

import asyncio
import json
import signal
import unicodedata
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from google.cloud import firestore

from common.errors import ProviderUnavailable
from common.models.call import FinishReason
from tests.clients.conftest import HeldModel, Product, Serving
from tests.clients.cutting import cutting
from tests.clients.terminal import CONTROL_C, CONTROL_D, Terminal, output_of, piped, terminal
from tests.fakes.scripted_model import ScriptedModel, call_tool, say, transfer
from tests.local.terminal.test_neutral import HOSTILE

COSTS = {"group_by": "provider", "start_date": "2026-01-01", "end_date": "2026-01-31"}


def place(product: Product) -> tuple[str, str]:
    return ("--port", product.url.rsplit(":", 1)[1])


def conversation_of(product: Product, user: str = "terminal") -> str:
    """The only conversation of a person."""
    its = firestore.FieldFilter("user_id", "==", user)
    found = product.documents.collection("orgs/acme_inc/conversations").where(filter=its).stream()
    (only,) = [document.id for document in found]
    return only


def acting(text: str) -> set[str]:
    """What of the text a terminal would act on."""
    return {char for char in text if char != "\n" and unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp")}


async def test_a_pipe_gets_the_answer_and_the_work_as_plain_text(serving: Serving) -> None:
    product: Product = await serving(ScriptedModel([call_tool("query_costs", **COSTS), say("It **was** much.")]))
    code, out, errors = await output_of("ask", *place(product), "--user", "pipe", "--work", "--", "What did we spend?")
    assert (code, errors) == (0, "")
    answer, _, work = out.partition("\n-- query_costs: ")
    assert answer.startswith("It **was** much.")
    assert "bytes" in work.splitlines()[0]
    assert "period: 2026-01-01 to 2026-01-31\nmatching_days: 2026-01-01 to 2026-01-31\nfilters: none\nWITH" in work
    assert "@start = '2026-01-01T00:00:00+00:00'" in work
    assert not acting(out)


ALERT = call_tool("create_alert", "call_2", name="Too much", threshold=100, currency="USD")


def alerts_of(product: Product, user: str) -> list[str]:
    """The outcome of each call of create_alert of a person, in the audit."""
    rows = [row for row in product.audited() if row["tool_name"] == "create_alert"]
    return [row["status"] for row in rows if row["conversation_id"] == conversation_of(product, user)]


@pytest.mark.parametrize(("said", "status"), [("y", "success"), ("yes", "success"), ("", "error"), ("n", "error")])
async def test_ask_asks_for_a_yes_before_a_change(serving: Serving, said: str, status: str) -> None:
    product: Product = await serving(ScriptedModel([transfer("AlertManager"), ALERT, say("As you said.")]))
    user = f"ask-{said or 'enter'}"

    def talk() -> int:
        with terminal("ask", *place(product), "--user", user, "Watch my costs") as screen:
            screen.wait_for("Allow it? [y/N]")
            assert '"Too much"' in screen.text
            assert alerts_of(product, user) == []
            screen.enter(said)
            screen.wait_for("As you said.")
            return screen.code()

    assert await asyncio.to_thread(talk) == 0
    assert alerts_of(product, user) == [status]


@pytest.mark.parametrize(("said", "status"), [("yes", ["success"]), ("no", ["error"]), ("never mind", [])])
async def test_chat_asks_for_a_yes_before_a_change(serving: Serving, said: str, status: list[str]) -> None:
    product: Product = await serving(ScriptedModel([transfer("AlertManager"), ALERT, say("As you said.")]))
    user = f"chat-{said.replace(' ', '-')}"

    def talk() -> int:
        with terminal("chat", *place(product), "--user", user) as screen:
            screen.wait_for("acme_inc>")
            screen.enter("Watch my costs")
            screen.wait_for("acme_inc yes/no>")
            screen.enter(said)
            screen.wait_for("As you said.")
            screen.enter("/quit")
            return screen.code()

    assert await asyncio.to_thread(talk) == 0
    assert alerts_of(product, user) == status


async def test_a_script_is_told_how_to_allow_a_change_or_allows_it_beforehand(serving: Serving) -> None:
    product: Product = await serving(
        ScriptedModel(
            [transfer("AlertManager"), ALERT, say("Done."), transfer("AlertManager"), ALERT, say("Done too.")]
        )
    )
    code, out, errors = await output_of("ask", *place(product), "--user", "told", "Watch my costs")
    assert code == 0
    assert "waits for your yes" in out
    told = errors.split("python -m local ")[1].split()
    code, out, _ = await output_of(*told[:1], *place(product), *told[1:])
    assert (code, out.splitlines()[0].strip()) == (0, "Done.")
    assert alerts_of(product, "told") == ["success"]
    code, out, _ = await output_of("ask", *place(product), "--user", "told-yes", "--json", "--yes", "Watch my costs")
    assert json.loads(out)["response"].strip() == "Done too."
    assert alerts_of(product, "told-yes") == ["success"]


@pytest.mark.parametrize(
    ("reason", "line"),
    [
        ("length", "[Cut off at the model's output limit: the rest is missing.]"),
        ("refused", "[The model refused to answer this.]"),
        ("stop", ""),
    ],
)
async def test_an_answer_that_did_not_end_by_itself_says_so_below(
    serving: Serving, reason: FinishReason, line: str
) -> None:
    product: Product = await serving(ScriptedModel([replace(say("The largest are"), finish_reason=reason)]))
    code, out, _ = await output_of("ask", *place(product), "--user", "limited", "--no-work", "--", "Which are they?")
    assert (code, out.strip()) == (0, f"The largest are \n{line}".strip())
    code, out, _ = await output_of("ask", *place(product), "--user", "limited", "--json", "--", "Which are they?")
    assert json.loads(out)["finish"] == reason


@pytest.mark.parametrize("command", ["ask", "chat"])
async def test_figures_that_are_in_no_result_are_named_below_the_answer(
    serving: Serving, tmp_path: Path, command: str
) -> None:
    answer = "It was 8,765,432.19 USD, after 1,234,567.89 USD."
    product: Product = await serving(ScriptedModel([call_tool("query_costs", **COSTS), say(answer)]))
    told = (*place(product), "--user", f"unsure-{command}")
    if command == "ask":
        _, out, _ = await output_of("ask", *told, "--", "How much?")
    else:
        _, out, _ = await output_of("chat", *told, "--state", str(tmp_path), lines="How much?\n")
    assert answer in out
    assert "[These figures were not found in the data behind the answer: 8,765,432.19, 1,234,567.89." in out


async def test_a_line_says_what_an_answer_rests_on_without_its_sql(serving: Serving) -> None:
    product: Product = await serving(ScriptedModel([call_tool("query_costs", **COSTS), say("Much.")]))
    code, out, _ = await output_of("ask", *place(product), "--user", "short", "--", "How much?")
    assert code == 0
    assert "SELECT" not in out
    line = out.splitlines()[-1]
    assert line.startswith(
        "period: 2026-01-01 to 2026-01-31 · matching_days: 2026-01-01 to 2026-01-31 · filters: none · "
    )
    assert " rows · " in line
    assert "B · " in line or "bytes" in line


async def test_a_script_gets_one_json_object(serving: Serving) -> None:
    hostile = "".join(HOSTILE.values()).replace("\ud800", "")
    product: Product = await serving(ScriptedModel([call_tool("query_costs", **COSTS), say(hostile)]))
    code, out, _ = await output_of("ask", *place(product), "--user", "script", "--json", "--", "How much?")
    answer = json.loads(out)
    assert code == 0
    assert answer["response"] == f"{hostile} "
    assert answer["agent_name"]
    (tool,) = answer["tools"]
    assert (tool["name"], tool["arguments"]) == ("query_costs", COSTS)
    assert "SELECT" in tool["result"]["sql"]
    assert not acting(out)


async def test_a_failure_is_a_sentence_on_standard_error(serving: Serving) -> None:
    product: Product = await serving(ScriptedModel([ProviderUnavailable()]))
    code, out, errors = await output_of("ask", *place(product), "--user", "fail", "--", "hi")
    assert (code, out.strip()) == (1, "")
    assert errors.strip() == ProviderUnavailable.detail
    code, out, errors = await output_of("ask", *place(product), "--user", "fail", "--json", "--", "hi")
    assert (code, json.loads(out)["error"]["code"]) == (1, "provider_unavailable")
    assert errors.strip() == ProviderUnavailable.detail


async def test_an_interrupt_stops_the_turn_and_what_was_said_is_kept(serving: Serving) -> None:
    product: Product = await serving(model := HeldModel([say("one two")]))
    async with piped("ask", *place(product), "--user", "stopping", "--", "hi") as process:
        assert process.stdout is not None
        async with asyncio.timeout(120):
            assert await process.stdout.readexactly(3) == b"one"
            process.send_signal(signal.SIGINT)
            out, errors = await process.communicate()
    assert (process.returncode, out, errors) == (130, b" \n", b"Cancelled.\n")
    await product.turns_ended(1)
    assert model.open_streams == 0
    stored = product.messages(conversation_of(product, "stopping"))
    assert [(message["content"], message["status"]) for message in stored] == [
        ("hi", "complete"),
        ("one ", "cancelled"),
    ]


async def test_control_c_stops_the_answer_and_another_one_leaves(serving: Serving, tmp_path: Path) -> None:
    product: Product = await serving(model := HeldModel([say("one two"), say("three")]))

    def person(at: Terminal) -> int:
        place = at.wait_for("acme_inc> ")
        at.enter("hi")
        place = at.wait_for("one", place)
        at.type(CONTROL_C)
        place = at.wait_for("acme_inc> ", at.wait_for("Stopped.", place))
        at.enter("and then?")
        place = at.wait_for("acme_inc> ", at.wait_for("three", place))
        return at.interrupt_until_it_ends()

    arguments = ("chat", *place(product), "--user", "person", "--state", str(tmp_path))
    with terminal(*arguments) as at:
        assert await asyncio.to_thread(person, at) == 130
    assert model.open_streams == 0
    stored = product.messages(conversation_of(product, "person"))
    assert [message["content"] for message in stored] == ["hi", "one ", "and then?", "three "]
    assert "Traceback" not in at.text
    assert (tmp_path / "chat_history").read_text().split("\n")[-3:] == ["hi", "and then?", ""]
    assert (tmp_path / "chat_history").stat().st_mode & 0o077 == 0


async def test_a_retry_after_a_stop_gets_the_whole_answer(serving: Serving, tmp_path: Path) -> None:
    product: Product = await serving(HeldModel([say("one two"), say("one two three")]))

    def person(at: Terminal) -> int:
        at.wait_for("acme_inc> ")
        at.enter("hi")
        place = at.wait_for("one")
        at.type(CONTROL_C)
        place = at.wait_for("acme_inc> ", at.wait_for("Stopped.", place))
        at.enter("/retry")
        place = at.wait_for("acme_inc> ", at.wait_for("one two three", place))
        at.type(CONTROL_D)
        return at.code()

    with terminal("chat", *place(product), "--user", "again", "--state", str(tmp_path)) as at:
        assert await asyncio.to_thread(person, at) == 0
    assert [message["content"] for message in product.messages(conversation_of(product, "again"))] == [
        "hi", "one ", "hi", "one two three ",
    ]  # fmt: skip


async def test_an_answer_whose_end_was_not_heard_is_fetched_and_not_asked_for_twice(serving: Serving) -> None:
    product: Product = await serving(model := ScriptedModel([call_tool("query_costs", **COSTS), say("one two three")]))
    async with cutting(product.url, b'{"text": "one ', unnoticed=True) as network:
        code, out, errors = await output_of("ask", "--port", str(network.port), "--user", "far", "--work", "--", "hi")
    assert (code, network.cuts) == (0, 1), errors
    assert out.startswith("one two three \n")
    assert "-- query_costs: " in out
    assert len(model.calls) == 2
    assert len(product.messages(conversation_of(product, "far"))) == 2


async def test_an_answer_that_a_lost_connection_cut_short_is_asked_for_anew(serving: Serving) -> None:
    product: Product = await serving(HeldModel([say("one two"), say("one two three")]))
    async with cutting(product.url, b'{"text": "one "}\n\n', unnoticed=False) as network:
        code, out, errors = await output_of(
            "ask", "--port", str(network.port), "--user", "cut", "--no-work", "--", "hi"
        )
    assert (code, network.cuts) == (0, 1), errors
    assert out == "one two three \n"
    stored = product.messages(conversation_of(product, "cut"))
    assert [message["status"] for message in stored] == ["complete", "cancelled", "complete", "complete"]


async def test_another_answer_begins_on_a_line_of_its_own(serving: Serving) -> None:
    product: Product = await serving(HeldModel([say("one two"), say("four five")]))
    async with cutting(product.url, b'{"text": "one "}\n\n', unnoticed=False) as network:
        code, out, _ = await output_of("ask", "--port", str(network.port), "--user", "other", "--no-work", "--", "hi")
    assert (code, out) == (0, "one \n\nfour five \n")


async def test_where_nothing_is_served_any_more_it_is_said(serving: Serving, tmp_path: Path) -> None:
    product: Product = await serving(ScriptedModel([say("one")]))
    async with cutting(product.url, b"never", unnoticed=False) as network:
        port = network.port
        process = piped("chat", "--port", str(port), "--user", "gone", "--state", str(tmp_path))
        async with process as running:
            assert running.stdin is not None
            assert running.stdout is not None
            running.stdin.write(b"hi\n")
            async with asyncio.timeout(120):
                assert await running.stdout.readline() == b"one \n"
            network.refuse()
            out, errors = await asyncio.wait_for(running.communicate(b"still there?\n"), 120)
    assert running.returncode == 1, out
    assert f"Nothing answers at http://127.0.0.1:{port}" in errors.decode()


async def test_hostile_text_does_nothing_to_the_terminal(serving: Serving, tmp_path: Path) -> None:
    """In an answer, its table, a title, a tool's arguments and error, the search, and a refusal."""
    kinds = [text for text in HOSTILE.values() if "\ud800" not in text]
    all_kinds = "x".join(kinds)
    tool = call_tool("query_costs", group_by=f"g{all_kinds}", provider=all_kinds)
    cell = " ".join(all_kinds.split())
    text = f"A{all_kinds}B\n\n| h{cell} |\n| --- |\n| c{cell} |\n\nend"
    product: Product = await serving(ScriptedModel([tool, say(text), tool, say(text)]))

    def person(at: Terminal) -> int:
        prompted = at.wait_for("acme_inc> ")
        for line in ("first", f"/rename {printable(all_kinds)[:40]}", "/list", "/open 1", "/sql", "/search B"):
            at.enter(line)
            prompted = at.wait_for("acme_inc> ", prompted)
        at.enter("/quit")
        return at.code()

    with terminal("chat", *place(product), "--user", "hostile", "--state", str(tmp_path)) as at:
        assert await asyncio.to_thread(person, at) == 0
    assert "g\u241b[31mred" in at.text
    assert not acting(at.text)
    written = at.written.decode()
    assert not [kind for kind in kinds if kind in written]
    async with httpx.AsyncClient(headers=product.headers(user="hostile"), timeout=120) as http:
        await http.post(product.address("send"), json={"message": f"title {all_kinds}"})
    lines = "/list\n/open 1\n/sql\n/search B\n/nothing\x1b[2J\n"
    code, out, errors = await output_of("chat", *place(product), "--user", "hostile", lines=lines)
    assert code == 1
    assert "title \u241b" in out
    assert "/nothing\u241b[2J" in errors
    assert not acting(out.replace("\t", "") + errors)


def printable(text: str) -> str:
    """What of a text can be typed."""
    return "".join(char for char in text if unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Zl", "Zp"))
