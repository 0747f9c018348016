"""Consultations: an agent asks specialists at the same time, and answers from what they say."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from common import limits
from common.agents.roster import Roster
from common.bodies import problems
from common.models.call import Message, Reply, ToolCall
from common.text import shorten
from common.tools.result import error_envelope

CONSULT = "consult_agents"
HAND_IN = "hand_in_results"
ANSWER_CHARS = 12_000

# Behind the system prompt of a specialist that is consulted, whose beginning is the same as ever.
CONSULTED = (
    "Another agent consults you for a part of a user's question, and writes the answer from yours. Answer the part "
    "that follows from your tools, shortly and with its figures, period and filters, and say what of it you cannot "
    "answer. You can hand nothing over, ask nobody back and change nothing here: if a change is asked for, say that "
    "it still has to be made. Where the calls of a reply answer the part whole, call hand_in_results in that same "
    "reply: the other agent then reads their results as they are, and you write nothing."
)
_HAND_IN = (
    "Give the results of your calls to the agent that consults you, in place of an answer. Call it in the same reply "
    "as the calls that answer the part whole. Where one of them fails you are asked again."
)
_DESCRIPTION = (
    "Ask up to {most} specialists at the same time, where the parts of a question belong to different agents, or where "
    "a summary needs several of them. In the same reply call your own tools for the part that is yours. Their "
    "answers come back to you, and you write the one answer, with what is missing. Each question must stand by itself: "
    "repeat periods, filters, names and what was said before. They can change nothing: hand over for a change. What "
    "each agent answers stands at transfer_to_agent."
)
_NOTE = (
    "Write one answer to the user from all of this, with every figure as it stands here. Read results that stand in "
    "place of an answer as those of tools of your own. Say plainly what remains unanswered."
)


class Question(BaseModel):
    """One question to one specialist."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    agent_name: str
    question: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)] = Field(
        max_length=limits.CONSULTED_QUESTION_CHARS
    )

    @property
    def arguments(self) -> str:
        """The question as the arguments of a call, for its readers and for the audit."""
        return self.model_dump_json()


class _Questions(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    questions: tuple[Question, ...] = Field(min_length=1, max_length=limits.MAX_CONSULTED)


def schema(roster: Roster) -> dict[str, Any]:
    """The tool by which an agent consults specialists."""
    names = [agent.name for agent in roster.specialists]
    question = {
        "type": "object",
        "properties": {
            "agent_name": {"type": "string", "enum": names},
            "question": {"type": "string", "maxLength": limits.CONSULTED_QUESTION_CHARS},
        },
        "required": ["agent_name", "question"],
        "additionalProperties": False,
    }
    questions = {"type": "array", "minItems": 1, "maxItems": limits.MAX_CONSULTED, "items": question}
    return {
        "type": "function",
        "function": {
            "name": CONSULT,
            "description": _DESCRIPTION.format(most=limits.MAX_CONSULTED),
            "parameters": {
                "type": "object",
                "properties": {"questions": questions},
                "required": ["questions"],
                "additionalProperties": False,
            },
        },
    }


def hand_in_schema() -> dict[str, Any]:
    """The tool by which a specialist that is consulted leaves the writing to its asker."""
    parameters = {"type": "object", "properties": {}, "additionalProperties": False}
    return {"type": "function", "function": {"name": HAND_IN, "description": _HAND_IN, "parameters": parameters}}


def split_hand_in(reply: Reply) -> tuple[Reply, bool]:
    """The reply without the call that hands its results in, and whether there was one."""
    calls = tuple(call for call in reply.tool_calls if call.name != HAND_IN)
    return replace(reply, tool_calls=calls), len(calls) < len(reply.tool_calls)


def results_of(exchange: Sequence[Message]) -> list[dict[str, Any]]:
    """The results of the calls of an exchange as an answer; none where one has failed or they are too long."""
    made = {call["id"]: call["function"] for message in exchange for call in message.get("tool_calls") or ()}
    messages = [message for message in exchange if message["role"] == "tool"]
    if sum(len(message["content"]) for message in messages) > ANSWER_CHARS:
        return []
    results = []
    for message in messages:
        function, result = made[message["tool_call_id"]], json.loads(message["content"])
        if "error" in result:
            return []
        results.append(
            {"tool": function["name"], "arguments": json.loads(function["arguments"] or "{}")} | {"result": result}
        )
    return results


def read_questions(call: ToolCall, roster: Roster) -> Sequence[Question] | dict[str, Any]:
    """The questions that a call asks, or the error envelope that says what is wrong with it."""
    try:
        questions = _Questions.model_validate_json(call.arguments or "{}").questions
    except ValidationError as error:
        return error_envelope("invalid_arguments", f"Correct the arguments. {problems(error, 'The arguments')}")
    known = {agent.name for agent in roster.specialists}
    unknown = [each.agent_name for each in questions if each.agent_name not in known]
    if unknown:
        named = ", ".join(sorted(known))
        return error_envelope("unknown_agent", f"There is no specialist {unknown[0][:64]!r}. There are {named}.")
    return questions


def asked_agent(tool_name: str, arguments: str) -> str | None:
    """The specialist that a call consults, as its events tell it. Returns None for any other call."""
    return Question.model_validate_json(arguments).agent_name if tool_name == CONSULT and arguments else None


def answered(
    question: Question, text: str, missing: str | None, results: Sequence[Mapping[str, Any]] = ()
) -> dict[str, Any]:
    """The answer of a specialist as the asking model reads it; ``missing`` says why it is not all."""
    said = {"agent_name": question.agent_name, "question": question.question}
    if results:
        return said | {"results": list(results)}
    return said | {"answer": shorten(text, ANSWER_CHARS)} | ({"incomplete": missing} if missing else {})


def failed(question: Question, envelope: Mapping[str, Any]) -> dict[str, Any]:
    """The failure of a specialist as the asking model reads it."""
    return {"agent_name": question.agent_name, "question": question.question, "error": envelope["error"]}


def as_result(answers: Iterable[Mapping[str, Any]]) -> str:
    """The message with all answers, and what remains of the questions."""
    said = list(answers)
    remaining = [
        f"{each['agent_name']}: {each['question']}" for each in said if "error" in each or "incomplete" in each
    ]
    return json.dumps({"answers": said, "remaining": remaining, "note": _NOTE}, ensure_ascii=False)
