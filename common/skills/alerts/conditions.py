"""A stored rule, read into what can be evaluated: kind, limit with a unit, filters, and when it is silent."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal, InvalidOperation
from typing import Any, Literal, cast, get_args
from zoneinfo import ZoneInfo

from common.cost_query.filters import Filters
from common.focus.metrics import METRICS, MetricName
from common.skills.alerts.windows import AlertPeriod
from common.tools.result import ToolError

RuleType = Literal[
    "absolute_threshold", "anomaly_percent_change", "budget_percent", "budget_forecast", "anomaly", "data_stopped"
]
RULE_TYPES: tuple[RuleType, ...] = get_args(RuleType)
BUDGET_TYPES: frozenset[RuleType] = frozenset({"budget_percent", "budget_forecast"})

RECOVERY_PERCENT = Decimal(5)
STALE_DAYS = 2
BASELINE_DAYS = 7
ANOMALY_DAYS = 120
_LONGEST_QUIET_MINUTES, _LONGEST_COOLDOWN_MINUTES = 8 * 24 * 60, 366 * 24 * 60
_FOREVER = datetime.max.replace(tzinfo=UTC)
_NUMBERS = ("threshold", "percent", "factor_of_average", "recovery_percent", "min_amount")
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@dataclass(frozen=True, slots=True)
class Silence:
    """The times at which a rule says nothing, in its own zone: hours HH:MM, whole weekdays (0 is Monday), a mute.

    What would have fired then waits; what fires while the rule is muted is recorded, and no message is sent.
    """

    start: str | None = None
    end: str | None = None
    days: frozenset[int] = frozenset()
    zone: tzinfo = UTC
    muted_until: datetime | None = None

    def is_quiet(self, moment: datetime) -> bool:
        """Return true in the quiet hours and on the quiet days. A summer time changes nothing but the clock."""
        local = moment.astimezone(self.zone)
        if local.weekday() in self.days:
            return True
        if not self.start or not self.end or self.start == self.end:
            return False
        clock = local.strftime("%H:%M")
        if self.start < self.end:
            return self.start <= clock < self.end
        return clock >= self.start or clock < self.end

    def quiet_until(self, moment: datetime) -> datetime | None:
        """The first moment that is not quiet: this one, or the minute that ends the quiet; None if it stays."""
        if not self.is_quiet(moment):
            return moment
        first = moment.replace(second=0, microsecond=0)
        minutes = (first + timedelta(minutes=number) for number in range(1, _LONGEST_QUIET_MINUTES))
        return next((each for each in minutes if not self.is_quiet(each)), None)

    def is_muted(self, moment: datetime) -> bool:
        return self.muted_until is not None and moment < self.muted_until


@dataclass(frozen=True, slots=True)
class AlertRule:
    """A rule as it is evaluated. ``fingerprint`` names its conditions: a rule that was changed begins anew."""

    rule_id: str
    name: str
    type: RuleType
    priority: str
    period: AlertPeriod
    metric: MetricName
    filters: tuple[Mapping[str, Any], ...]
    currency: str | None
    threshold: Decimal | None
    percent: Decimal | None
    factor: Decimal | None
    baseline_days: int
    stale_days: int
    min_amount: Decimal
    recovery: Decimal
    budget: Mapping[str, str]
    cooldown: timedelta
    silence: Silence
    since: date
    channels: tuple[str, ...]
    last_triggered_at: datetime | None
    fingerprint: str

    @property
    def is_streak(self) -> bool:
        """True of rules over days: days in a row are one alert. A week or a month is always one of its own."""
        return self.type == "anomaly" or (self.period == "daily" and self.type in _BY_PERIOD)

    @property
    def unit(self) -> str:
        """The unit of the rule's limit: a currency, percent or days."""
        if self.type == "data_stopped":
            return "days"
        if self.type in ("absolute_threshold", "anomaly"):
            return self.currency or "currency of the costs"
        return "percent"

    @property
    def lookback_days(self) -> int:
        """The days before the oldest window that the rule's figures have to reach back.

        Twice what a window is compared with: costs of a few days a month are old if there are some before that.
        """
        if self.type == "anomaly":
            return ANOMALY_DAYS
        if self.type == "data_stopped":
            return 62
        if self.type == "anomaly_percent_change" and self.period != "daily":
            return 2 * {"weekly": 7, "monthly": 31, "quarterly": 92}[self.period]
        return 2 * self.baseline_days if self.type == "anomaly_percent_change" or self.factor is not None else 0


_BY_PERIOD = ("absolute_threshold", "anomaly_percent_change")


def read_rule(row: Mapping[str, Any], default_zone: str | None = None) -> AlertRule:
    """Read a row of org_notification_rules. Raises ToolError("invalid_rule") for one that cannot be evaluated."""
    if row["rule_type"] not in RULE_TYPES:
        raise ToolError("not_evaluated", f"Rules of type {row['rule_type']} are raised by the platform's pipelines.")
    try:
        return _read(row, default_zone)
    except (TypeError, ValueError, ArithmeticError):
        raise ToolError("invalid_rule", "The rule's conditions have values that nothing can be held against.") from None


def problem_of(row: Mapping[str, Any]) -> str | None:
    """The reason for which a rule is never evaluated. Returns None where there is none, or pipelines raise it."""
    try:
        Filters.parse(read_rule(row).filters)
    except ToolError as problem:
        return problem.message if problem.code != "not_evaluated" else None
    return None


