"""The stub of the four providers, and the product's client of them, shared by the session."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from common.errors import ServiceError
from common.models.breaker import Breakers
from common.models.catalog import resolve
from common.models.completion import Message, ModelCall, Providers, Reply
from common.secret import Secret
from tests.fakes.further_formats import FURTHER
from tests.fakes.wire_stub import MODELS, Answer, Script, WireStub, wire_stub

QUESTION: list[Message] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "What did we spend?"},
]
TOOL: Message = {
    "type": "function",
    "function": {
        "name": "query_costs",
        "description": "Costs by group.",
        "parameters": {"type": "object", "properties": {"group_by": {"type": "string"}}},
    },
}

PROVIDERS = sorted(MODELS)
THREE = Answer("one two three")
# Frames of the stream before the first and the second word.
FIRST = {"openai": 1, "anthropic": 3, "gemini": 0, "deepseek": 1, "openai-litellm": 1, "deepseek-litellm": 1}
each_provider = pytest.mark.parametrize("provider", sorted(FIRST))


def a_call(
    provider: str, model_id: str | None = None, *, key: str = "sk-test-0123456789", **changes: object
) -> ModelCall:
    """A call of a provider's model; ``openai-litellm`` is OpenAI through litellm."""
    provider, _, through = provider.partition("-")
    model = resolve(provider, model_id or (MODELS | FURTHER)[provider], deployed=True)
    values: dict[str, object] = {
        "messages": QUESTION, "tools": [TOOL] if model.tools else (), "temperature": 0.7, "max_tokens": 100, **changes,
    }  # fmt: skip
    if through:
        model = replace(model, wire="litellm")
    return ModelCall(model=model, key=Secret(key), **values)  # type: ignore[arg-type]


@dataclass
class Wire:
    """The stub, and a Providers that reaches it; the pauses it would have made are kept, not made."""

    stub: WireStub
    llm: Providers
    pauses: list[float] = field(default_factory=list)

    async def ask(self, call: ModelCall) -> tuple[list[str], Reply]:
        """Make the call: the pieces of text as they came, and the reply."""
        pieces: list[str] = []
        reply: Reply | None = None
        async for piece in self.llm.stream(call):
            if isinstance(piece, Reply):
                reply = piece
            else:
                pieces.append(piece)
        assert reply is not None
        return pieces, reply

    def play(self, script: Script) -> None:
        self.stub.play(script)
        self.pauses.clear()


async def refused(wire: Wire, provider: str, **changes: Any) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        await wire.ask(a_call(provider, **changes))
    return caught.value


@pytest.fixture(scope="session")
async def session_wire() -> AsyncIterator[Wire]:
    async with wire_stub() as stub:
        pauses: list[float] = []

        async def pause(seconds: float) -> None:
            pauses.append(seconds)

        llm = Providers(stub.bases, pause=pause)
        await llm.load()
        yield Wire(stub, llm, pauses)
        await llm.close()


@pytest.fixture
def wire(session_wire: Wire) -> Wire:
    session_wire.play([])
    # What went wrong in one test keeps no call of the next one away.
    session_wire.llm.breakers = Breakers()
    return session_wire
