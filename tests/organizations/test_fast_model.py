"""Two models: the fast one's words are given out only where every figure in them is verified, on every channel."""

import json
import random
from decimal import Decimal
from typing import Any

import pytest

from common.errors import ContextTooLong, ModelError, ProviderUnavailable
from common.models.completion import ModelCall, Reply, Usage
from tests.fakes.scripted_model import ScriptedModel, Step, call_tool, say
from tests.metering.filed import rows as filed
from tests.metering.filed import serve
from tests.metering.test_every_channel import CHANNELS, QUESTION, client
from tests.organizations.conftest import Serving
from tests.organizations.organizations import Made
from tests.organizations.serving import Product

FAST, STRONG = "gpt-4o-mini", "gpt-4o"
QUESTIONS = 40


def by_model(fast: Step, strong: Step) -> ScriptedModel:
    """A script with one step for each of the two models."""

    def step(call: ModelCall) -> Reply:
        chosen = fast if call.model.model_id == FAST else strong
        if isinstance(chosen, Exception):
            raise chosen
        return chosen if isinstance(chosen, Reply) else chosen(call)

    return ScriptedModel([step])


def asked(model: ScriptedModel) -> list[str]:
    return [call.model.model_id for call in model.calls]


async def two(serving: Serving, made: Made, model: ScriptedModel) -> Product:
    """The product with an organisation that has both models."""
    product = await serve(serving, made, ScriptedModel([say("OK")]))
    assert (await product.put(made, fast_model_id=FAST)).status_code == 200
    product.model.steps = model.steps
    product.model.calls.clear()
    model.calls = product.model.calls
    return product


async def test_words_without_an_unverified_figure_are_the_fast_models(serving: Serving, made: Made) -> None:
    model = by_model(say("It is 1,234.56 USD of 9,000.25."), say("never asked"))
    product = await two(serving, made, model)
    body = (await product.send(made.member, "Is 1,234.56 of 9,000.25 much?")).json()
    assert body["response"].strip() == "It is 1,234.56 USD of 9,000.25."
    assert (body["model_id"], body["fallback_from"], body["unverified_figures"]) == (FAST, None, [])
    assert asked(model) == [FAST]


async def test_an_invented_figure_is_never_given_out(serving: Serving, made: Made) -> None:
    model = by_model(say("It is 7,777.77 USD."), say("It is not known."))
    product = await two(serving, made, model)
    reply = await product.chat.post("/stream", json={"message": "How much is it?"}, headers=made.member)
    assert "7,777.77" not in reply.text
    assert "known." in reply.text
    assert json.loads(reply.text.rstrip().rsplit("data: ", 1)[1])["model_id"] == STRONG
    assert asked(model) == [FAST, STRONG]
    assert model.calls[0].messages == model.calls[1].messages


@pytest.mark.parametrize(("channel", "function", "path", "body"), CHANNELS, ids=[each[0] for each in CHANNELS])
async def test_a_fast_model_that_invents_thirty_percent_gives_out_none_of_them(
    serving: Serving, made: Made, channel: str, function: str, path: str, body: dict[str, Any]
) -> None:
    chance = random.Random(channel)
    invented: list[str] = []
    written: list[bool] = []

    def inventing(call: ModelCall) -> Reply:
        given = [str(message["content"]) for message in call.messages if message["role"] == "user"][-1].split()[2:]
        said = [
            each if chance.random() >= 0.3 else f"{Decimal(chance.randrange(10**6, 10**7)) / 100:,.2f}"
            for each in given
        ]
        invented.extend(set(said) - set(given))
        written.append(said == given)
        return say(f"They are {' and '.join(said)} USD.")

    await two(serving, made, by_model(inventing, say("The strong model says it.")))
    told = ""
    async with client(function) as http:
        for number in range(QUESTIONS):
            figures = [f"{Decimal(chance.randrange(10**6, 10**7)) / 100:,.2f}" for _ in range(3)]
            text = json.dumps(body).replace(QUESTION, f"They are: {' '.join(figures)}")
            for one in ("a-thread", "a-run", "a-chat", "a-message", '"m"'):
                text = text.replace(one, f'"m-{number}"' if one == '"m"' else f"{one}-{channel}-{number}")
            answer = await http.post(path, content=text, headers=made.member | {"Content-Type": "application/json"})
            assert answer.status_code == 200, answer.text
            told += answer.text
    assert len(invented) > 20
    assert not [figure for figure in invented if figure in told]
    assert 5 < sum(written) < QUESTIONS
    assert "strong" in told


