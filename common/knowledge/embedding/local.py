"""The embedder of this machine: no provider sees the texts."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from common.errors import EmbeddingUnavailable
from common.knowledge.embedding.space import Embedded, Purpose
from common.knowledge.embedding.spaces import LOCAL

if TYPE_CHECKING:
    from common.knowledge.embedding.minilm import MiniLm

_THREADS = 2
_NOT_INSTALLED = (
    "The local embedding model is not installed here. `make run` installs it on a laptop; a deployed function has "
    "Vertex AI in its place."
)


class LocalEmbedder:
    """Embeds with the weights of a folder, which are read when they are first needed."""

    space = LOCAL

    def __init__(self, weights: Path | None) -> None:
        self._folder = weights
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="embedding")
        self._model: MiniLm | None = None
        self._loading = asyncio.Lock()

    async def embed(self, texts: Sequence[str], purpose: Purpose) -> Embedded:  # noqa: ARG002  # one model for both
        """Return a vector for each text, of length 1. Raises EmbeddingUnavailable."""
        model = await self._loaded()
        loop = asyncio.get_running_loop()
        embedding = (loop.run_in_executor(self._threads, model.embed, text) for text in texts)
        return Embedded(list(await asyncio.gather(*embedding)))

    async def _loaded(self) -> "MiniLm":
        async with self._loading:
            if self._model is None:
                if self._folder is None or not (self._folder / "model.safetensors").is_file():
                    raise EmbeddingUnavailable(_NOT_INSTALLED)
                try:
                    self._model = await asyncio.get_running_loop().run_in_executor(self._threads, _load, self._folder)
                except (ImportError, OSError, ValueError) as error:
                    raise EmbeddingUnavailable(_NOT_INSTALLED) from error
            return self._model


def _load(folder: Path) -> "MiniLm":
    from common.knowledge.embedding.minilm import MiniLm

    return MiniLm(folder)
