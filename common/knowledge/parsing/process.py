"""Starts the process that reads a document, and ends it when its time is over."""

import asyncio
import json
import os
import signal
import sys
from dataclasses import dataclass
from typing import IO

from common import limits
from common.knowledge.chunking import Chunk
from common.knowledge.parsing.refusal import Refused

_BOOT = (
    "import os, sys; os.nice(5); sys.path[:] = sys.argv[1:-1]; from common.knowledge.parsing.worker import run; run()"
)
_LINE_BYTES = 1024**2


@dataclass(frozen=True, slots=True)
class Parsed:
    """The passages of a document, and the number of its pages where it has pages."""

    chunks: list[Chunk]
    pages: int | None


async def parse(file: IO[bytes], name: str) -> Parsed:
    """Read a document from an open file on disk. Raises Refused."""
    if os.fstat(file.fileno()).st_size > limits.MAX_DOCUMENT_BYTES:
        raise Refused("too_large")
    os.lseek(file.fileno(), 0, os.SEEK_SET)
    paths = [path or os.getcwd() for path in sys.path]
    # A fresh interpreter that inherits no settings: the document's reader needs none.
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _BOOT, *paths, name,
        stdin=file, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL, env={}, limit=_LINE_BYTES,
    )  # fmt: skip
    try:
        async with asyncio.timeout(limits.PARSING_SECONDS):
            return await _read(process)
    except TimeoutError as error:
        raise Refused("too_large") from error
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _read(process: asyncio.subprocess.Process) -> Parsed:
    """Read what the process says. Raises Refused, also for one that ended before its last line."""
    assert process.stdout is not None
    chunks: list[Chunk] = []
    async for line in process.stdout:
        told = json.loads(line)
        if isinstance(told, list):
            text, heading, page = told
            chunks.append(Chunk(text, heading, page))
            continue
        # This was its last line: it ends by itself.
        await process.wait()
        if "refused" in told:
            raise Refused(told["refused"])
        return Parsed(chunks, told["pages"])
    code = await process.wait()
    # Killed by its own bounds, by the CPU's or the memory's keeper: it would have taken more.
    raise Refused("too_large" if code in (-signal.SIGXCPU, -signal.SIGKILL) else "broken")
