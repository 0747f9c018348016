"""An evaluation of its own: what a rule should say, from the lines of a bill, without anything of the product's."""

import calendar
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from tests.alerting.generated import SPIKES, Line

DAY = timedelta(days=1)
Said = tuple[str, str, str]  # what, subject, window


@dataclass(slots=True)
class Watch:
    """One rule, followed through time."""

    rule: dict[str, Any]
    budgets: Sequence[dict[str, Any]]
    fired: dict[str, set[str]] = field(default_factory=dict)
    open: dict[str, dict[str, str]] = field(default_factory=dict)
    last: dict[str, datetime] = field(default_factory=dict)

    def look(self, lines: Sequence[Line], now: datetime) -> list[Said]:
        """What the rule says now, given the lines that have arrived."""
        conditions = json.loads(self.rule["conditions"])
        said: list[Said] = []
        by_subject: dict[str, list[tuple[Any, ...]]] = {}
        for subject, *reading in self._readings(conditions, lines, now.date()):
            by_subject.setdefault(subject, []).append(tuple(reading))
        in_a_row = self.rule["rule_type"] == "anomaly" or (
            conditions.get("period") == "daily"
            and self.rule["rule_type"] in ("absolute_threshold", "anomaly_percent_change")
        )
        for subject in sorted(by_subject):
            self._subject(subject, by_subject[subject], in_a_row, conditions, now, said)
        return said

    def _subject(
        self, subject: str, readings: list[Any], in_a_row: bool, conditions: dict[str, Any], now: datetime,
        said: list[Said],
    ) -> None:  # fmt: skip
        fired, opened = self.fired.setdefault(subject, set()), self.open.setdefault(subject, {})
        if not in_a_row:
            there = {reading[0] for reading in readings}
            past = [window for window in opened if window not in there and window < max(there)]
            said += [("over", subject, opened.pop(window)) for window in past]
        for window, above, below, whole, over in readings:
            if in_a_row and opened:
                ((latest, first),) = opened.items()
                if above:
                    fired.add(window)
                    opened.clear()
                    opened[max(latest, window)] = first
                elif below and (window == latest or (window > latest and whole)):
                    opened.clear()
                    said.append(("over", subject, first))
            elif window in opened:
                if below or over:
                    said.append(("over", subject, opened.pop(window)))
            elif above and window not in fired and not self._silent(conditions, subject, now):
                fired.add(window)
                opened[window] = window
                self.last[subject] = now
                said.append(("fired", subject, window))
                if over and not in_a_row:
                    said.append(("over", subject, opened.pop(window)))

    def _silent(self, conditions: dict[str, Any], subject: str, now: datetime) -> bool:
        local = now.astimezone(ZoneInfo(self.rule["quiet_hours_timezone"]))
        if calendar.day_name[local.weekday()].lower() in conditions.get("quiet_days", ()):
            return True
        if self.rule["quiet_hours_start"]:
            begin, end = (time.fromisoformat(self.rule[f"quiet_hours_{name}"]) for name in ("start", "end"))
            clock = local.time().replace(second=0)
            inside = begin <= clock < end if begin <= end else not end <= clock < begin
            if inside and begin != end:
                return True
        last = self.last.get(subject)
        return last is not None and last < now < last + timedelta(minutes=self.rule["cooldown_minutes"])

    def _readings(self, conditions: dict[str, Any], lines: Sequence[Line], today: date) -> Iterator[Any]:
        mine = [line for line in lines if self._counts(line)]
        newest = max((line.day for line in lines), default=None)
        match self.rule["rule_type"]:
            case "absolute_threshold":
                spent = _by_day(mine, conditions["currency"])
                for name, days in self._windows(conditions["period"], today):
                    value, limit = sum((spent.get(day, Decimal()) for day in days), Decimal()), conditions["threshold"]
                    low = value <= Decimal(limit) * (100 - conditions["recovery_percent"]) / 100
                    whole = _whole(days[-1], today, newest) and _arrived(days[-1], today, mine)
                    yield conditions["currency"], name, value > limit, low, whole, days[-1] < today
            case "anomaly_percent_change":
                for currency in sorted({line.currency for line in mine}):
                    for reading in self._changes(conditions, _by_day(mine, currency), currency, today, newest):
                        *known, last, over = reading
                        yield *known, _arrived(last, today, mine), over
            case "budget_percent":
                yield from self._budgets(conditions, lines, today)
            case "data_stopped":
                if mine:
                    last = max(line.day for line in mine)
                    silent = (today - last).days > conditions["stale_days"]
                    yield "", last.isoformat(), silent, not silent, True, False
            case "anomaly":
                for name, (day,) in self._windows("daily", today):
                    if _whole(day, today, newest):
                        above = day in SPIKES and any(line.day == day and line.cost > 200 for line in mine)
                        yield "USD", name, above, not above, True, True

    def _changes(
        self, conditions: dict[str, Any], spent: dict[date, Decimal], currency: str, today: date, newest: date | None
    ) -> Iterator[Any]:
        for name, days in self._windows(conditions["period"], today):
            if not _whole(days[-1], today, newest):
                continue
            count = conditions["baseline_days"]
            before = [days[0] - DAY * back for back in range(count, 0, -1)]
            if conditions["period"] == "weekly":
                before = [days[0] - DAY * back for back in range(7, 0, -1)]
            if conditions["period"] == "monthly":
                last = days[0] - DAY
                before = [last.replace(day=number + 1) for number in range(last.day)]
            if before[0] < min(spent):
                continue
            usual = sum((spent.get(day, Decimal()) for day in before), Decimal())
            usual = usual / count if conditions["period"] == "daily" else usual
            value = sum((spent.get(day, Decimal()) for day in days), Decimal())
            if usual > 0:
                change = round(100 * (value - usual) / usual, 2)
                low = change < conditions["percent"] and change <= Decimal(conditions["percent"]) * 95 / 100
                yield currency, name, change >= conditions["percent"], low, days[-1], days[-1] < today

    def _budgets(self, conditions: dict[str, Any], lines: Sequence[Line], today: date) -> Iterator[Any]:
        oldest = max(self.rule["created_at"].date(), today - 7 * DAY)
        for budget in self.budgets:
            if budget["period_end"] < oldest or budget["period_start"] > today:
                continue
            spent = sum(
                line.cost for line in lines
                if line.currency == budget["currency"] and budget["period_start"] <= line.day <= budget["period_end"]
            )  # fmt: skip
            used = round(100 * Decimal(spent) / Decimal(budget["budget_amount"]), 2)
            low = used < conditions["percent"] and used <= Decimal(conditions["percent"]) * 95 / 100
            name = f"{budget['period_end']}:{budget['period_start']}"
            above, over = used >= conditions["percent"], budget["period_end"] < today
            yield budget["budget_id"], name, above, low, True, over

    def _windows(self, period: str, today: date) -> Iterator[tuple[str, list[date]]]:
        oldest = min(today, max(self.rule["created_at"].date(), today - 7 * DAY))
        seen = set()
        for back in range((today - oldest).days, -1, -1):
            name, days = _window(period, today - back * DAY)
            if name not in seen:
                seen.add(name)
                yield name, days

    def _counts(self, line: Line) -> bool:
        if self.rule["provider_filter"] and line.provider not in self.rule["provider_filter"]:
            return False
        return self.rule["hierarchy_entity_id"] in (None, line.team)


