"""Decides what the model does next: hand over, call tools, or answer."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from local.demo_model.answers import join_words, write_answer
from local.demo_model.dates import Calendar
from local.demo_model.notes import recall, write_notes
from local.demo_model.parts import ask_specialists, write_parts
from local.demo_model.passages import look_up
from local.demo_model.planning import plan
from local.demo_model.reading import Reading, read
from local.demo_model.request import HAND_IN, TRANSFER, Call, Message, Request, read_request
from local.demo_model.table import find_intent, load_table

_RUN = re.compile(r"\s*/?run\s+(?P<tool>[a-z]\w*)(?P<rest>(?:\s+\w+=.*)?)\s*", re.DOTALL)
_PAIR = re.compile(r"""(\w+)=([\[{].*?[\]}](?=\s+\w+=|\s*$)|"[^"]*"|'[^']*'|\S*)""", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Decision:
    """Either calls to make or a text to say."""

    calls: tuple[Call, ...] = ()
    text: str = ""


def decide(messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] | None) -> Decision:
    """Decide one request by rules; the same request always gets the same decision."""
    if notes := write_notes(messages):
        return Decision(text=notes)
    request, table = read_request(messages, tools), load_table()[1]
    if command := _read_command(request.message):
        return _run(*command, request)
    if table.pattern("person").search(request.message.lower()):
        return _run("escalate", {"reason": request.message[:1000]}, request)
    if table.pattern("greeting").fullmatch(request.message.strip().lower()):
        return Decision(text=f"Hello! {_abilities(request)}")
    if not request.returned and (said := recall(messages, request.message)):
        return Decision(text=said)
    if request.today is None:
        return Decision(text=write_answer(request) or "I was not told today's date, so I can read no period.")
    calendar, known = Calendar(request.today, request.fiscal), None
    for text in [text for text in request.earlier if not _read_command(text)]:
        reading = read(text, calendar, known)
        known = reading if reading.intent else known
    clauses = re.split(table.more["clause"], " ".join(request.message.split()))
    parts = [read(clause, calendar, known) for clause in clauses if clause and clause.strip()]
    if answer := write_parts(request):
        return Decision(text=answer)
    if len(parts) > 1 and all(part.intent and part.explicit for part in parts):
        if call := ask_specialists(parts, request):
            return Decision((call,))
        asked = join_words([f'"{part.text.strip()}"' for part in parts])
        return Decision(text=f"I answer one question at a time: please ask {asked} one after the other.")
    return _decide_one(read(request.message, calendar, known), request, request.today)


def _decide_one(reading: Reading, request: Request, today: date) -> Decision:
    """Hand over, call, answer, ask back, or say what cannot be done together with what can."""
    intent, abilities = reading.intent, _abilities(request)
    if intent is None:
        return Decision(text=write_answer(request) or f'Sorry, I did not understand "{reading.text}". {abilities}')
    if intent.tool == "search_knowledge":
        found = look_up(reading, intent, request, today)
        return Decision(text=found) if isinstance(found, str) else Decision(found)
    offered = any(tool in request.tools for tool in (intent.tool, intent.more.get("otherwise")))
    if not request.returned and not offered and intent.agent in request.agents:
        return Decision((Call(TRANSFER, {"agent_name": intent.agent}),))
    made = plan(reading, intent, request, today)
    if made.looks:
        return Decision(tuple(made.calls))
    if answer := write_answer(request, made):
        return Decision(text=answer)
    if made.lost and "partial" not in made.intent.more:
        names = join_words([f'"{word}"' for word in made.lost if word not in "$€£"])
        if request.returned:
            return Decision(text=f"I found nothing called {names}, so I give no figure. Ask without it.")
        takes = join_words(list(request.tools.get(made.intent.tool, {}))) or "no arguments"
        said = f"I cannot narrow this to {names}, so I do nothing yet: {made.intent.tool} takes {takes}. {made.ask}"
        example = made.intent.more.get("examples", '"help"')
        return Decision(text=f"{said.strip()} Ask without it, or for example {example}.")
    unfit = f'I have no tool here that answers "{reading.text[:400]}". {abilities}' if made.unfit else ""
    # What is left out, or read as something else, the agent that asks would not know.
    whole = HAND_IN in request.tools and not (request.returned or made.found or "currency" in reading.slots)
    calls = (*made.calls, Call(HAND_IN)) if whole else tuple(made.calls)
    return Decision(text=made.ask or unfit) if made.ask or unfit else Decision(calls)


def _read_command(text: str) -> tuple[str, dict[str, str]] | None:
    """The tool and the arguments of "run <tool> key=value", or of SQL; None for any other message."""
    if command := _RUN.fullmatch(text):
        return command["tool"], {name: value.strip("\"'") for name, value in _PAIR.findall(command["rest"])}
    sql = re.search(load_table()[1].more["sql"], text)
    return ("run_read_query", {"query": sql[1]}) if sql else None


def _run(tool: str, said: Mapping[str, str], request: Request) -> Decision:
    """Call a tool by its name: here, at the agent that has it, or at one agent after the other."""
    if request.returned:
        return Decision(text=write_answer(request))
    if tool not in request.tools:
        intent = find_intent(tool)
        if following := [intent.agent] if intent and intent.agent in request.agents else request.agents:
            return Decision((Call(TRANSFER, {"agent_name": following[0]}),))
        return Decision(text=f'No tool named "{tool}" is offered to me. {_abilities(request)}')
    schema = request.tools[tool]
    try:
        return Decision((Call(tool, {name: _typed(schema[name], value) for name, value in said.items()}),))
    except (KeyError, ValueError) as error:
        takes = join_words(list(schema)) or "no arguments"
        return Decision(text=f"I cannot read {error} among the arguments of {tool}. It takes {takes}.")


def _typed(given: Mapping[str, Any], text: str) -> Any:
    if text[:1] in ("[", "{") or (given["types"] & {"integer", "number", "boolean"} and "string" not in given["types"]):
        return json.loads(text)
    return text.split(",") if "array" in given["types"] and ("," in text or "anyOf" not in given) else text


def _abilities(request: Request) -> str:
    """List the questions for the tools that are here or can be handed to."""
    known = [each for each in load_table()[0][::-1] if each.tool in request.tools or each.agent in request.agents]
    shown = [f"\n- **{each.tool}**: {each.more['examples']}" for each in known if "examples" in each.more]
    said = f"I can answer questions about costs, spend and usage, for example:\n{''.join(shown)}"
    return f'{said}\n\n"run <tool> key=value" reaches every tool.' if shown else ""
