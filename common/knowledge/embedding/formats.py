"""The formats of the providers that embed, and what each takes in one request."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from common.knowledge.embedding.space import EmbeddingSpace, Purpose

Answer = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class EmbeddingFormat:
    """A provider's format: the path below its address, the body for some texts, and what is in its answer.

    ``tokens`` returns how many the provider has counted, None where it does not say. A request has at most
    ``most_texts`` texts of ``most_bytes`` together: no tokenizer makes more tokens of a text than it has bytes.
    """

    path: str
    body: Callable[[EmbeddingSpace, Sequence[str], Purpose], Answer]
    vectors: Callable[[Answer], Sequence[Sequence[float]]]
    tokens: Callable[[Answer], int | None]
    most_texts: int
    most_bytes: int


def _openai_body(space: EmbeddingSpace, texts: Sequence[str], _: Purpose) -> Answer:
    return {"model": space.model_id, "input": list(texts), "encoding_format": "float"}


def _openai_vectors(answer: Answer) -> Sequence[Sequence[float]]:
    by_index = {int(each["index"]): each["embedding"] for each in answer["data"]}
    return [by_index[index] for index in range(len(answer["data"]))]


def _openai_tokens(answer: Answer) -> int | None:
    return _counted(answer, "usage", "prompt_tokens")


def _gemini_body(space: EmbeddingSpace, texts: Sequence[str], purpose: Purpose) -> Answer:
    model = f"models/{space.model_id}"
    return {
        "requests": [
            {"model": model, "content": {"parts": [{"text": text}]}, "taskType": _TASKS[purpose],
             "outputDimensionality": space.dimensions}
            for text in texts
        ]
    }  # fmt: skip


def _gemini_tokens(answer: Answer) -> int | None:
    return _counted(answer, "usageMetadata", "promptTokenCount")


def _vertex_body(_: EmbeddingSpace, texts: Sequence[str], purpose: Purpose) -> Answer:
    return {"instances": [{"content": text, "task_type": _TASKS[purpose]} for text in texts]}


def _counted(answer: Answer, part: str, name: str) -> int | None:
    told = answer.get(part)
    count = told.get(name) if isinstance(told, dict) else None
    return count if type(count) is int and count > 0 else None


_TASKS: Mapping[Purpose, str] = {"query": "RETRIEVAL_QUERY", "passage": "RETRIEVAL_DOCUMENT"}
OPENAI = EmbeddingFormat("/embeddings", _openai_body, _openai_vectors, _openai_tokens, 64, 300_000)
# It speaks OpenAI's format, and refuses a request of more than 16,384 tokens.
MISTRAL = EmbeddingFormat("/embeddings", _openai_body, _openai_vectors, _openai_tokens, 64, 16_000)
GEMINI = EmbeddingFormat(
    "/models/gemini-embedding-001:batchEmbedContents",
    _gemini_body,
    lambda answer: [each["values"] for each in answer["embeddings"]],
    _gemini_tokens,
    64,
    200_000,
)
VERTEX = EmbeddingFormat(
    ":predict",
    _vertex_body,
    lambda answer: [each["embeddings"]["values"] for each in answer["predictions"]],
    lambda _: None,
    250,
    20_000,
)
