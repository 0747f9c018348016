"""A model between the product and a provider that counts what is spent, and stops before a cap would be passed."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from contextvars import ContextVar
from dataclasses import dataclass, field
from decimal import Decimal

from common.errors import ModelError
from common.models.completion import Completion, ModelCall, Reply
from common.models.token_estimate import prompt_tokens
from tests.eval.observed import Spent

# The turn that a model call belongs to: what an ASGI request starts inherits it.
SPENT: ContextVar[Spent] = ContextVar("spent")


class CapReached(ModelError):
    """The next call could pass the spending cap, so it was not made."""

    status = 402
    code = "cap_reached"
    detail = "The spending cap of this run would be passed."


@dataclass
class Metered:
    """Passes calls on. ``cap_usd`` is what the run may cost: a call that might go beyond is refused."""

    inner: Completion
    cap_usd: Decimal | None = None
    spent_usd: Decimal = Decimal()
    reserved_usd: Decimal = field(default=Decimal(), repr=False)
    is_stopped: bool = False

    async def stream(self, call: ModelCall) -> AsyncGenerator[str | Reply, None]:
        spent = SPENT.get(Spent())
        most = self._most(call) if self.cap_usd is not None else Decimal()
        if self.cap_usd is not None and self.spent_usd + self.reserved_usd + most > self.cap_usd:
            self.is_stopped = True
            raise CapReached
        self.reserved_usd += most
        spent.model_calls += 1
        spent.prompts[str(call.messages[0].get("content"))] = ""
        cost = most
        try:
            async with aclosing(self.inner.stream(call)) as pieces:
                async for piece in pieces:
                    if isinstance(piece, Reply):
                        usage = piece.usage
                        spent.input_tokens += usage.input_tokens
                        spent.output_tokens += usage.output_tokens
                        cost = _cost(call, usage.input_tokens, usage.output_tokens)
                    yield piece
        finally:
            # A call that broke off may have cost up to its most.
            self.reserved_usd -= most
            self.spent_usd += cost
            spent.cost_usd += cost

    def _most(self, call: ModelCall) -> Decimal:
        # An estimate of a prompt may be too low by a quarter, and a spoilt reply is asked for a second time.
        return 2 * _cost(call, prompt_tokens(call) * 5 // 4, call.max_tokens)


def _cost(call: ModelCall, input_tokens: int, output_tokens: int) -> Decimal:
    prices = call.model.prices
    return prices.cost(input_tokens, output_tokens) if prices is not None else Decimal()
