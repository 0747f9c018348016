"""Embedders that a test writes: a vector for each text, the same every time, or none at all."""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from common.errors import EmbeddingUnavailable
from common.knowledge.embedding.space import Embedded, Embedder, EmbeddingSpace, Purpose
from common.knowledge.embedding.spaces import LOCAL


def vector_of(text: str, dimensions: int) -> list[float]:
    """A vector of length 1 that a text has by chance."""
    dice = random.Random(text)
    numbers = [dice.gauss(0, 1) for _ in range(dimensions)]
    length = math.hypot(*numbers)
    return [number / length for number in numbers]


@dataclass
class MadeEmbeddings:
    """Embeds in one space by chance; ``missing`` says that there is no embedder."""

    space: EmbeddingSpace = LOCAL
    missing: bool = False
    asked: list[str] = field(default_factory=list)

    @property
    def shared(self) -> Embedder:
        return self

    async def embed(self, texts: Sequence[str], purpose: Purpose) -> Embedded:
        if self.missing:
            raise EmbeddingUnavailable
        self.asked += texts
        return Embedded([vector_of(text, self.space.dimensions) for text in texts])
