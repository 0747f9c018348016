"""Questions with several parts: each part is asked of its specialist, and the answers are put together."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from common.tools.result import read_model_message
from local.demo_model.answers import write_answer
from local.demo_model.reading import Reading
from local.demo_model.request import CONSULT, Call, Request

_DATED = {"CostAnalyst", "UsageAnalyst", "Optimizer"}


def ask_specialists(parts: Sequence[Reading], request: Request) -> Call | None:
    """The call that asks for all parts at the same time. Returns None where one of them changes data or is nobody's."""
    known = [(part, part.intent) for part in parts if part.intent and not part.intent.more.keys() & {"asks", "says"}]
    agents = [intent.agent for _, intent in known]
    # No agent is offered where a part is all that is asked.
    offered = request.tools.get(CONSULT, {}).get("questions", {})
    specialists = offered.get("properties", {}).get("agent_name", {}).get("enum", ())
    if len(known) < len(parts) or not set(agents) <= set(specialists) or len(parts) > offered.get("maxItems", 0):
        return None
    # "And what drove it?" is about the days before; in "cost of AWS and tokens of OpenAI in May" both are of May.
    one_sentence = not re.search(r"[?!;.]\s", request.message)
    questions = []
    for at, (part, intent) in enumerate(known):
        near = [*reversed(known[:at]), *known[at:] * one_sentence]
        alike = (each for each, other in near if other.agent == intent.agent or {other.agent, intent.agent} <= _DATED)
        days = next((each.periods[0] for each in alike if len(each.periods) == 1), None)
        dated = days and not part.periods and "now" not in intent.more
        text = part.text.strip() + (f" from {days.start} to {days.end}" if days and dated else "")
        questions.append({"agent_name": intent.agent, "question": text})
    return Call(CONSULT, {"questions": questions})


def write_parts(request: Request) -> str:
    """The answers of all specialists, in the order of the question, with what remains of it. Empty without any."""
    found = next((each.payload or {} for each in request.returned if each.name == CONSULT), {})
    answers = [each for each in found.get("answers") or () if isinstance(each, Mapping)]
    return "\n\n".join(_told(each, request) for each in answers)


def _told(answer: Mapping[str, Any], request: Request) -> str:
    asked = str(answer.get("question"))
    heading = f"**{asked[:1].upper()}{asked[1:]}**"
    if "error" in answer:
        return f"{heading}\n\n{answer.get('agent_name')} could not answer this. Ask it again by itself."
    if results := answer.get("results"):
        calls = tuple(Call(each["tool"], each["arguments"], read_model_message(each["result"])) for each in results)
        return f"{heading}\n\n{write_answer(replace(request, returned=calls))}"
    rest = "\n\nThis part is not complete." if "incomplete" in answer else ""
    return f"{heading}\n\n{answer.get('answer')}{rest}"
