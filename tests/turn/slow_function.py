"""The send function over a model that takes a minute, for a server that is stopped meanwhile."""

import asyncio
from collections.abc import AsyncGenerator

from common import app
from common.app import Services
from common.models.completion import ModelCall, Reply, Usage
from common.settings import load_settings

MINUTE = 60


class Minute:
    """Says a word a second for a minute to ``slow``, and anything else back at once."""

    async def stream(self, call: ModelCall) -> AsyncGenerator[str | Reply, None]:
        question = str(call.messages[-1]["content"])
        if question.startswith("slow"):
            for second in range(MINUTE):
                yield f"{second} "
                await asyncio.sleep(1)
        yield question
        yield Reply(question, usage=Usage(10, 5))


app.use(Services(load_settings(), model=Minute()))

from functions.send.main import send  # noqa: E402, F401  the framework's target, which needs the services above
