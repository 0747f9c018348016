"""The CPU time of one model call, from the request to the reply: in the provider's own format, and through litellm."""

import asyncio
import json
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from common.models.call import ModelCall, Reply
from common.models.completion import Providers
from tests.bench.http_server import STREAM_END, STREAM_HEAD, Asked, Connection, chunk
from tests.bench.results import Results, Table, Verdict, shown
from tests.bench.stage import Stage
from tests.fakes.wire_stub import BASES, FORMATS, MODELS, Answer
from tests.models.conftest import a_call

TOKENS = 60
AT_ONCE = 10
ANSWER = Answer(" ".join(f"word{number}" for number in range(TOKENS)))
# What a call of OpenAI's took on the machine that the others were first measured on.
BOUND_MS = 4.0


async def run(console: Console, stage: Stage, results: Results) -> None:
    """Make many calls of each provider in both ways, beside each other, and print one table."""
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    calls = 100 if stage.quick else 500
    rows, verdicts = [], []
    with _provider() as url:
        llm = Providers({provider: url + path for provider, path in BASES.items()})
        await llm.load()
        for provider in MODELS:
            direct = a_call(provider)
            through = replace(direct, model=replace(direct.model, wire="litellm"))
            ours, theirs = await _milliseconds(llm, direct, calls), await _milliseconds(llm, through, calls)
            rows.append((provider, shown(ours), shown(theirs), shown(theirs / ours)))
            verdicts.append(Verdict(f"CPU of a model call: {provider}", ours, BOUND_MS, "ms"))
        await llm.close()
    title = f"CPU of a model call of {TOKENS} tokens, {AT_ONCE} at once, mean of {calls}"
    table = Table(title, ("provider", "own format ms", "through litellm ms", "ratio"), tuple(rows))
    table.show(console)
    results.add("model_call", table, verdicts=verdicts)


async def _milliseconds(llm: Providers, call: ModelCall, count: int) -> float:
    """The CPU time of this process for one call, in the mean, after as many calls as run at once."""

    async def asked(times: int) -> None:
        for _ in range(times):
            async for piece in llm.stream(call):
                assert not isinstance(piece, Reply) or piece.text == ANSWER.text

    await asyncio.gather(*(asked(1) for _ in range(AT_ONCE)))
    begun = time.process_time()
    await asyncio.gather(*(asked(count // AT_ONCE) for _ in range(AT_ONCE)))
    return (time.process_time() - begun) / (count // AT_ONCE * AT_ONCE) * 1000


@contextmanager
def _provider() -> Iterator[str]:
    """The address of a process that answers in all four formats, a token a millisecond."""
    command = [sys.executable, "-m", "tests.bench.model_call"]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        yield child.stdout.readline().strip()
        child.stdin.close()


async def _answer(asked: Asked, transport: asyncio.Transport) -> None:
    provider = asked.path.split("/")[1]
    transport.write(STREAM_HEAD)
    for frame in FORMATS[provider](ANSWER, {"model": "m", **json.loads(asked.body)}):
        transport.write(chunk(frame))
        await asyncio.sleep(0.001)
    transport.write(STREAM_END)


async def _serve() -> None:
    """Serve until the standard input ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(_answer), "127.0.0.1", 0)
    sys.stdout.write(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(_serve())
