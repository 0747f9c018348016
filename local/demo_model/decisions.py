"""Decides what the model does next: hand over, call tools, or answer."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from local.demo_model.answers import join_words, write_answer
from local.demo_model.dates import Calendar
from local.demo_model.planning import MAX_CALLS, Plan, plan
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
        answer = write_answer(request)
        return Decision(text=answer or "I was not told today's date, so I cannot tell which period you mean.")
    readings = _understand(request, request.today)
    agents = [reading.intent.agent for reading in readings if reading.intent]
    mine = [reading for reading in readings if reading.intent and reading.intent.agent == agents[0]]
    decision = _decide_parts(mine or readings, request, request.today)
    left = [f'"{reading.text.strip()}"' for reading in readings if agents and reading not in mine]
    more = f"\n\nI answer one subject at a time: please ask {join_words(left)} by itself."
    return replace(decision, text=decision.text + more) if decision.text and left else decision


def _decide_parts(readings: Sequence[Reading], request: Request, today: date) -> Decision:
    intent = readings[0].intent if readings else None
    if intent is None:
        answer = write_answer(request)
        return Decision(text=answer or f'Sorry, I did not understand "{readings[0].text}". {_abilities(request)}')
    offered = any(tool in request.tools for tool in (intent.tool, intent.more.get("otherwise")))
    if not request.returned and not offered:
        if intent.agent in request.agents:
            return Decision((Call(TRANSFER, {"agent_name": intent.agent}),))
        if intent.tool:
            return Decision(text=f'I have no tool here for "{readings[0].text[:400]}". {_abilities(request)}')
    plans = [plan(reading, reading.intent or intent, request, today) for reading in readings]
    unable = [_refuse(each, request) for each in plans]
    if pending := [call for each in plans for call in each.calls if each.looks and call not in request.returned]:
        return Decision(tuple(pending[: 2 * MAX_CALLS]))
    asked = "\n\n".join(dict.fromkeys(filter(None, unable)))
    look_up = load_table()[1].more["look_up"]["tool"]
    if any(result.name != look_up or intent.tool == look_up for result in request.returned):
        answer = write_answer(request, readings, plans)
        return Decision(text="\n\n".join(filter(None, (answer, asked))))
    calls = [call for each, cannot in zip(plans, unable, strict=True) for call in each.calls if not cannot]
    return Decision(tuple(calls[:MAX_CALLS]), "" if calls else asked)


def _understand(request: Request, today: date) -> list[Reading]:
    """The last message's questions, completed from the earlier ones."""
    calendar = Calendar(today, request.fiscal)
    known: Reading | None = None
    for text in request.earlier:
        if not (_greets(text) or _RUN.fullmatch(text)):
            readings = [reading for reading in _parts(text, calendar, known) if reading.intent]
            spending = [each for each in readings if each.intent and each.intent.tool == "query_costs"]
            known = next(iter((spending or readings)[-1:]), known)
    return _parts(request.message, calendar, known)


def _parts(text: str, calendar: Calendar, known: Reading | None) -> list[Reading]:
    whole = read(text, calendar, known)
    parts: list[Reading] = []
    for clause in [] if whole.intent and "written" in whole.intent.more else clauses(" ".join(text.split())):
        part = read(clause, calendar, parts[-1] if parts else known)
        if parts and not part.periods and part.intent and "now" not in part.intent.more:
            part = replace(part, periods=tuple(each for each in parts[0].periods if each.kind != "ahead"))
        parts.append(part)
    return parts if len(parts) > 1 and all(part.intent and part.explicit for part in parts) else [whole]


def _refuse(each: Plan, request: Request) -> str:
    """Ask back, or say what cannot be done together with what can; empty where the plan can be followed."""
    if each.lost and "partial" not in each.intent.more:
        names = join_words([f'"{word}"' for word in each.lost])
        if request.returned:
            return f"I found nothing called {names}, so I give no figure. Ask for what there is, or without it."
        takes = join_words(list(request.schemas(each.intent.tool))) or "no arguments"
        said = f"I cannot narrow this to {names}, so I do nothing yet: {each.intent.tool} takes {takes}. {each.ask}"
        return f"{said.strip()} Ask without it, or for example {each.intent.more.get('examples', 'for help')}."
    unfit = f"I cannot answer that with the tools that I have here. {_abilities(request)}"
    return each.ask or (unfit if each.unfit else "")


def _run(tool: str, rest: str, request: Request) -> Decision:
    """Call a tool by its name: here, at the agent that has it, or at one agent after the other."""
    if request.returned:
        return Decision(text=write_answer(request))
    if tool not in request.tools:
        intent = find_intent(tool)
        later = sorted(name for name in request.agents if name > request.agent or request.agent == "Orchestrator")
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
