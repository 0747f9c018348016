"""What grows inside a turn: the tokens of an answer, the rows of a result, the calls, the organisations beside it."""

import io
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import httpx
from rich.console import Console

from common import app, limits
from common.app import Services
from common.models.completion import Reply, ToolCall, Usage
from common.settings import load_settings
from common.telemetry.log import Log
from local.data.organizations import ACME
from local.gateway import function_app
from tests.bench.load import Caller
from tests.bench.results import Results, Table, Verdict, shown
from tests.bench.stage import Stage
from tests.fakes.scripted_model import ScriptedModel, call_tool, say, transfer

TURNS = 15
# One more token of a long answer, row of a long result and call among many costs at most so much of one among few.
MOST = 1.3
TOKENS = (60, 600, 4_000)
ROWS = (10, 100, limits.MAX_RESULT_ROWS)
# 100 are more than an answer may make: what is too many is told to the model and not made.
CALLS = (4, limits.MAX_TOOL_CALLS, 100)
ORGANIZATIONS = (10, 100, 1_000)
QUICK_ORGANIZATIONS = (10, 100)


@dataclass(frozen=True, slots=True)
class Kind:
    """One subject: the CPU ms of a turn by size, of which there are three."""

    subject: str
    by_size: dict[int, float]

    def one_more(self) -> dict[int, float]:
        """The CPU in microseconds of one more token, row or call, on the way to each size from the one before."""
        sizes = list(self.by_size)
        return {
            size: (self.by_size[size] - self.by_size[before]) * 1000 / (size - before)
            for before, size in pairwise(sizes)
        }


class Turns:
    """Turns in this process over a scripted model; each answers with the CPU time it took, in ms."""

    def __init__(self, client: httpx.AsyncClient, model: ScriptedModel, caller: Caller) -> None:
        self._client = client
        self._model = model
        self._caller = caller

    async def one(self, *steps: Reply, caller: Caller | None = None) -> float:
        """One turn in a new conversation, as an event stream."""
        self._model.steps = steps
        self._model.calls.clear()
        begun = time.process_time()
        headers = (caller or self._caller).headers
        answer = await self._client.post("/stream", json={"message": "hi"}, headers=headers)
        assert "event: done" in answer.text, answer.text[-1000:]
        return (time.process_time() - begun) * 1000

    async def many(self, *steps: Reply, count: int) -> float:
        """The median of so many turns, after one that is not counted."""
        await self.one(*steps)
        return statistics.median([await self.one(*steps) for _ in range(count)])


async def run(console: Console, stage: Stage, results: Results) -> None:
    """Measure each subject at each size and print one table; a bound for the largest size against the smallest."""
    model = ScriptedModel([say("hello")])
    services = Services(load_settings(), model=model)
    services.__dict__["log"] = Log("ERROR", io.StringIO())
    app.use(services)
    transport = httpx.ASGITransport(function_app("send"))
    async with httpx.AsyncClient(transport=transport, base_url="http://function", timeout=300) as client:
        turns = Turns(client, model, Caller(ACME.slug, ACME.api_key, "bench"))
        kinds = await _kinds(turns, 3 if stage.quick else TURNS)
        many = QUICK_ORGANIZATIONS if stage.quick else ORGANIZATIONS
        beside = await _beside(turns, stage.bring(many[-1]), many)
    app.use(None)
    await services.documents.close()
    await services.provider_keys.close()
    services.warehouse.close()
    rows, verdicts = [], []
    for kind in kinds:
        more = kind.one_more()
        for size, taken in kind.by_size.items():
            rows.append((kind.subject, f"{size:,}", shown(taken), shown(more[size]) if size in more else ""))
        (few, of_few), (most, of_many) = more.items()
        verdicts.append(
            Verdict(f"One more of {most:,} {kind.subject} against one more of {few}", of_many / of_few, MOST)
        )
    rows += [("organisations known", f"{size:,}", shown(taken), "") for size, taken in beside.items()]
    growth = beside[many[-1]] / beside[many[0]]
    verdicts.append(Verdict(f"A turn beside {many[-1]:,} organisations against {many[0]}", growth, MOST))
    note = "Of 100 calls only as many are made as an answer may make; the model is told of the others."
    table = Table("CPU of a turn without its model", ("", "how many", "CPU ms", "us for one more"), tuple(rows), note)
    table.show(console)
    results.add("growth", table, verdicts=verdicts)


async def _kinds(turns: Turns, count: int) -> list[Kind]:
    def spoken(size: int) -> tuple[Reply, ...]:
        return (say(" ".join(["word"] * size)),)

    def read(size: int) -> tuple[Reply, ...]:
        sql = f"SELECT ChargePeriodStart, ServiceName, BilledCost FROM cost_data_standard_1_3 LIMIT {size}"
        return transfer("Explorer"), call_tool("run_read_query", query=sql), say("done")

    def called(size: int) -> tuple[Reply, ...]:
        calls = tuple(
            ToolCall(f"call_{number}", "query_costs", json.dumps({"start_date": "2026-01-01", "limit": number + 1}))
            for number in range(size)
        )
        return transfer("CostAnalyst"), Reply("", calls, Usage(10, 5), "tool_calls"), say("done")

    async def measured(subject: str, steps: Callable[[int], tuple[Reply, ...]], sizes: tuple[int, ...]) -> Kind:
        return Kind(subject, {size: await turns.many(*steps(size), count=count) for size in sizes})

    return [
        await measured("tokens of an answer", spoken, TOKENS),
        await measured("rows of a result", read, ROWS),
        await measured("calls of a step", called, CALLS),
    ]


async def _beside(turns: Turns, callers: list[Caller], sizes: tuple[int, ...]) -> dict[int, float]:
    """A turn of one organisation after so many have asked, all of them known still."""
    found, known = {}, 0
    for size in sizes:
        for caller in callers[known:size]:
            await turns.one(say("hello"), caller=caller)
        known = size
        found[size] = statistics.median([await turns.one(say("hello"), caller=callers[n % 10]) for n in range(40)])
    return found
