"""What counting costs: the CPU time that metering adds to a turn, by what it reads, checks, files and writes."""

import asyncio
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from functools import partial

from rich.console import Console

from common.documents import Document, Documents, Write
from common.identity.authenticate import Credentials
from common.metering.ceilings import CostCeilings
from common.metering.ledger import Ledger, MeteredCompletion
from common.metering.usage_rows import EndedTurn, turn_rows
from common.models.call import ModelCall, Reply, Usage
from common.models.catalog import resolve
from common.record.outbox import usage_entry
from common.secret import Secret
from common.settings import load_settings
from common.tenant import Principal, UserId
from tests.bench.results import Results, Table, Verdict, shown
from tests.bench.seeding import tenant_of
from tests.bench.stage import PROJECT, Stage
from tests.fakes.scripted_model import ScriptedModel

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
MODEL = resolve("openai", "gpt-4o", deployed=True)
WORDS = "word " * 300
CALLS = 3
CALLING = Reply("", usage=Usage(3_000, 30, 2_000), finish_reason="tool_calls")
ANSWER = Reply(WORDS, usage=Usage(5_000, 300, 3_000))


async def run(console: Console, stage: Stage, results: Results) -> None:
    """Turns of a hand-over, a tool call and an answer of 300 pieces, with and without metering, in this process."""
    metering = Metering()
    turns = 200 if stage.quick else 2_000
    counting = [await _cpu(partial(metering.turn, counted=True)) for _ in range(turns)]
    plain = [await _cpu(partial(metering.turn, counted=False)) for _ in range(turns)]
    added = (statistics.median(counting) - statistics.median(plain)) * 1000
    writes = metering.writes()
    table = Table(
        f"A turn of {CALLS} model calls, median of {turns}",
        ("", "CPU ms"),
        (
            ("with metering", shown(statistics.median(counting) * 1000)),
            ("without", shown(statistics.median(plain) * 1000)),
            ("more", shown(added)),
        ),
        f"In the commit of the turn's end: {len(writes)} writes more, a row of usage and a counter.",
    )
    table.show(console)
    results.add("metering", table, verdicts=[Verdict("CPU time of metering in a turn", added, 0.3, "ms")])


class Metering:
    """The metering of one organisation's turns, without their I/O."""

    def __init__(self) -> None:
        settings = load_settings().model_copy(update={"org_tokens_per_day": 10**12, "user_tokens_per_day": 10**12})
        self._ceilings = CostCeilings(settings)
        self._documents = Documents(PROJECT)
        self._tenant = tenant_of("acme_inc", PROJECT)
        self._principal = Principal(self._tenant, UserId("u1"), "key")
        self._credentials = Credentials(self._tenant.org_slug, "a-key", "u1")
        self._held = {"total": 1_000, "day_27": 100, "micro_usd": 5_000, "turns": 10, "expire_at": NOW}

    async def turn(self, *, counted: bool) -> None:
        """Read, check, call, file, and encode what would be written."""
        ledger = Ledger()
        model = ScriptedModel([CALLING, CALLING, ANSWER])
        call = ModelCall(MODEL, Secret("sk"), (), (), 0.0, 100)
        if not counted:
            for _ in range(CALLS):
                await _listen(model, call)
            return
        spending = self._ceilings.for_caller(self._tenant, self._credentials, NOW)
        documents: dict[str, Document | None] = dict.fromkeys(spending.paths)
        documents[spending.paths[0]] = Document(spending.paths[0], self._held, NOW)
        assert not spending.further_paths(documents)
        allotment = spending.allotment(documents, None)
        allotment.check(ledger)
        metered = MeteredCompletion(model, ledger, partial(allotment.check, ledger))
        for _ in range(CALLS):
            await _listen(metered, call)
        allotment.warning(ledger)
        for write in self.filed(ledger, allotment.count(ledger)):
            self._encode(write)

    def filed(self, ledger: Ledger, counts: Sequence[Write]) -> list[Write]:
        """The writes of a turn's end."""
        ended = EndedTurn(self._principal, "c", "m", "a", "CostAnalyst", "send", "stop", 2, 10**7, NOW)
        return [*(usage_entry(row, NOW) for row in turn_rows(ended, ledger, MODEL)), *counts]

    def writes(self) -> list[Write]:
        """What a turn writes where there is a ceiling for organisations alone, or none."""
        ledger = Ledger()
        ledger.add_reply(ModelCall(MODEL, Secret("sk"), (), (), 0.0, 100), Reply("", usage=Usage(10, 5)))
        settings = load_settings()
        spending = CostCeilings(settings).for_caller(self._tenant, self._credentials, NOW)
        return self.filed(ledger, spending.allotment({}, None).count(ledger))

    def _encode(self, write: Write) -> None:
        """Put a write into its message, as a commit does."""
        from google.cloud.firestore_v1 import types

        self._documents._add(types.CommitRequest.pb()().writes.add(), write)


async def _listen(model: ScriptedModel | MeteredCompletion, call: ModelCall) -> None:
    async with aclosing(model.stream(call)) as pieces:
        async for _ in pieces:
            pass


async def _cpu(work: Callable[[], object]) -> float:
    began = time.process_time()
    done = work()
    if asyncio.iscoroutine(done):
        await done
    return time.process_time() - began
