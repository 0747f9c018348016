"""The figure check over real answers: of the demo model, from the tools, over the emulators' data."""

import json
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from common import app
from common.app import Services
from common.figures.checking import unverified_figures
from common.figures.reading import read_figures
from common.figures.sources import Sources
from common.settings import load_settings
from local.demo_model.provider import register
from local.gateway import function_app
from tests.conftest import Cloud
from tests.turn.conftest import ACME, GLOBEX

QUESTIONS = (
    (Path(__file__).parents[1] / "local" / "demo_model" / "questions.txt").read_text(encoding="utf-8").splitlines()
)
MOST_FALSE = 0.005
LEAST_CAUGHT = 0.95


@dataclass(frozen=True)
class Answered:
    """An answer, the results behind it, and the figures that its turn could not verify."""

    question: str
    text: str
    results: tuple[dict[str, Any], ...]
    unverified: tuple[str, ...]

    def check(self, text: str, today: str) -> tuple[str, ...]:
        """Check another text against the same results."""
        sources = Sources()
        for result in self.results:
            sources.add(result)
        sources.say(self.question, today)
        return unverified_figures(text, sources)


@pytest.fixture(scope="module")
async def answers(cloud: Cloud) -> AsyncIterator[list[Answered]]:
    """The demo model's answers to all questions, half of them of each organisation."""
    register()
    services = Services(load_settings())
    app.use(services)
    transport = httpx.ASGITransport(function_app("send"))
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://function", timeout=120) as client:
            yield [await _ask(client, each, GLOBEX if number % 2 else ACME) for number, each in enumerate(QUESTIONS)]
    finally:
        app.use(None)
        await services.documents.close()
        await services.provider_keys.close()
        services.warehouse.close()


async def _ask(client: httpx.AsyncClient, question: str, headers: dict[str, str]) -> Answered:
    reply = await client.post("/stream", json={"message": question}, headers=headers)
    frames = [frame.split("\n") for frame in reply.text.split("\n\n") if frame.startswith("event: ")]
    events = [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in frames]
    text = "".join(data["text"] for name, data in events if name == "token")
    results = tuple(data["result"] for name, data in events if name == "tool" and "result" in data)
    assert events[-1][0] == "done", events[-1]
    return Answered(question, text, results, tuple(events[-1][1]["unverified_figures"]))


def _spoiled(answer: Answered, chance: random.Random) -> list[tuple[str, str]]:
    """For each figure of an answer: a digit of it changed, and the text with that."""
    texts = []
    for figure in read_figures(answer.text):
        at = chance.choice([at for at, sign in enumerate(figure.number) if sign.isdecimal()])
        digit = chance.choice([each for each in "123456789" if each != figure.number[at]])
        number = f"{figure.number[:at]}{digit}{figure.number[at + 1 :]}"
        end = figure.start + len(figure.number)
        texts.append((number, f"{answer.text[: figure.start]}{number}{answer.text[end:]}"))
    return texts


def test_the_figures_of_the_demo_are_verified(answers: list[Answered]) -> None:
    figures = sum(len(read_figures(answer.text)) for answer in answers)
    false = [(answer.question, figure) for answer in answers for figure in answer.unverified]
    assert figures > 3000
    assert len(false) / figures <= MOST_FALSE, false


def test_spoiled_figures_are_caught(answers: list[Answered], cloud: Cloud) -> None:
    chance = random.Random(19)
    caught, missed = 0, []
    for answer in answers:
        for number, text in chance.sample(spoiled := _spoiled(answer, chance), min(12, len(spoiled))):
            if any(number in figure for figure in answer.check(text, cloud.today.isoformat())):
                caught += 1
            else:
                missed.append((answer.question, number))
    assert caught + len(missed) > 800
    assert caught / (caught + len(missed)) >= LEAST_CAUGHT, missed
