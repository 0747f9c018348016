"""Daily costs of ten kinds, made with a seed: what a forecast is measured on. Every series is the same on every run."""

import math
import random
from calendar import monthrange
from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

from local.data import demo

FIRST = date(2025, 1, 1)
DAYS = 480
DEMO_TODAY = date(2026, 11, 21)
_WEEK = (1.0, 1.04, 1.05, 1.02, 0.95, 0.55, 0.5)

Series = Mapping[date, Decimal]
# A cost of the day with this number, which is this date; the random numbers are the series' own.
Make = Callable[[random.Random], Callable[[int, date], float]]


def _flat(chance: random.Random) -> Callable[[int, date], float]:
    level, noise = chance.uniform(50, 5000), chance.uniform(0.02, 0.08)
    return lambda _number, _day: level * (1 + chance.gauss(0, noise))


def _trend(chance: random.Random) -> Callable[[int, date], float]:
    level, noise = chance.uniform(50, 5000), chance.uniform(0.01, 0.05)
    slope = chance.choice((-0.0015, 0.002, 0.003))
    return lambda number, _day: level * (1 + slope * number) * (1 + chance.gauss(0, noise))


def _weekly(chance: random.Random) -> Callable[[int, date], float]:
    level, noise = chance.uniform(50, 5000), chance.uniform(0.02, 0.06)
    return lambda _number, day: level * _WEEK[day.weekday()] * (1 + chance.gauss(0, noise))


def _weekly_trend(chance: random.Random) -> Callable[[int, date], float]:
    level, noise, slope = chance.uniform(50, 5000), chance.uniform(0.01, 0.04), chance.choice((-0.001, 0.0015, 0.0025))
    return lambda number, day: level * (1 + slope * number) * _WEEK[day.weekday()] * (1 + chance.gauss(0, noise))


def _monthly_fees(chance: random.Random) -> Callable[[int, date], float]:
    level, noise = chance.uniform(50, 5000), chance.uniform(0.02, 0.06)
    fees = {day: level * chance.uniform(2, 12) for day in chance.sample((1, 3, 5, 12, 15, 28, 31), 2)}

    def cost(_number: int, day: date) -> float:
        due = sum(fee for key, fee in fees.items() if day.day == min(key, monthrange(day.year, day.month)[1]))
        return level * _WEEK[day.weekday()] * (1 + chance.gauss(0, noise)) + due

    return cost


def _level_shift(chance: random.Random) -> Callable[[int, date], float]:
    level, noise = chance.uniform(50, 5000), chance.uniform(0.02, 0.05)
    when, factor = chance.randint(122, 160), chance.choice((0.65, 1.35, 1.6))
    return lambda number, day: (
        level * (factor if number >= when else 1) * (_WEEK[day.weekday()] * 0.5 + 0.5) * (1 + chance.gauss(0, noise))
    )


def _new_service(chance: random.Random) -> Callable[[int, date], float]:
    level, noise, ramp = chance.uniform(50, 5000), chance.uniform(0.03, 0.08), chance.uniform(4, 15)
    when = chance.randint(80, 106)

    def cost(number: int, day: date) -> float:
        if number < when:
            return 0.0
        grown = 1 - math.exp(-(number - when + 1) / ramp)
        return level * grown * (_WEEK[day.weekday()] * 0.5 + 0.5) * (1 + chance.gauss(0, noise))

    return cost


def _sparse(chance: random.Random) -> Callable[[int, date], float]:
    level, share = chance.uniform(50, 5000), chance.uniform(0.08, 0.2)
    return lambda _number, _day: level * chance.lognormvariate(0, 0.5) if chance.random() < share else 0.0


def _negative(chance: random.Random) -> Callable[[int, date], float]:
    level, noise = chance.uniform(50, 5000), chance.uniform(0.03, 0.1)
    return lambda _number, _day: -level * (1 + chance.gauss(0, noise))


MAKERS: Mapping[str, Make] = {
    "flat": _flat,
    "trend": _trend,
    "weekly": _weekly,
    "weekly and trend": _weekly_trend,
    "monthly fees": _monthly_fees,
    "level shift": _level_shift,
    "new service": _new_service,
    "sparse": _sparse,
    "negative": _negative,
}
KINDS = (*MAKERS, "demo")
DEMO_SERIES = ("acme_inc", "globex_inc", "acme_inc AWS", "acme_inc Microsoft Azure", "acme_inc OpenAI")


@cache
def make(kind: str, seed: int) -> Series:
    """The series of a kind; for the demo, the seed says which of its series."""
    if kind == "demo":
        return _of_demo(DEMO_SERIES[seed % len(DEMO_SERIES)])
    chance = random.Random(f"{kind} {seed}")
    cost = MAKERS[kind](chance)
    days = ((number, FIRST + timedelta(days=number)) for number in range(DAYS))
    return {day: Decimal(repr(round(cost(number, day), 4))) for number, day in days}


def _of_demo(name: str) -> Series:
    """An organisation's costs in its main currency, of one provider where the name says which."""
    org, _, provider = name.partition(" ")
    sums: dict[str, dict[date, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for row in _demo_rows(org):
        if not provider or row["ServiceProviderName"] == provider:
            sums[row["BillingCurrency"]][row["ChargePeriodStart"].date()] += row["BilledCost"]
    main = max(sums.values(), key=lambda costs: sum(costs.values()))
    first, last = min(main), DEMO_TODAY - timedelta(days=1)
    days = (first + timedelta(days=number) for number in range((last - first).days + 1))
    return {day: main.get(day, Decimal()) for day in days}


@cache
def _demo_rows(org: str) -> tuple[dict[str, Any], ...]:
    return tuple(demo.cost_rows(org, DEMO_TODAY))
