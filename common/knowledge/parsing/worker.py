"""The process that reads one document: from standard input, passages to standard output, a JSON line each."""

import json
import resource
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from common import limits
from common.knowledge.chunking import Block, cut
from common.knowledge.parsing.kinds import read
from common.knowledge.parsing.refusal import Refused

# Signs that nobody sees: controls, turns of the direction of writing, and letters that are tags for machines alone.
_CONTROLS = (*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A), *range(0xE0000, 0xE0080))
_UNSEEN: Mapping[int, str | None] = {
    **dict.fromkeys(_CONTROLS), **{ord(sign): sign for sign in "\t\n\r"}, **{ord(sign): "\n" for sign in "\v\f\x85"},
}  # fmt: skip


def run() -> None:
    """Read the document whose name is the last argument."""
    _limit()
    out = sys.stdout
    last: dict[str, Any] = {}
    try:
        blocks, pages = read(open(0, "rb"), sys.argv[-1])  # noqa: SIM115  # the process ends with it
        count = 0
        for chunk in cut(_bounded(blocks)):
            out.write(f"{json.dumps([chunk.text, chunk.heading, chunk.page])}\n")
            count += 1
        if not count:
            raise Refused("no_text")
        last = {"pages": pages}
    except Refused as refused:
        last = {"refused": refused.reason}
    except (MemoryError, RecursionError):
        last = {"refused": "too_large"}
    except Exception:
        # A parser that trips over what it was given.
        last = {"refused": "broken"}
    out.write(f"{json.dumps(last)}\n")
    out.flush()


def _bounded(blocks: Any) -> Iterator[Block]:
    chars = 0
    for block in blocks:
        chars += len(block.text)
        if chars > limits.MAX_DOCUMENT_CHARS:
            raise Refused("too_large")
        # A lone surrogate is no text that could be stored.
        yield Block(_storable(block.text), tuple(map(_storable, block.headings)), block.page)


def _storable(text: str) -> str:
    return text.encode("utf-8", "ignore").decode().translate(_UNSEEN)


def _limit() -> None:
    """End this process where it takes too much: memory of its own, CPU time, files."""
    bounds = {
        resource.RLIMIT_DATA: limits.PARSING_BYTES,
        resource.RLIMIT_CPU: limits.PARSING_CPU_SECONDS,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
    }
    for name, bound in bounds.items():
        resource.setrlimit(name, (bound, bound))
