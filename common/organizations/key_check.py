"""Asks a provider whether a key opens a model and whether the model calls tools, by the cheapest call that can tell."""

import asyncio
import re
from collections.abc import Sequence
from contextlib import aclosing

from common.errors import ContentRefused, KeyInvalid, ModelError, ProviderTimeout
from common.models.catalog import Model
from common.models.completion import Completion, Message, ModelCall, Reply
from common.secret import Secret

KEY_CHECK_SECONDS = 30.0
KEY_CHECK_TOKENS = 64
KEY_CHECK_REASONING_TOKENS = 1_024

_TOOL: Message = {
    "type": "function",
    "function": {
        "name": "ready",
        "description": "Tell that you are ready.",
        "parameters": {"type": "object", "properties": {}},
    },
}
_ASKED = "Call the tool `ready`. Say OK if you cannot."


class KeyCheck:
    """Checks keys over the same port that answers questions."""

    def __init__(self, completion: Completion) -> None:
        self._completion = completion

    async def check(self, model: Model, key: Secret) -> bool | None:
        """Make one small call with one tool, and return whether the model calls tools; None where that is not known.

        Raises KeyInvalid, ModelNotFound or another of the ModelError family where the model does not answer.
        """
        form = model.key_form
        if form is not None and not re.fullmatch(form.pattern, key.reveal()):
            raise KeyInvalid(f"{form.says} Nothing was changed.")
        try:
            async with asyncio.timeout(KEY_CHECK_SECONDS):
                return await self._calls_tools(model, key)
        except TimeoutError:
            raise ProviderTimeout from None
        except KeyInvalid:
            raise KeyInvalid("The provider does not accept this key. Nothing was changed.") from None
        except ContentRefused:
            return None  # It read the key before it read the message.

    async def _calls_tools(self, model: Model, key: Secret) -> bool | None:
        if not model.tools:
            await self._ask(model, key, ())
            return False
        try:
            reply = await self._ask(model, key, (_TOOL,))
        except ModelError as error:
            # A refusal that names nothing else may be one of the tool: the model may answer without.
            if type(error) is not ModelError:
                raise
            await self._ask(model, key, ())
            return False
        if reply.tool_calls:
            return True
        # A listed model is known to call tools, whatever it makes of this one; of another one, this is all there is.
        return None if model.listed else False

    async def _ask(self, model: Model, key: Secret, tools: Sequence[Message]) -> Reply:
        """The reply, of which a few tokens are enough. A model that thinks first needs room for its thoughts."""
        call = ModelCall(
            model=model,
            key=key,
            messages=[{"role": "user", "content": _ASKED}],
            tools=tools,
            # The one that every model accepts.
            temperature=1.0,
            max_tokens=KEY_CHECK_REASONING_TOKENS if model.reasoning else KEY_CHECK_TOKENS,
        )
        async with aclosing(self._completion.stream(call)) as pieces:
            async for piece in pieces:
                if isinstance(piece, Reply):
                    return piece
        return Reply("")
