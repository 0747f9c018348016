"""A turn in a conversation that grows: whether it costs more the more was said before."""

import statistics
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import Any

from rich.console import Console

from common.tenant import Tenant
from common.transcript.conversation import Conversation
from common.transcript.paths import conversation_path, message_path
from common.transcript.window import with_message
from tests.bench.load import Caller, ask
from tests.bench.results import Results, Table, Verdict, shown
from tests.bench.seeding import BEGAN, Stored, message, seeded, tenant_of
from tests.bench.served import function, served
from tests.bench.stage import AT_ONCE, PROJECT, Stage, replayed

SIZES = (10, 50, 100, 200, 500)
QUICK_SIZES = (10, 50, 500)


async def run(console: Console, stage: Stage, results: Results) -> None:
    """Turns over a model that answers at once, in conversations of each length in turns."""
    sizes = QUICK_SIZES if stage.quick else SIZES
    stage.pace(AT_ONCE)
    caller = Caller(stage.callers[0].org_slug, stage.callers[0].api_key, "grower")
    tenant = tenant_of(caller.org_slug, PROJECT)
    stored = chain.from_iterable(_conversation(tenant, size) for size in sizes)
    walls: dict[int, list[float]] = {size: [] for size in sizes}
    cpus: dict[int, list[float]] = {size: [] for size in sizes}
    with ExitStack() as stack:
        host = stack.enter_context(seeded(PROJECT, Path(stage.folder) / "history", stored))
        environment = replayed(stage) | {"FIRESTORE_EMULATOR_HOST": host}
        send = stack.enter_context(served(function("send"), "send", environment))
        send.ready()
        for attempt in range(8 if stage.quick else 21):
            for size in sizes:
                before = send.cpu()
                turn = await ask(send.url, caller, f"of{size}")
                assert turn.failure is None, turn.failure
                if attempt:
                    walls[size].append(turn.total * 1000)
                    cpus[size].append((send.cpu() - before) * 1000)
    base = statistics.median(walls[50])
    rows = tuple(
        (
            str(size),
            shown(statistics.median(walls[size])),
            shown(statistics.median(cpus[size])),
            shown(statistics.median(walls[size]) / base),
        )
        for size in sizes
    )
    table = Table(
        f"A turn in a conversation of so many messages, median of {len(walls[50])}, the model answering at once",
        ("messages", "ms", "CPU ms", "x"),
        rows,
        "x: against 50 messages, as many as the window holds.",
    )
    table.show(console)
    growth = statistics.median(walls[500]) / base
    results.add("history", table, verdicts=[Verdict("A turn with 500 stored messages against 50", growth, 1.2)])


def _conversation(tenant: Tenant, count: int) -> list[Stored]:
    """A conversation as the product leaves it after so many messages."""
    said = [message(number) for number in range(count)]
    recent: tuple[dict[str, Any], ...] = ()
    for each in said:
        recent = with_message(recent, each)
    one = Conversation(
        f"of{count}", "grower", "Growing", "openai", "gpt-4o-mini", BEGAN, said[-1].created_at,
        message_count=count, last_agent="UsageAnalyst", recent=recent,
    )  # fmt: skip
    messages = ((message_path(tenant, one.conversation_id, each.message_id), each.document()) for each in said)
    return [(conversation_path(tenant, one.conversation_id), one.document()), *messages]
