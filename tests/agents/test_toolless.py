"""What a model without tools may say, however it is cut into pieces and however long it is."""

from collections.abc import AsyncGenerator

import pytest

from common.agents.toolless import without_figures
from common.errors import ModelCannotUseTools
from common.models.call import Reply


async def shown(*pieces: str) -> str:
    async def stream() -> AsyncGenerator[str | Reply, None]:
        for piece in pieces:
            yield piece
        yield Reply("".join(pieces))

    return "".join([piece async for piece in without_figures(stream()) if isinstance(piece, str)])


LIST = "Three ways:\n1. Ask.\n2) Look.\n  * 3. Wait.\n"


@pytest.mark.parametrize("text", ["Hello there.", LIST, "1. One thing", "word " * 1000 + "\n1. Ask.\n", "  \n 2. Ask "])
async def test_words_and_lists_are_shown_whole_or_in_pieces(text: str) -> None:
    assert await shown(text) == text
    assert await shown(*text) == text


@pytest.mark.parametrize(
    "text",
    [
        "It was 42.", "1", "1.", "Three ways:\n1. Ask 2 people.", "a\n12", "about ten dollars", "7 things",
        "word " * 1000 + "5 ", "word " * 1000 + "1. Ask", "word " * 1000 + "euros", "\n1.5 of them", "10 %",
    ],
)  # fmt: skip
async def test_a_figure_is_refused_whole_or_in_pieces(text: str) -> None:
    for pieces in ([text], list(text)):
        with pytest.raises(ModelCannotUseTools):
            await shown(*pieces)