def _window(period: str, day: date) -> tuple[str, list[date]]:
    if period == "daily":
        return day.isoformat(), [day]
    if period == "weekly":
        monday = day - DAY * day.weekday()
        return day.strftime("%G-W%V"), [monday + DAY * number for number in range(7)]
    first = 1 if period == "monthly" else None
    months = [day.month] if first else list(range(3 * ((day.month - 1) // 3) + 1, 3 * ((day.month - 1) // 3) + 4))
    days = [
        date(day.year, month, number)
        for month in months
        for number in range(1, calendar.monthrange(day.year, month)[1] + 1)
    ]
    return (day.strftime("%Y-%m") if first else f"{day.year}-Q{(day.month - 1) // 3 + 1}"), days


def _by_day(lines: Sequence[Line], currency: str) -> dict[date, Decimal]:
    spent: dict[date, Decimal] = {}
    for line in lines:
        if line.currency == currency:
            spent[line.day] = spent.get(line.day, Decimal()) + line.cost
    return spent


def _arrived(day: date, today: date, mine: Sequence[Line]) -> bool:
    return today - day > 2 * DAY or any(line.day >= day for line in mine)


def _whole(day: date, today: date, newest: date | None) -> bool:
    if newest is None or day >= today:
        return False
    return newest > day or (newest == day and today - day > 2 * DAY)
