"""What was filed and counted of an organisation's turns, and a product whose turns' rows can be read."""

from datetime import UTC, datetime, timedelta
from typing import Any

from common.models.call import Reply, ToolCall, Usage
from tests.fakes.scripted_model import ScriptedModel, say, transfer
from tests.organizations.conftest import Serving
from tests.organizations.organizations import Made
from tests.organizations.serving import Product

FIRST = {"provider": "openai", "model": "gpt-4o", "key": "sk-metering-0123456789"}
# Two days ago, at the first of no month: what is written then is due for the record.
MIDDAY = datetime.now(UTC).replace(hour=12, minute=0, second=15, microsecond=0) - timedelta(days=2)
LISTING = Reply("", (ToolCall("call_1", "list_alerts", "{}"),), Usage(30_000, 5), "tool_calls")
HANDED_OVER = Reply("", transfer("AlertManager").tool_calls, Usage(30_000, 5), "tool_calls")


async def serve(serving: Serving, made: Made, model: ScriptedModel, **settings: Any) -> Product:
    """The product with an organisation that has settings, and the model's script from its beginning."""
    script, model.steps = model.steps, [say("OK")]
    product: Product = await serving(model, user_messages_per_minute=0, **settings)
    assert (await product.put(made, **FIRST)).status_code == 200
    product.clock.now = MIDDAY
    model.calls.clear()
    model.steps = script
    return product


def rows(product: Product, made: Made, table: str = "org_chat_usage") -> list[dict[str, Any]]:
    found = [entry.to_dict() or {} for entry in product._of(made, "outbox")]
    return sorted((each["row"] for each in found if each["table"] == table), key=lambda row: str(row.get("finish")))


def counted(product: Product, made: Made, name: str = "total") -> int:
    """The organisation's counter, over all of its parts."""
    found = product.documents.collection(f"orgs/{made.slug}/counters").stream()
    return sum((each.to_dict() or {}).get(name, 0) for each in found if each.id.startswith("tokens-"))
