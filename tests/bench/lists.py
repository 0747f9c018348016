"""Lists and pages: whether they take longer the more is stored."""

import statistics
import time
from contextlib import ExitStack
from itertools import chain
from pathlib import Path

import httpx
from rich.console import Console

from tests.bench.results import Results, Table, Verdict, shown
from tests.bench.seeding import conversation_of, conversations, seeded, tenant_of
from tests.bench.served import function, served
from tests.bench.stage import PROJECT, Stage

SIZES = (10, 1_000, 100_000)
QUICK_SIZES = (10, 1_000, 20_000)
PAGE = 10


async def run(console: Console, stage: Stage, results: Results) -> None:
    """A page of ten from each size of list and of conversation, taken in turns."""
    sizes = QUICK_SIZES if stage.quick else SIZES
    stored = []
    for number, size in enumerate(sizes):
        tenant = tenant_of(stage.callers[number].org_slug, PROJECT)
        stored += [conversations(tenant, "bench", size), conversation_of(tenant, "reader", size)]
    with ExitStack() as stack:
        host = stack.enter_context(seeded(PROJECT, Path(stage.folder) / "lists", chain.from_iterable(stored)))
        environment = stage.environment | {"FIRESTORE_EMULATOR_HOST": host}
        lists = stack.enter_context(served(function("conversations"), "conversations", environment))
        pages = stack.enter_context(served(function("messages"), "messages", environment))
        kinds = {
            "conversations": (lists.url, "/conversations", "bench"),
            "messages": (pages.url, "/conversations/long/messages", "reader"),
        }
        lists.ready()
        pages.ready()
        times = _times(stage, kinds, sizes)
    rows, verdicts = [], []
    for kind in kinds:
        base = statistics.median(times[kind, sizes[0]])
        for size in sizes:
            taken = sorted(times[kind, size])
            middle, late = statistics.median(taken), taken[int(len(taken) * 0.95)]
            rows.append((kind, f"{size:,}", shown(middle), shown(late), shown(middle / base)))
        most = statistics.median(times[kind, sizes[-1]]) / base
        verdicts.append(Verdict(f"A page of {kind}, {sizes[-1]:,} stored against {sizes[0]}", most, 1.2))
    title = f"A page of {PAGE}, median of {len(next(iter(times.values())))}"
    table = Table(title, ("page of", "stored", "ms", "p95", "x"), tuple(rows))
    table.show(console)
    results.add("lists", table, verdicts=verdicts)


def _times(
    stage: Stage, kinds: dict[str, tuple[str, str, str]], sizes: tuple[int, ...]
) -> dict[tuple[str, int], list[float]]:
    """Milliseconds by kind and size; the first request of each is not counted."""
    times: dict[tuple[str, int], list[float]] = {(kind, size): [] for kind in kinds for size in sizes}
    with httpx.Client(timeout=120) as client:
        for attempt in range(20 if stage.quick else 60):
            for (kind, size), taken in times.items():
                url, path, user = kinds[kind]
                caller = stage.callers[sizes.index(size)]
                headers = caller.headers | {"X-User-Id": user}
                began = time.perf_counter()
                response = client.get(f"{url}{path}", params={"limit": PAGE}, headers=headers)
                elapsed = (time.perf_counter() - began) * 1000
                assert len(response.json()[kind]) == PAGE, response.text
                if attempt:
                    taken.append(elapsed)
    return times
