"""Counters in parts: nothing is lost while they grow, and no part is written too often."""

import random
from collections import Counter as Tally
from datetime import UTC, datetime

import pytest

from common.documents import Count, Document
from common.metering.counters import MOST_PARTS, Counter, Counters, Spent, next_month

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


class Store:
    """Documents that are only counted, and how often each was written."""

    def __init__(self) -> None:
        self.held: dict[str, dict[str, int]] = {}
        self.writes: Tally[str] = Tally()
        self.reads = 0

    def read(self, paths: tuple[str, ...]) -> dict[str, Document | None]:
        self.reads += 1
        return {path: Document(path, dict(self.held[path]), NOW) if path in self.held else None for path in paths}

    def write(self, count: Count) -> None:
        data = self.held.setdefault(count.path, {})
        for name, by in {"total": count.by, **count.more}.items():
            data[name] = data.get(name, 0) + by
        self.writes[count.path] += 1


def turn(store: Store, instance: Counters, tokens: int = 10, *, may_grow: bool = True) -> Spent:
    """One turn: read, add up, count. Returns what it saw."""
    counter: Counter = instance.at("orgs/acme/counters/tokens", NOW, may_grow=may_grow)
    documents = store.read(counter.paths)
    while further := counter.further_paths(documents):
        documents |= store.read(further)
    seen = counter.spent(documents)
    store.write(counter.add(tokens, tokens * 3))
    return seen


def test_fifty_turns_a_second_of_one_organisation_write_no_document_much_more_than_once_a_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Four instances; the clock is the test's. Every turn sees all that was counted before it."""
    random.seed(7)
    store, instances, now = Store(), [Counters() for _ in range(4)], 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    for number in range(50 * 60):
        now = number / 50
        assert turn(store, random.choice(instances)) == Spent(number * 10, number * 10, number * 30)
        if number == 50 * 30:
            store.writes.clear()
    assert max(store.writes.values()) / 30 < 2
    assert len(store.held) == MOST_PARTS


def test_a_quiet_organisation_has_one_document_and_one_read(monkeypatch: pytest.MonkeyPatch) -> None:
    store, instance, now = Store(), Counters(), 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    for number in range(20):
        now = number * 5.0
        turn(store, instance)
    assert (len(store.held), store.reads) == (1, 20)
    assert len(instance.at("orgs/acme/counters/tokens", NOW, may_grow=True).paths) == 2


def test_an_instance_that_has_just_started_finds_every_part() -> None:
    store = Store()
    for part in range(8):
        store.write(Count(f"orgs/acme/counters/tokens-202611.{part}", 1, {}, {"day_27": 1, "micro_usd": 1, "turns": 1}))
    assert turn(store, Counters()) == Spent(8, 8, 8)


def test_one_persons_counter_never_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    store, instance, now = Store(), Counters(), 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    for number in range(500):
        now = number / 50
        turn(store, instance, may_grow=False)
    assert len(store.held) == 1


def test_the_next_month_begins_at_its_first_moment() -> None:
    assert next_month(NOW) == datetime(2026, 12, 1, tzinfo=UTC)
    assert next_month(datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)) == datetime(2027, 1, 1, tzinfo=UTC)
