"""Asks a provider whether a key opens a model, by the cheapest call that can tell: a few tokens of an answer."""

import asyncio
from contextlib import aclosing

from common import limits
from common.errors import ContentRefused, KeyInvalid, ProviderTimeout
from common.models.catalog import Model
from common.models.completion import Completion, ModelCall
from common.secret import Secret


class KeyCheck:
    """Checks keys over the same port that answers questions."""

    def __init__(self, completion: Completion) -> None:
        self._completion = completion

    async def check(self, model: Model, key: Secret) -> None:
        """Return once the model begins to answer. Raises KeyInvalid, ModelNotFound or another of the ModelError family.

        The temperature is the one that every model accepts. A model that thinks first needs room for its thoughts.
        """
        call = ModelCall(
            model=model,
            key=key,
            messages=[{"role": "user", "content": "Say OK."}],
            tools=(),
            temperature=1.0,
            max_tokens=limits.KEY_CHECK_REASONING_TOKENS if model.reasoning else limits.KEY_CHECK_TOKENS,
        )
        try:
            async with asyncio.timeout(limits.KEY_CHECK_SECONDS), aclosing(self._completion.stream(call)) as pieces:
                await anext(pieces, None)
        except TimeoutError:
            raise ProviderTimeout from None
        except KeyInvalid:
            raise KeyInvalid("The provider does not accept this key. Nothing was changed.") from None
        except ContentRefused:
            return  # It read the key before it read the message.
