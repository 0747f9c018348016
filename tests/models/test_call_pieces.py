"""Tool calls in pieces, in the ways that providers and gateways number, name and cut them."""

import json
from typing import Any

import pytest

from common.models.completion import ToolCall
from tests.fakes.wire_stub import Answer, chunks
from tests.models.conftest import Wire, a_call

ONE, TWO = json.dumps({"group_by": "provider"}), json.dumps({"group_by": "service"})
NAME = "query_costs"
each_wire = pytest.mark.parametrize("provider", ["openai", "deepseek"])


def piece(arguments: Any = None, name: str | None = None, **place: Any) -> dict[str, Any]:
    """A delta with one piece of a tool call; what is None is left out."""
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    return {"tool_calls": [{**place, "type": "function", "function": function}]}


async def called(wire: Wire, provider: str, *deltas: dict[str, Any]) -> tuple[ToolCall, ...]:
    wire.play([Answer(frames=chunks(*deltas, finish="tool_calls"))])
    _, reply = await wire.ask(a_call(provider))
    assert len({call.call_id for call in reply.tool_calls}) == len(reply.tool_calls)
    assert all(call.call_id for call in reply.tool_calls)
    return reply.tool_calls


ONE_CALL: dict[str, list[dict[str, Any]]] = {
    "whole": [piece(ONE, NAME, index=0, id="c1")],
    "in pieces": [piece("", NAME, index=0, id="c1"), piece(ONE[:5], index=0), piece(ONE[5:], index=0)],
    "a new id each": [
        piece("", NAME, index=0, id="f1"), piece(ONE[:9], index=0, id="f2"), piece(ONE[9:], index=0, id="f3"),
    ],
    "a new id and the name each": [
        piece("", NAME, index=0, id="f1"), piece(ONE[:9], NAME, index=0, id="f2"),
        piece(ONE[9:], NAME, index=0, id="f3"),
    ],
    "a new index each": [
        piece("", NAME, index=0, id="c1"), piece(ONE[:9], index=1), piece(ONE[9:], index=2),
    ],
    "the name each": [piece("", NAME, index=0, id="c1"), piece(ONE[:9], NAME, index=0), piece(ONE[9:], NAME, index=0)],
    "neither index nor id": [piece("", NAME), piece(ONE[:9]), piece(ONE[9:])],
    "neither, and the name each": [piece("", NAME), piece(ONE[:9], NAME), piece(ONE[9:], NAME)],
    "an id and no index": [piece("", NAME, id="c1"), piece(ONE[:9], id="c1"), piece(ONE[9:], id="c1")],
    "null for the index": [piece("", NAME, index=None, id="c1"), piece(ONE, index=None)],
    "a name in pieces": [piece("", "query_", index=0, id="c1"), piece("", "costs", index=0), piece(ONE, index=0)],
    "said once more at the end": [piece(ONE, NAME, index=0, id="c1"), piece(ONE, NAME, index=0, id="c1")],
    "arguments as an object": [piece({"group_by": "provider"}, NAME, index=0, id="c1")],
}  # fmt: skip


@each_wire
@pytest.mark.parametrize("deltas", ONE_CALL.values(), ids=ONE_CALL)
async def test_the_pieces_of_one_call_are_one_call(wire: Wire, provider: str, deltas: list[dict[str, Any]]) -> None:
    (call,) = await called(wire, provider, *deltas)
    assert (call.name, json.loads(call.arguments)) == (NAME, json.loads(ONE))


TWO_CALLS: dict[str, list[dict[str, Any]]] = {
    "an index each": [piece(ONE, NAME, index=0, id="c1"), piece(TWO, NAME, index=1, id="c2")],
    "an index each and one id": [piece(ONE, NAME, index=0, id="c1"), piece(TWO, NAME, index=1, id="c1")],
    "one index and an id each": [piece(ONE, NAME, index=0, id="c1"), piece(TWO, NAME, index=0, id="c2")],
    "one index, in pieces": [
        piece("", NAME, index=0, id="c1"), piece(ONE, index=0), piece("", NAME, index=0, id="c2"), piece(TWO, index=0),
    ],
    "one index, mixed, by id": [
        piece("", NAME, index=0, id="c1"), piece("", NAME, index=0, id="c2"),
        piece(ONE, index=0, id="c1"), piece(TWO, index=0, id="c2"),
    ],
    "one index and no ids": [piece(ONE, NAME, index=0), piece(TWO, NAME, index=0)],
    "neither index nor id": [piece(ONE, NAME), piece(TWO, NAME)],
    "neither, in pieces": [piece("", NAME), piece(ONE), piece("", NAME), piece(TWO)],
    "ids and no index": [piece(ONE, NAME, id="c1"), piece(TWO, NAME, id="c2")],
    "in one delta": [
        {"tool_calls": [*piece(ONE, NAME, index=0)["tool_calls"], *piece(TWO, NAME, index=1)["tool_calls"]]},
    ],
}  # fmt: skip


@each_wire
@pytest.mark.parametrize("deltas", TWO_CALLS.values(), ids=TWO_CALLS)
async def test_the_pieces_of_two_calls_are_two_calls(wire: Wire, provider: str, deltas: list[dict[str, Any]]) -> None:
    calls = await called(wire, provider, *deltas)
    assert [(call.name, call.arguments) for call in calls] == [(NAME, ONE), (NAME, TWO)]


@each_wire
async def test_a_call_in_the_old_form_is_a_call(wire: Wire, provider: str) -> None:
    deltas = [{"function_call": {"name": NAME, "arguments": ONE[:9]}}, {"function_call": {"arguments": ONE[9:]}}]
    (call,) = await called(wire, provider, *deltas)
    assert (call.name, call.arguments) == (NAME, ONE)


@each_wire
async def test_halves_of_a_character_in_arguments_are_joined_and_a_lone_one_is_replaced(
    wire: Wire, provider: str
) -> None:
    deltas = [piece('{"a": "\ud83d', NAME, index=0, id="c1"), piece('\ude00 \ud83d"}', index=0)]
    (call,) = await called(wire, provider, *deltas)
    assert call.arguments == '{"a": "\U0001f600 \ufffd"}'
