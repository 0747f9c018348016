"""A long conversation on a laptop: what fell out of the window is known by the notes that the demo model took."""

from common import limits
from common.transcript.summary import STEP
from tests.api.conftest import Product

FACT = "Remember that our cost centre for GenAI is CC-4711."


def test_a_fact_is_known_when_it_fell_out_of_the_window(product: Product) -> None:
    conversation_id = product.send(FACT)["conversation_id"]
    asked = [f"What did we spend in {month} 2026?" for month in ("May", "June", "July", "August")]
    for at in range((limits.MAX_HISTORY_MESSAGES + STEP) // 2):
        product.send(asked[at % len(asked)], conversation_id=conversation_id)
    said = product.send("What is our cost centre for GenAI?", conversation_id=conversation_id)
    assert said["response"] == f'Earlier in this conversation you said: "{FACT}"'
    again = product.send("What did we spend in May 2026?", conversation_id=conversation_id)
    assert "2026-05-01 to 2026-05-31" in again["response"]
