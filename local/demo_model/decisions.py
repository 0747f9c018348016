"""Decides what the model does next: hand over, call tools, or answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from local.demo_model.abilities import abilities
from local.demo_model.answers import write_answer
from local.demo_model.conversation import understand
from local.demo_model.formatting import both, text
from local.demo_model.offers import Offer
from local.demo_model.planning import MAX_CALLS, Call, calls_for
from local.demo_model.questions import COST_AGENT, Question, is_greeting
from local.demo_model.specialists import Understood, follow
from local.demo_model.sql_text import sql_in
from local.demo_model.tasks import AGENT_TOOLS, ALERTS, EXPLORER, USAGE, Task
from local.demo_model.transcript import TRANSFER, Message, Transcript, read_transcript

_SUBJECTS = {
    ALERTS: "alerts",
    USAGE: "usage and quotas",
    EXPLORER: "exploring the data itself",
}


@dataclass(frozen=True, slots=True)
class Decision:
    """Either calls to make or a text to say."""

    calls: tuple[Call, ...] = ()
    text: str = ""


def decide(messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] | None) -> Decision:
    """What a model that goes by rules does with one request; the same request always gets the same decision."""
    transcript, offer = read_transcript(messages), Offer(tools)
    if is_greeting(transcript.question):
        return Decision(text=f"Hello! {abilities(offer)}")
    if transcript.today is None:
        return _without_a_day(transcript)
    understood = _followed(transcript, transcript.today)
    tasks = understood.tasks
    questions = () if tasks else understand(understood.asked, understood.about_costs, transcript.today)
    if any(result.name != TRANSFER for result in transcript.results):
        answer = write_answer(questions, transcript.results, transcript.today, tasks)
        return Decision(text="\n\n".join([answer, *_left(understood)]))
    if tasks:
        return _do(tasks, transcript, offer)
    if not_a_date := next((item.not_a_date for item in questions if item.not_a_date), None):
        return Decision(
            text=f'I cannot read "{not_a_date}" as days of the calendar. Please name the first and the last day.'
        )
    return _act(questions, transcript, transcript.today, offer)


def _left(understood: Understood) -> list[str]:
    """What to say of the parts that belong to another agent."""
    asked = [f'"{text(part.strip())}"' for part in understood.left]
    return [f"I answer one subject at a time: please ask {both(asked)} by itself."] if asked else []


def _without_a_day(transcript: Transcript) -> Decision:
    if any(result.name != TRANSFER for result in transcript.results):
        return Decision(text=write_answer((), transcript.results, None))
    return Decision(text="I was not told today's date, so I cannot tell which period you mean.")


def _followed(transcript: Transcript, today: date) -> Understood:
    """SQL is taken from the message as it was written, everything else from its words."""
    has_sql = sql_in(transcript.message) is not None
    return follow(transcript.message if has_sql else transcript.question, transcript.earlier, today)


def _do(tasks: Sequence[Task], transcript: Transcript, offer: Offer) -> Decision:
    """Call, ask back or hand over; all tasks of one message are of one agent."""
    agent = tasks[0].agent
    if offer.any_of(AGENT_TOOLS[agent]):
        calls = offer.fitted([call for task in tasks for call in task.calls()])[:MAX_CALLS]
        if calls:
            return Decision(calls=tuple(calls))
        if asked := "\n\n".join(task.ask for task in tasks if task.ask):
            return Decision(text=asked)
    return _handed(agent, transcript, offer) or Decision(
        text=f"I cannot help with {_SUBJECTS[agent]} here. {abilities(offer)}"
    )


def _act(questions: Sequence[Question], transcript: Transcript, today: date, offer: Offer) -> Decision:
    asked = [item for item in questions if item.subject == COST_AGENT]
    if not asked:
        return Decision(text=f"Sorry, I did not understand that. {abilities(offer)}")
    calls = offer.fitted(calls_for(asked, today))
    if calls:
        return Decision(calls=tuple(calls))
    return _handed(COST_AGENT, transcript, offer) or Decision(
        text="I understood the question, but I have no tool here that reads the costs, so I cannot give you figures."
    )


def _handed(agent: str, transcript: Transcript, offer: Offer) -> Decision | None:
    """A transfer to the agent, None where it is not offered or was tried before."""
    tried = {result.arguments.get("agent_name") for result in transcript.results if result.name == TRANSFER}
    if agent in tried or agent not in offer.agents():
        return None
    return Decision(calls=(Call(TRANSFER, {"agent_name": agent}),))
