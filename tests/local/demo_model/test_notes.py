"""The notes that the demo model takes of a long conversation, and what it knows by them."""

import json

from common import limits
from common.agents.context import system_context
from common.turn.summarising import PROMPT
from local.demo_model.decisions import decide
from tests.local.demo_model.offered import FRIDAY, Message

FACT = "Remember that our cost centre for GenAI is CC-4711."


def notes(*said: str, former: str = "") -> str:
    """The notes on questions and answers in turn."""
    lines = [{"notes": former}] if former else []
    lines += [{"role": "assistant" if at % 2 else "user", "text": text} for at, text in enumerate(said)]
    request = "\n".join(json.dumps(line) for line in lines)
    return decide([{"role": "system", "content": PROMPT}, {"role": "user", "content": request}], ()).text


def test_notes_have_what_was_said_and_the_figures_of_answers() -> None:
    text = notes(FACT, "Sorry, I did not understand that.", "What did we spend in May?", "In May:\nTotal: 1,234.50 USD")
    assert text.splitlines() == [
        f"The user said: {FACT}",
        "Asked: What did we spend in May? Answered: Total: 1,234.50 USD",
    ]
    assert notes("What did we spend?", "5 USD", former=text).splitlines()[:2] == text.splitlines()
    assert notes("hello", "Hello!") == "Nothing to note."


def test_what_was_said_outlasts_hundreds_of_questions() -> None:
    text = notes(FACT, "ok")
    for each in range(20):
        text = notes(
            *(f"Question {each}.{n}?" if n % 2 == 0 else f"{n} USD {'x' * 200}" for n in range(40)), former=text
        )
    assert len(text) <= limits.SUMMARY_CHARS
    assert text.splitlines()[0] == f"The user said: {FACT}"
    assert "Question 19.38?" in text.splitlines()[-1]


def test_a_question_on_what_was_said_is_answered_from_the_notes_and_no_other_one() -> None:
    def answer(question: str, known: str) -> str:
        prompt = system_context(FRIDAY, None, None, earlier=known)
        messages: list[Message] = [{"role": "system", "content": prompt}, {"role": "user", "content": question}]
        return decide(messages, ()).text

    known = notes(FACT, "ok")
    assert answer("What is our cost centre for GenAI?", known) == f'Earlier in this conversation you said: "{FACT}"'
    for other in ("What is our cost centre for Azure?", "What did we spend on GenAI?", "cost"):
        assert "Earlier in this conversation" not in answer(other, known)
    assert "Earlier in this conversation" not in answer("What is our cost centre for GenAI?", "")
