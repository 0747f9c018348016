"""Decides what the model does next: hand over, call tools, or answer."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from local.demo_model.answers import join_words, write_answer
from local.demo_model.dates import Calendar
from local.demo_model.planning import Plan, plan
from local.demo_model.reading import Reading, clauses, read
from local.demo_model.request import TRANSFER, Call, Message, Request, is_list, read_request, variants
from local.demo_model.table import compile_words, find_intent, load_table

_RUN = re.compile(r"\s*/?run\s+(?P<tool>[a-z]\w*_\w+|[a-z]\w*(?=\s+\w+=))(?P<rest>(?:\s+\w+=.*)?)\s*", re.DOTALL)
_PAIR = re.compile(r"""(\w+)=([\[{].*?[\]}](?=\s+\w+=|\s*$)|"[^"]*"|'[^']*'|\S*)""", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Decision:
    """Either calls to make or a text to say."""

    calls: tuple[Call, ...] = ()
    text: str = ""


def decide(messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] | None) -> Decision:
    """Decide one request by rules; the same request always gets the same decision."""
    request = read_request(messages, tools)
    if command := _RUN.fullmatch(request.message):
        return _run(command["tool"], command["rest"], request)
    if _greets(request.message):
        return Decision(text=f"Hello! {_abilities(request)}")
    if request.today is None:
        return Decision(text=write_answer(request) or "I was not told today's date, so I cannot tell which days.")
    parts = _understand(request, request.today)
    if len(parts) > 1:
        asked = join_words([f'"{part.text.strip()}"' for part in parts])
        return Decision(text=f"I answer one question at a time: please ask {asked} one after the other.")
    return _decide_one(parts[0], request, request.today)


def _decide_one(reading: Reading, request: Request, today: date) -> Decision:
    intent = reading.intent
    if intent is None:
        answer = write_answer(request)
        return Decision(text=answer or f'Sorry, I did not understand "{reading.text}". {_abilities(request)}')
    offered = any(tool in request.tools for tool in (intent.tool, intent.more.get("otherwise")))
    if not request.returned and not offered:
        if intent.agent in request.agents:
            return Decision((Call(TRANSFER, {"agent_name": intent.agent}),))
        if intent.tool:
            return Decision(text=f'I have no tool here for "{reading.text[:400]}". {_abilities(request)}')
    made = plan(reading, intent, request, today)
    if made.looks:
        return Decision(tuple(made.calls))
    if answer := write_answer(request, made):
        return Decision(text=answer)
    refused = _refuse(made, request)
    return Decision((), refused) if refused else Decision(tuple(made.calls))


def _understand(request: Request, today: date) -> list[Reading]:
    """The last message's questions, each completed from the earlier messages."""
    calendar, known = Calendar(today, request.fiscal), None
    for text in request.earlier:
        if not (_greets(text) or _RUN.fullmatch(text)):
            reading = read(text, calendar, known)
            known = reading if reading.intent else known
    whole = read(request.message, calendar, known)
    split = [] if whole.intent and "written" in whole.intent.more else clauses(" ".join(request.message.split()))
    parts = [read(clause, calendar, known) for clause in split]
    return parts if len(parts) > 1 and all(part.intent and part.explicit for part in parts) else [whole]


def _refuse(made: Plan, request: Request) -> str:
    """Ask back, or say what cannot be done together with what can; empty where the plan can be followed."""
    if made.lost and "partial" not in made.intent.more:
        names = join_words([f'"{word}"' for word in made.lost])
        if request.returned:
            return f"I found nothing called {names}, so I give no figure. Ask for what there is, or without it."
        takes = join_words(list(request.schemas(made.intent.tool))) or "no arguments"
        said = f"I cannot narrow this to {names}, so I do nothing yet: {made.intent.tool} takes {takes}. {made.ask}"
        return f"{said.strip()} Ask without it, or for example {made.intent.more.get('examples', 'for help')}."
    unfit = f"I cannot answer that with the tools that I have here. {_abilities(request)}"
    return made.ask or (unfit if made.unfit else "")


def _run(tool: str, rest: str, request: Request) -> Decision:
    """Call a tool by its name: here, at the agent that has it, or at one agent after the other."""
    if request.returned:
        return Decision(text=write_answer(request))
    if tool not in request.tools:
        intent = find_intent(tool)
        at = "" if request.agent == "CostAnalyst" else request.agent  # Where a conversation begins.
        later = sorted(name for name in request.agents if name > at and name != "CostAnalyst")
        if following := [intent.agent] if intent and intent.agent in request.agents else later:
            return Decision((Call(TRANSFER, {"agent_name": following[0]}),))
        return Decision(text=f'No tool named "{tool}" is offered to me. {_abilities(request)}')
    schema = request.schemas(tool)
    try:
        pairs = {name: _typed(schema[name], value.strip("\"'")) for name, value in _PAIR.findall(rest)}
        return Decision((Call(tool, pairs),))
    except (KeyError, ValueError) as error:
        takes = join_words(list(schema)) or "no arguments"
        return Decision(text=f"I cannot read {error} among the arguments of {tool}. It takes {takes}.")


def _typed(schema: Mapping[str, Any], text: str) -> Any:
    kinds = {part.get("type") for part in variants(schema)}
    if text[:1] in ("[", "{") or (kinds & {"integer", "number", "boolean"} and "string" not in kinds):
        return json.loads(text)
    return text.split(",") if is_list(schema) and ("," in text or "type" in schema) else text


def _greets(text: str) -> bool:
    return bool(compile_words(load_table()[1].more["greeting"]).fullmatch(text.strip().lower()))


def _abilities(request: Request) -> str:
    """List the questions for the tools that are here or can be handed to."""
    shown = [
        f"\n- **{intent.tool}**: {intent.more['examples']}"
        for intent in reversed(load_table()[0])
        if "examples" in intent.more and (intent.tool in request.tools or intent.agent in request.agents)
    ]
    return f"I can answer questions about costs, spend and usage, for example:\n{''.join(shown)}" if shown else ""
