"""all-MiniLM-L6-v2, computed with numpy: a BERT of six layers whose mean over the tokens is the vector.

The weights are views of the file, which the operating system reads as they are needed and shares between processes.
"""

import json
import os
from pathlib import Path
from typing import Any

# One text is too little work to be shared out: two threads of BLAS on a busy machine take many times longer than one.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

LAYERS, HEADS, WIDTH = 6, 12, 384
MAX_TOKENS = 256
_EPSILON = 1e-12
Array = NDArray[np.float32]


class MiniLm:
    """The model; ``embed`` may run in several threads at a time."""

    def __init__(self, folder: Path) -> None:
        self._weights = _read_weights(folder / "model.safetensors")
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(MAX_TOKENS)

    def embed(self, text: str) -> list[float]:
        """Return the text's vector, of length 1; what is beyond ``MAX_TOKENS`` does not count."""
        state = self._read(self._tokenizer.encode(text).ids)
        for layer in range(LAYERS):
            state = self._layer(state, f"encoder.layer.{layer}")
        mean = state.mean(axis=0)
        vector: list[float] = (mean / max(float(np.linalg.norm(mean)), _EPSILON)).tolist()
        return vector

    def _read(self, ids: list[int]) -> Array:
        words = self._weights["embeddings.word_embeddings.weight"][ids]
        places = self._weights["embeddings.position_embeddings.weight"][: len(ids)]
        kind = self._weights["embeddings.token_type_embeddings.weight"][0]
        return self._normalized(words + places + kind, "embeddings.LayerNorm")

    def _layer(self, state: Array, name: str) -> Array:
        heads = [_by_head(self._linear(state, f"{name}.attention.self.{part}")) for part in ("query", "key", "value")]
        query, key, value = heads
        scores = query @ key.transpose(0, 2, 1) / np.float32((WIDTH // HEADS) ** 0.5)
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        weights /= weights.sum(axis=-1, keepdims=True)
        seen = (weights @ value).transpose(1, 0, 2).reshape(state.shape)
        seen = self._linear(seen, f"{name}.attention.output.dense")
        state = self._normalized(state + seen, f"{name}.attention.output.LayerNorm")
        inner = _gelu(self._linear(state, f"{name}.intermediate.dense"))
        return self._normalized(state + self._linear(inner, f"{name}.output.dense"), f"{name}.output.LayerNorm")

    def _linear(self, state: Array, name: str) -> Array:
        result: Array = state @ self._weights[f"{name}.weight"].T
        result += self._weights[f"{name}.bias"]
        return result

    def _normalized(self, state: Array, name: str) -> Array:
        centred = state - state.mean(axis=-1, keepdims=True)
        deviation = np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + np.float32(_EPSILON))
        result: Array = centred / deviation * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]
        return result


def _by_head(state: Array) -> Array:
    return state.reshape(len(state), HEADS, WIDTH // HEADS).transpose(1, 0, 2)


def _gelu(x: Array) -> Array:
    """x times the share of the normal distribution below x, to seven digits (Abramowitz and Stegun 7.1.26)."""
    z = np.abs(x) * np.float32(0.7071067811865476)
    t = 1 / (1 + np.float32(0.3275911) * z)
    series = ((((1.061405429 * t - 1.453152027) * t) + 1.421413741) * t - 0.284496736) * t + 0.254829592
    tail = (series * t * np.exp(-z * z)).astype(np.float32) / 2
    result: Array = x * np.where(x < 0, tail, 1 - tail)
    return result


def _read_weights(path: Path) -> dict[str, Array]:
    """The tensors of a safetensors file: eight bytes with the length of a JSON header, the header, the numbers."""
    file: Any = np.memmap(path, dtype=np.uint8, mode="r")
    size = int.from_bytes(file[:8].tobytes(), "little")
    header = json.loads(file[8 : 8 + size].tobytes())
    weights: dict[str, Array] = {}
    for name, tensor in header.items():
        if name != "__metadata__" and tensor["dtype"] == "F32":
            first, last = tensor["data_offsets"]
            numbers = file[8 + size + first : 8 + size + last].view(np.float32)
            weights[name] = np.asarray(numbers.reshape(tensor["shape"]))
    return weights
