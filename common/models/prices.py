"""Prices of a model's tokens: plain, cached and long-context, in US dollars for a million tokens."""

from dataclasses import dataclass
from decimal import Decimal

from pydantic import BaseModel, ConfigDict, Field


class Tier(BaseModel):
    """The prices of one range of prompt lengths; a cache price that is absent is the price of plain input."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    input_price: Decimal = Field(ge=0)
    output_price: Decimal = Field(ge=0)
    cached_input_price: Decimal | None = Field(None, ge=0)
    cache_write_price: Decimal | None = Field(None, ge=0)

    @property
    def read_price(self) -> Decimal:
        """The price of input that was in the cache."""
        return self.input_price if self.cached_input_price is None else self.cached_input_price

    @property
    def write_price(self) -> Decimal:
        """The price of input that is put into the cache."""
        return self.input_price if self.cache_write_price is None else self.cache_write_price

    def cost(self, input_tokens: int, output_tokens: int, cached_tokens: int, cache_write_tokens: int) -> Decimal:
        """US dollars of one call; cached and written tokens are part of the input."""
        cached = min(cached_tokens, input_tokens)
        written = min(cache_write_tokens, input_tokens - cached)
        total = self.input_price * (input_tokens - cached - written)
        total += self.read_price * cached + self.write_price * written + self.output_price * output_tokens
        return total / 1_000_000


class LongContext(Tier):
    """The prices of a call whose input has more than ``above`` tokens, for all of its tokens."""

    above: int = Field(gt=0)


@dataclass(frozen=True, slots=True)
class Prices:
    """The prices of one model."""

    plain: Tier
    long_context: LongContext | None = None

    def of_call(self, input_tokens: int) -> Tier:
        """The prices of a call whose input has so many tokens."""
        longer = self.long_context
        return longer if longer is not None and input_tokens > longer.above else self.plain

    def cost(
        self, input_tokens: int, output_tokens: int, cached_tokens: int = 0, cache_write_tokens: int = 0
    ) -> Decimal:
        """US dollars of one call to the provider."""
        return self.of_call(input_tokens).cost(input_tokens, output_tokens, cached_tokens, cache_write_tokens)