@pytest.mark.parametrize(
    "problem",
    [
        ProviderUnavailable(),
        ContextTooLong(),
        Reply("", usage=Usage(1, 1)),
        Reply("Cut", usage=Usage(1, 1), finish_reason="length"),
    ],
)
async def test_what_the_fast_model_cannot_do_the_strong_one_does(
    serving: Serving, made: Made, problem: ModelError | Reply
) -> None:
    model = by_model(problem, say("Here it is."))
    product = await two(serving, made, model)
    body = (await product.send(made.member)).json()
    assert (body["response"].strip(), body["model_id"]) == ("Here it is.", STRONG)


async def test_errors_of_tools_in_a_row_bring_the_strong_model(serving: Serving, made: Made) -> None:
    wrong = [call_tool("chat_usage", f"call_{number}", month="never") for number in range(2)]
    steps = iter(wrong)
    model = by_model(lambda _: next(steps), say("It has no such month."))
    product = await two(serving, made, model)
    body = (await product.send(made.member)).json()
    assert asked(model) == [FAST, FAST, STRONG]
    assert body["model_id"] == STRONG


async def test_the_calls_of_the_fast_model_are_made_and_its_wrong_words_before_them_are_not_said(
    serving: Serving, made: Made
) -> None:
    first = call_tool("list_org_tables")
    steps = iter([Reply("I expect 8,888.88 USD.", first.tool_calls, Usage(10, 5), "tool_calls"), say("Done.")])
    model = by_model(lambda _: next(steps), say("never"))
    product = await two(serving, made, model)
    body = (await product.send(made.member)).json()
    assert (body["response"].strip(), body["model_id"]) == ("Done.", FAST)


async def test_both_models_are_counted_at_their_own_prices(serving: Serving, made: Made) -> None:
    product = await two(serving, made, by_model(say("It is 7,777.77 USD."), say("I do not know.")))
    await product.send(made.member)
    found = {row["model_id"]: row for row in filed(product, made)}
    assert {name: (row["input_tokens"], row["output_tokens"]) for name, row in found.items()} == {
        FAST: (10, 5),
        STRONG: (10, 5),
    }
    costs = {name: Decimal(str(row["estimated_cost_usd"])) for name, row in found.items()}
    assert costs[STRONG] == Decimal("0.000075")
    assert costs[FAST] == Decimal("0.0000045")


async def test_it_is_off_unless_it_is_set_and_goes_away_with_its_provider(serving: Serving, made: Made) -> None:
    product = await serve(serving, made, ScriptedModel([say("OK")]))
    assert (await product.status(made.member))["fast_model_id"] is None
    body = (await product.put(made, fast_model_id=FAST)).json()
    assert (body["fast_model_id"], body["settings"]["fast_model_id"]) == (FAST, FAST)
    assert (await product.put(made, temperature=0.1)).json()["fast_model_id"] == FAST
    assert (await product.put(made, fast_model_id=None)).json()["fast_model_id"] is None
    await product.put(made, fast_model_id=FAST)
    assert (await product.put(made, model=FAST)).json()["fast_model_id"] is None


@pytest.mark.parametrize("name", ["gpt-9-none", "claude-haiku-4-5", STRONG, "../x", "", 7])
async def test_a_model_that_cannot_draft_is_refused(serving: Serving, made: Made, name: object) -> None:
    product = await serve(serving, made, ScriptedModel([say("OK")]))
    answer = await product.put(made, fast_model_id=name)
    assert answer.status_code == 422
    assert "fast_model_id" in answer.json()["detail"]
