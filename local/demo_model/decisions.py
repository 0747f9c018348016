"""Decides what the model does next: hand over, call tools, or answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from local.demo_model.answers import write_answer
from local.demo_model.conversation import understand
from local.demo_model.offers import Offer
from local.demo_model.planning import Call, calls_for
from local.demo_model.questions import COST_AGENT, Question, is_greeting
from local.demo_model.transcript import TRANSFER, Message, Transcript, read_transcript

ABILITIES = """I can answer questions about your organisation's costs, for example:

- **Spend** by provider, service, service category, team, region, model, day, week or month: \
"What did we spend per provider last month?"
- **The most expensive**: "Top 3 services by cost in September 2024"
- **Shares**: "What percentage of our spend is GenAI this year?"
- **Comparisons**, month to date or month, quarter or year over the one before: \
"Compare last month with the month before"
- **What changed**: "Why did GenAI spend jump last week?"
- **Forecasts** of up to 90 days: "Forecast the next 30 days"

Name a period (a month, a quarter, a year, "last 7 days", "from 2024-09-03 to 2024-09-10") and, if you like, \
a provider or kind of cost; then follow up with "and only AWS?" or "by team instead"."""

_SUBJECTS = {
    "AlertManager": "alerts and budgets",
    "UsageAnalyst": "usage and quotas",
    "Explorer": "exploring the data itself",
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
        return Decision(text=f"Hello! {ABILITIES}")
    if transcript.today is None:
        return _without_a_day(transcript)
    questions = understand(transcript.question, transcript.earlier, transcript.today)
    if any(result.name != TRANSFER for result in transcript.results):
        return Decision(text=write_answer(questions, transcript.results, transcript.today))
    if not_a_date := next((item.not_a_date for item in questions if item.not_a_date), None):
        return Decision(
            text=f'I cannot read "{not_a_date}" as days of the calendar. Please name the first and the last day.'
        )
    return _act(questions, transcript, transcript.today, offer)


def _without_a_day(transcript: Transcript) -> Decision:
    if any(result.name != TRANSFER for result in transcript.results):
        return Decision(text=write_answer((), transcript.results, None))
    return Decision(text="I was not told today's date, so I cannot tell which period you mean.")


def _act(questions: Sequence[Question], transcript: Transcript, today: date, offer: Offer) -> Decision:
    subjects = [item.subject for item in questions if item.subject]
    if not subjects:
        return Decision(text=f"Sorry, I did not understand that. {ABILITIES}")
    subject = subjects[0]
    if subject == COST_AGENT:
        calls = offer.fitted(calls_for([item for item in questions if item.subject == COST_AGENT], today))
        if calls:
            return Decision(calls=tuple(calls))
    tried = {result.arguments.get("agent_name") for result in transcript.results if result.name == TRANSFER}
    agents = [name for name in offer.agents() if name not in tried]
    if subject in agents:
        return Decision(calls=(Call(TRANSFER, {"agent_name": subject}),))
    if subject != COST_AGENT:
        return Decision(text=f"I cannot help with {_SUBJECTS.get(subject, 'that')} yet. {ABILITIES}")
    return Decision(
        text="I understood the question, but I have no tool here that reads the costs, so I cannot give you figures."
    )
