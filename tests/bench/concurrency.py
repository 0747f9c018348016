"""Many turns at once: how soon each begins, how many a second, and what one costs, beside litellm and the floor."""

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from rich.console import Console

from tests.bench.load import Caller, Load, measure
from tests.bench.results import Results, Table, Verdict, ratio, shown
from tests.bench.served import Served, cpu_of, function, rival, served
from tests.bench.stage import AT_ONCE, DATA_LATENCY, NO_DATA_LATENCY, PACED, Stage, replayed

LEVELS = {False: (1, 10, 50, 100, 200, 400), True: (1, 50, 200)}
MANY = 200
QUICK_LEVELS = {False: (1, 50, 200), True: (1, 200)}
PRODUCT, TWO, PLAIN, FLOOR = "product", "product, 2 workers", "litellm as usual", "floor"
KNOWN = "product: known conversations"
# Above so many at once litellm as usual only queues: one measurement shows it.
MOST_OF_PLAIN = 200
# The bounds on turns at a time are out of the way: what is measured is what an instance can bear. The limits of a
# minute are not reached either, and are small enough to be counted in one document each, as the default ones are.
UNBOUNDED = {
    "TURNS_PER_INSTANCE": "1000",
    "TURNS_PER_ORG": "1000",
    "USER_MESSAGES_PER_MINUTE": "240",
    "ORG_MESSAGES_PER_MINUTE": "240",
}
COLUMNS = (
    "at once", "who", "first token s", "x", "p95", "turn s", "p95 ", "turns/s", "counted", "x ", "CPU ms/turn",
    "MiB", "failed",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Contest:
    """What everyone did at each number of turns at once and held in MiB before; CPU ms a turn of what is beside it."""

    loads: Mapping[int, Mapping[str, Load]]
    idle: Mapping[str, float]
    provider_ms: float
    client_ms: float


async def run(console: Console, stage: Stage, results: Results) -> None:
    """Measure all levels without and with data latencies, the three side by side at each level."""
    for delayed in (False, True):
        levels = (QUICK_LEVELS if stage.quick else LEVELS)[delayed]
        contest = await _contest(stage, levels, DATA_LATENCY if delayed else NO_DATA_LATENCY)
        table = _table(contest, delayed=delayed)
        table.show(console)
        results.add("concurrency", table, verdicts=_verdicts(contest, delayed=delayed))


async def _contest(stage: Stage, levels: tuple[int, ...], data: dict[str, float]) -> Contest:
    with ExitStack() as stack:
        everyone = await _started(stack, stage, data)
        idle = {name: one.memory() for name, one in everyone.items()}
        stage.pace(PACED, data)
        loads: dict[int, dict[str, Load]] = {level: {} for level in levels}
        before, own = cpu_of(stage.stub_services_pid), time.process_time()
        for level, found in loads.items():
            for name, one in everyone.items():
                if (name != PLAIN or level <= MOST_OF_PLAIN) and (name != TWO or level in (1, MANY)):
                    found[name] = await measure(one, stage.callers, _turns_each(level, name, quick=stage.quick), level)
            for name, served_by, callers in _further(stage) if level in (1, MANY) else ():
                each = _turns_each(level, name, quick=stage.quick)
                found[name] = await measure(everyone[served_by], callers, each, level)
            if level in (1, MANY):
                each = _turns_each(level, PRODUCT, quick=stage.quick) + 1
                found[KNOWN] = await measure(everyone[PRODUCT], stage.callers, each, level, known=True)
        turns = sum(len(load.turns) for found in loads.values() for load in found.values())
        beside = (cpu_of(stage.stub_services_pid) - before, time.process_time() - own)
        return Contest(loads, idle, *(seconds * 1000 / turns for seconds in beside))


def _further(stage: Stage) -> list[tuple[str, str, Sequence[Caller]]]:
    """The product's further rows: a name, who serves it, and the organisations that ask, of another provider each."""
    return [
        (f"{served_by}: {provider}", served_by, callers)
        for served_by in (PRODUCT, TWO)
        for provider, callers in stage.further.items()
    ]


async def _started(stack: ExitStack, stage: Stage, data: dict[str, float]) -> dict[str, Served]:
    """The product and its rivals, each with some turns behind it."""
    stage.pace(AT_ONCE)
    product, two = (
        stack.enter_context(served(function("send"), "send", replayed(stage) | UNBOUNDED | {"WORKERS": workers}))
        for workers in ("1", "2")
    )
    for each in (two, product):
        each.ready()
        for callers in (*stage.further.values(), stage.callers):
            await measure(each, callers, 2, len(callers))
    await measure(product, stage.callers, 1, 1)  # What it asks is what the others will ask.
    others = stage.rival_environment(data)
    plain = stack.enter_context(served(rival("plain"), "answer", others))
    floor = stack.enter_context(served(rival("floor"), "answer", others))
    for one in (plain, floor):
        one.ready()
        await measure(one, stage.callers, 2, 10)
    return {PRODUCT: product, TWO: two, PLAIN: plain, FLOOR: floor}


def _turns_each(level: int, name: str, *, quick: bool) -> int:
    if level == 1:
        return 4 if quick else 10
    if level >= 400 or (name == PLAIN and level >= 100):
        return 2
    return 2 if quick else 3


def _table(contest: Contest, *, delayed: bool) -> Table:
    rows = [("idle", name, *("",) * 9, shown(mib), "") for name, mib in contest.idle.items()]
    for level, loads in contest.loads.items():
        floor = loads[FLOOR]
        for name, load in loads.items():
            rows.append(
                (
                    str(level),
                    name,
                    shown(load.first()),
                    shown(ratio(load.first(), floor.first())),
                    shown(load.first(0.95)),
                    shown(load.total()),
                    shown(load.total(0.95)),
                    shown(load.per_second),
                    shown(load.counted),
                    shown(ratio(load.per_second, floor.per_second)),
                    shown(load.cpu_ms),
                    shown(load.memory),
                    str(load.failed),
                )
            )
    data = "BigQuery 400 ms, dry run 300 ms, insert 100 ms, KMS 60 ms" if delayed else "no data latency"
    title = f"Turns at once: 3 model calls, 300 ms to the first token, 20 ms a token, 60 tokens; {data}"
    note = (
        "x: against the floor, which asks OpenAI. turns/s: by how long a turn takes; counted: the turns that ended "
        f"while all were under way. Beside it, a turn took {shown(contest.provider_ms)} ms of CPU of the provider and "
        f"BigQuery, and {shown(contest.client_ms)} ms of the client."
    )
    return Table(title, COLUMNS, tuple(rows), note)


def _verdicts(contest: Contest, *, delayed: bool) -> list[Verdict]:
    alone, many = contest.loads[1], contest.loads[MANY]
    product, floor = many[PRODUCT], many[FLOOR]
    suffix = " with data latencies" if delayed else ""
    found = []
    bounds = {PRODUCT: (0.8, 1.3), TWO: (0.9, 1.2)}
    for name in (each for each in many if each.split(":")[0] in bounds):
        least, late = bounds[name.split(":")[0]]
        rate = ratio(many[name].per_second, floor.per_second)
        slow = ratio(many[name].total(0.95), alone[name].total())
        found += [
            Verdict(
                f"{name}, {MANY} at once{suffix}: turns/s against the floor",
                rate,
                0.95 if delayed else least,
                "x",
                True,
            ),
            Verdict(f"{name}, {MANY} at once{suffix}: p95 against alone", slow, late),
        ]
    if delayed:
        first = ratio(alone[PRODUCT].first(), alone[FLOOR].first())
        return [Verdict("First token, one user, warm, data latencies, against the floor", first, 1.03), *found]
    return [
        *found,
        Verdict(f"CPU per turn at {MANY}", product.cpu_ms, 14, "ms"),
        Verdict(f"CPU per turn at {MANY} against the floor", ratio(product.cpu_ms, floor.cpu_ms), 2),
        Verdict(f"Memory with {MANY} in flight, one worker", product.memory, 200, "MiB"),
    ]
