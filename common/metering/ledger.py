"""The ledger of a turn: what each of its model calls used, whatever the end of the call."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from decimal import Decimal

from common.errors import ProviderTimeout, ServiceError
from common.models.call import Completion, Heard, ModelCall, Reply, Usage
from common.models.catalog import Model
from common.models.prices import Tier
from common.models.token_estimate import prompt_tokens, tokens_of


@dataclass(slots=True)
class ModelUse:
    """The calls of a turn to one model. ``cost`` is in US dollars, None where the model's prices are unknown.

    ``agent_name`` is empty for those of the turn's own agent.
    """

    model: Model
    agent_name: str = ""
    calls: int = 0
    usage: Usage = field(default_factory=Usage)
    estimated: bool = False
    cost: Decimal | None = Decimal(0)
    tiers: list[Tier] = field(default_factory=list)

    def add(self, used: Usage, *, estimated: bool) -> None:
        """Add one call. Its own length decides which prices it has."""
        self.calls += 1
        self.usage += used
        self.estimated = self.estimated or estimated
        prices = self.model.prices
        if prices is None or self.cost is None:
            self.cost = None
            return
        tier = prices.of_call(used.input_tokens)
        if tier not in self.tiers:
            self.tiers.append(tier)
        self.cost += tier.cost(used.input_tokens, used.output_tokens, used.cached_tokens, used.cache_write_tokens)

    def since(self, earlier: "ModelUse") -> "ModelUse":
        """The calls that were added after ``earlier``, a copy of this."""
        cost = None if self.cost is None or earlier.cost is None else self.cost - earlier.cost
        return replace(self, calls=self.calls - earlier.calls, usage=self.usage - earlier.usage, cost=cost)

    @property
    def tier(self) -> Tier | None:
        """The prices that all calls had; None where they are unknown, or short and long prompts had different ones."""
        if not self.tiers and self.model.prices is not None:
            return self.model.prices.plain
        return self.tiers[0] if len(self.tiers) == 1 else None


@dataclass(slots=True)
class Ledger:
    """The sums of one turn, by provider, model and consulted agent."""

    uses: dict[tuple[str, str, str], ModelUse] = field(default_factory=dict)
    _told: dict[tuple[str, str], tuple[ModelCall, int]] = field(default_factory=dict)

    def add_reply(self, call: ModelCall, reply: Reply) -> None:
        """Count a call that was answered."""
        model = reply.answered_by or call.model
        self._of(model, call).add(reply.usage, estimated=reply.usage_is_estimated)
        if not reply.usage_is_estimated and reply.usage.input_tokens:
            self._told[_name(model)] = call, reply.usage.input_tokens

    def add_cut(self, call: ModelCall, said: str, error: BaseException | None) -> None:
        """Count a call without a reply: as its provider told, else as is estimated from its prompt and its text.

        A call that the provider refused or could not take used nothing.
        """
        heard = call.heard
        if heard.ended and heard.usage.total_tokens:
            self._of(call.model, call).add(heard.earlier + heard.usage, estimated=False)
            return
        refused = isinstance(error, ServiceError) and not isinstance(error, ProviderTimeout)
        text = "".join(heard.pieces) or said
        if refused and not text and not heard.usage.total_tokens:
            self._of(call.model, call).add(heard.earlier, estimated=False)
            return
        used = replace(
            heard.usage,
            input_tokens=heard.usage.input_tokens or self._prompt_of(call),
            output_tokens=max(heard.usage.output_tokens, tokens_of(text)),
        )
        self._of(call.model, call).add(heard.earlier + used, estimated=True)

    def carry(self, model: Model, used: Usage) -> None:
        """Count what an earlier attempt at the turn used and could not count; its prices are not known exactly."""
        if used.total_tokens:
            self._of(model).add(used, estimated=True)

    def copy(self) -> "Ledger":
        """The sums as they now are; what is counted later does not change them."""
        return Ledger({name: replace(use, tiers=[*use.tiers]) for name, use in self.uses.items()})

    def since(self, earlier: "Ledger") -> "Ledger":
        """The sums of what was counted after ``earlier``, which is a copy of this ledger."""
        rest = {name: use.since(earlier.uses[name]) if name in earlier.uses else use for name, use in self.uses.items()}
        return Ledger({name: use for name, use in rest.items() if use.calls})

    @property
    def usage(self) -> Usage:
        """The tokens of all models."""
        return sum((use.usage for use in self.uses.values()), Usage())

    @property
    def calls(self) -> int:
        return sum(use.calls for use in self.uses.values())

    @property
    def cost(self) -> Decimal | None:
        """The US dollars of all models; None where the prices of one are unknown."""
        known = [use.cost for use in self.uses.values() if use.cost is not None]
        return sum(known, Decimal(0)) if len(known) == len(self.uses) else None

    @property
    def known_cost(self) -> Decimal:
        """The US dollars of the models whose prices are known."""
        return sum((use.cost for use in self.uses.values() if use.cost is not None), Decimal(0))

    def _of(self, model: Model, call: ModelCall | None = None) -> ModelUse:
        agent_name = call.agent_name if call else ""
        return self.uses.setdefault((*_name(model), agent_name), ModelUse(model, agent_name))

    def _prompt_of(self, call: ModelCall) -> int:
        """Estimate a prompt, measured by what the provider told of an earlier call of the turn where there is one."""
        estimate = prompt_tokens(call)
        told = self._told.get(_name(call.model))
        if told is None:
            return estimate
        earlier, tokens = told
        return round(estimate * tokens / max(1, prompt_tokens(earlier)))


class MeteredCompletion:
    """A Completion whose every call is counted in a ledger, and made only where ``check`` does not refuse it."""

    def __init__(self, completion: Completion, ledger: Ledger, check: Callable[[], None]) -> None:
        self._completion = completion
        self._ledger = ledger
        self._check = check

    async def stream(self, call: ModelCall) -> AsyncGenerator[str | Reply, None]:
        """Make the call. Raises what ``check`` and the call raise."""
        self._check()
        call = replace(call, heard=Heard())
        said: list[str] = []
        answered = False
        try:
            async with aclosing(self._completion.stream(call)) as pieces:
                async for piece in pieces:
                    if isinstance(piece, Reply):
                        answered = True
                        self._ledger.add_reply(call, piece)
                    else:
                        said.append(piece)
                    yield piece
        except BaseException as error:
            if not answered:
                self._ledger.add_cut(call, "".join(said), error)
            raise
        if not answered:
            self._ledger.add_cut(call, "".join(said), None)


def _name(model: Model) -> tuple[str, str]:
    return model.provider, model.model_id
