"""Text without what is switched off: whoever reads it learns of no agent and no tool that there is not."""

import re
from functools import lru_cache

# The end of a sentence, or of a part of it that stands by itself.
_SENTENCES = re.compile(r"(?<=[.!?:;])\s+")


@lru_cache(2_000)
def without(text: str, names: frozenset[str]) -> str:
    """Return the text without the sentences that name one of ``names``; a line that has none left goes as a whole."""
    if not names or not (named := _pattern(names)).search(text):
        return text
    return "\n".join(kept for line in text.split("\n") if (kept := _line(line, named)) is not None)


def _line(line: str, named: re.Pattern[str]) -> str | None:
    if not named.search(line):
        return line
    entry = re.match(r"\s*- (\w+):", line)
    if entry is not None and named.fullmatch(entry[1]):
        return None
    kept = " ".join(each for each in _SENTENCES.split(line) if not named.search(each))
    return kept if re.search(r"\w", kept) else None


@lru_cache(500)
def _pattern(names: frozenset[str]) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, sorted(names)))})(?!\w)")
