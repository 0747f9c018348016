"""A summary counts against the ceilings, and none is made beyond them."""

from typing import Any

from common import limits
from common.transcript.summary import STEP
from tests.fakes.scripted_model import ScriptedModel
from tests.metering.filed import counted, rows, serve
from tests.organizations.conftest import Serving
from tests.organizations.organizations import Made
from tests.organizations.serving import Product
from tests.turn.long_talk import FACT, is_summary, noting, stored, until

FULL = limits.MAX_HISTORY_MESSAGES + STEP - 2
ONE_CALL = 15


def state(product: Product, made: Made, conversation_id: str) -> dict[str, Any]:
    path = f"orgs/{made.slug}/conversations/{conversation_id}"
    return product.documents.document(path).get().to_dict() or {}


async def begun(product: Product, made: Made) -> str:
    names = (product.services, product.clock)
    return await stored(*names, FULL, {2: FACT}, org=made.slug, user=made.member["X-User-Id"])


async def test_a_summary_counts_as_every_other_call_does(serving: Serving, made: Made) -> None:
    product = await serve(serving, made, ScriptedModel([noting()]))
    conversation_id = await begun(product, made)
    assert (await product.send(made.member, conversation_id=conversation_id)).status_code == 200
    await until(lambda: counted(product, made) == 2 * ONE_CALL)
    await until(lambda: state(product, made, conversation_id)["summary"] == FACT)
    filed = {row["agent_name"]: row for row in rows(product, made)}
    assert (filed["Summary"]["model_calls"], filed["Summary"]["provider"]) == (1, "openai")
    assert sum(row["input_tokens"] + row["output_tokens"] for row in filed.values()) == 2 * ONE_CALL


async def test_a_ceiling_that_forbids_the_summary_leaves_the_turn(serving: Serving, made: Made) -> None:
    model = ScriptedModel([noting()])
    product = await serve(serving, made, model, org_tokens_per_day=ONE_CALL)
    conversation_id = await begun(product, made)
    assert (await product.send(made.member, conversation_id=conversation_id)).status_code == 200
    await until(lambda: '"summary.failed"' in product.logs.getvalue())
    assert '"cost_ceiling"' in product.logs.getvalue()
    assert not any(map(is_summary, model.calls))
    assert (counted(product, made), state(product, made, conversation_id)["summary"]) == (ONE_CALL, None)
    product.clock.forward(days=1)
    assert (await product.send(made.member, conversation_id=conversation_id)).status_code == 200
    assert state(product, made, conversation_id)["message_count"] == FULL + 4