def _read(row: Mapping[str, Any], default_zone: str | None) -> AlertRule:
    conditions = read_object(row["conditions"])
    rule_type = cast(RuleType, row["rule_type"])
    numbers = {name: _number(conditions, name) for name in _NUMBERS}
    _check(rule_type, numbers)
    period, metric = _basis(rule_type, conditions, numbers)
    filters, budget = _filters(row, conditions), _budget(row, conditions)
    told = (rule_type, period, metric, filters, budget, {name: str(value) for name, value in numbers.items()},
            conditions.get("currency"), conditions.get("baseline_days"), conditions.get("stale_days"))  # fmt: skip
    recovery, currency = numbers["recovery_percent"], conditions.get("currency") or None
    if currency is not None and not isinstance(currency, str):
        raise ToolError("invalid_rule", "The rule's currency is no ISO 4217 code.")
    return AlertRule(
        rule_id=row["rule_id"],
        name=row["name"],
        type=rule_type,
        priority=row["priority"],
        period=period,
        metric=metric,
        filters=tuple(filters),
        currency=currency,
        threshold=numbers["threshold"],
        percent=numbers["percent"],
        factor=numbers["factor_of_average"],
        baseline_days=_days(conditions, "baseline_days", BASELINE_DAYS),
        stale_days=_days(conditions, "stale_days", STALE_DAYS),
        min_amount=numbers["min_amount"] or Decimal(),
        recovery=RECOVERY_PERCENT if recovery is None else recovery,
        budget=budget,
        cooldown=cooldown_of(row),
        silence=read_silence(row, conditions, default_zone),
        since=row["created_at"].astimezone(UTC).date(),
        channels=tuple(row["notify_channel_ids"] or ()),
        last_triggered_at=row["last_triggered_at"],
        fingerprint=hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()[:12],
    )


def _basis(
    rule_type: RuleType, conditions: Mapping[str, Any], numbers: Mapping[str, Decimal | None]
) -> tuple[AlertPeriod, MetricName]:
    """The windows of a rule, and the cost that it sums."""
    is_relative = rule_type != "absolute_threshold" or numbers["threshold"] is None
    period = conditions.get("period") or ("daily" if is_relative else "")
    metric = conditions.get("metric") or "BilledCost"
    if (
        not isinstance(metric, str)
        or metric not in METRICS
        or METRICS[metric].kind != "money"
        or period not in get_args(AlertPeriod)
    ):
        raise ToolError("invalid_rule", "The rule's conditions name no cost or no period that there is.")
    return cast(AlertPeriod, period), cast(MetricName, metric)


def _budget(row: Mapping[str, Any], conditions: Mapping[str, Any]) -> dict[str, str]:
    """The budgets that a rule is about: one of an id, or those of a category or an entity."""
    named = (
        ("budget_id", conditions.get("budget_id")),
        ("category", conditions.get("category")),
        ("entity", row["hierarchy_entity_id"]),
    )
    return {key: str(value) for key, value in named if value}


def read_object(text: str) -> dict[str, Any]:
    """Read the JSON object of a rule's conditions; an empty one where the text holds none."""
    try:
        value = json.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def read_zone(name: str | None) -> tzinfo:
    """The zone of that name, or UTC if it is unknown."""
    try:
        return ZoneInfo(name) if name else UTC
    except (ValueError, OSError, KeyError):
        return UTC


def _check(rule_type: RuleType, numbers: Mapping[str, Decimal | None]) -> None:
    needed = {
        "absolute_threshold": ("threshold", "factor_of_average"),
        "anomaly_percent_change": ("percent",),
        "budget_percent": ("percent",),
    }.get(rule_type, ())
    if needed and not any((numbers[name] or 0) > 0 for name in needed):
        raise ToolError("invalid_rule", f"The rule's conditions have no {' or '.join(needed)} above zero.")


def _filters(row: Mapping[str, Any], conditions: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rule's filters in the words of query_costs; those of its columns first."""
    listed = (("provider", row["provider_filter"]), ("service", row["service_filter"]))
    made: list[dict[str, Any]] = [{"dimension": name, "op": "in", "values": list(of)} for name, of in listed if of]
    if row["hierarchy_entity_id"]:
        made.append({"dimension": "entity", "op": "in", "values": [row["hierarchy_entity_id"]]})
    more = conditions.get("filters") or []
    if not isinstance(more, list) or not all(isinstance(each, dict) for each in more):
        raise ToolError("invalid_rule", "The rule's filters are no list of {dimension, op, values}.")
    json.dumps(more, ensure_ascii=False, default=str).encode()
    return made + more


def cooldown_of(row: Mapping[str, Any]) -> timedelta:
    """The time after an alert in which a rule raises no other one: a year at most."""
    return timedelta(minutes=min(max(0, row["cooldown_minutes"] or 0), _LONGEST_COOLDOWN_MINUTES))


def read_silence(row: Mapping[str, Any], conditions: Mapping[str, Any], default_zone: str | None = None) -> Silence:
    """Read the times at which a rule says nothing."""
    days = conditions.get("quiet_days")
    until = conditions.get("muted_until")
    try:
        muted = _FOREVER if until == "forever" else datetime.fromisoformat(until).astimezone(UTC) if until else None
    except (TypeError, ValueError, OverflowError):
        muted = None
    return Silence(
        start=row["quiet_hours_start"],
        end=row["quiet_hours_end"],
        days=frozenset(map(WEEKDAYS.index, set(WEEKDAYS) & _texts(days))),
        zone=read_zone(row["quiet_hours_timezone"] or default_zone),
        muted_until=muted,
    )


def _texts(value: object) -> set[str]:
    return {each for each in value if isinstance(each, str)} if isinstance(value, list) else set()


def _number(conditions: Mapping[str, Any], name: str) -> Decimal | None:
    value = conditions.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _days(conditions: Mapping[str, Any], name: str, default: int) -> int:
    value = _number(conditions, name)
    return default if value is None or not 1 <= value <= 366 else int(value)
