"""Questions with several parts: each part is asked of its specialist, and the answers are put together."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from common.tools.result import read_model_message
from local.demo_model.answers import write_answer
from local.demo_model.reading import Reading
from local.demo_model.request import CONSULT, Call, Request


def ask_specialists(parts: Sequence[Reading], request: Request) -> Call | None:
    """The call that asks for all parts at the same time. Returns None where one of them changes data or is nobody's."""
    known = [(part, part.intent) for part in parts if part.intent and not part.intent.more.keys() & {"asks", "says"}]
    agents = [intent.agent for _, intent in known]
    if len(known) < len(parts) or not set(agents) <= set(request.specialists) or len(parts) > request.most_questions:
        return None
    questions, before = [], None
    for part, intent in known:
        text = part.text.strip()
        # "And what drove it?" is about the days of the part before it.
        if not part.periods and before is not None and before[1] == intent.agent and len(before[0].periods) == 1:
            days = before[0].periods[0]
            text = f"{text} from {days.start} to {days.end}"
        questions.append({"agent_name": intent.agent, "question": text})
        before = part if part.periods or before is None else before[0], intent.agent
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
