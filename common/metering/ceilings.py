"""Ceilings on what a model may cost: tokens a day and US dollars a month, of an organisation and of a person.

The organisation's own ceiling and the operator's both hold, so the lower one counts. The counters are read with
everything else that a turn reads, and added to in the commit of its end.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, Literal

from common.documents import Count, Document
from common.errors import CostCeiling
from common.identity.authenticate import Credentials
from common.metering.counters import Counter, Counters, Spent, next_month
from common.metering.ledger import Ledger
from common.organizations.organization import ChatSettings
from common.settings import Settings
from common.tenant import Tenant

WARNING_PERCENT = 80
_MILLION = 1_000_000

Kind = Literal["tokens", "cost"]
Whose = Literal["organization", "person"]
_NAMES: Mapping[Whose, str] = {"organization": "The organisation", "person": "You"}


@dataclass(frozen=True, slots=True)
class Ceiling:
    """One ceiling: ``limit`` and ``used`` are tokens, or millionths of a US dollar."""

    whose: Whose
    kind: Kind
    limit: int
    used: int

    def percent(self, more: int) -> int:
        """Return the share that is used, in whole per cent, with so much more than was read."""
        return (self.used + more) * 100 // self.limit if self.limit else 100

    def as_dict(self) -> dict[str, Any]:
        """The ceiling as the API shows it: tokens, or US dollars."""
        unit = Decimal(1 if self.kind == "tokens" else _MILLION)
        of = "tokens_per_day" if self.kind == "tokens" else "usd_per_month"
        figures = {"limit": self.limit / unit, "used": self.used / unit, "percent": self.percent(0)}
        return {"whose": self.whose, "of": of, **figures}

    def sentence(self, more: int) -> str:
        """Say how much of it is used."""
        used = self.used + more
        have = "has" if self.whose == "organization" else "have"
        if self.kind == "tokens":
            return f"{_NAMES[self.whose]} {have} used {used:,} of {self.limit:,} model tokens of today (UTC)."
        shown = f"{_dollars(used)} of {_dollars(self.limit)} USD"
        return f"{_NAMES[self.whose]} {have} used {shown} for models this month (UTC)."


@dataclass(frozen=True, slots=True)
class Allotment:
    """The ceilings of one caller at one moment, and what counts against them."""

    ceilings: tuple[Ceiling, ...]
    counted: tuple[Counter, ...]
    now: datetime

    def check(self, ledger: Ledger) -> None:
        """Let one more model call be made. Raises CostCeiling where a ceiling is reached, with this turn's own use."""
        for each in self.ceilings:
            more = _of(each.kind, ledger)
            if each.used + more >= each.limit:
                raise CostCeiling(
                    f"{each.sentence(more)} {_ADVICE[each.kind]}", retry_after=_seconds(self.renews(each) - self.now)
                )

    def warning(self, ledger: Ledger) -> str | None:
        """A sentence on the ceiling that is nearest, from WARNING_PERCENT on."""
        near = [(each.percent(more), each, more) for each in self.ceilings for more in (_of(each.kind, ledger),)]
        if not near:
            return None
        percent, ceiling, more = max(near, key=lambda entry: entry[0])
        return f"{percent} %: {ceiling.sentence(more)}" if percent >= WARNING_PERCENT else None

    def count(self, ledger: Ledger) -> list[Count]:
        """The writes that count a turn. Commit them with its end."""
        tokens, micro_usd = _of("tokens", ledger), _of("cost", ledger)
        return [counter.add(tokens, micro_usd) for counter in self.counted] if tokens or micro_usd else []

    def renews(self, ceiling: Ceiling) -> datetime:
        """The moment from which on nothing of it is used."""
        if ceiling.kind == "cost":
            return next_month(self.now)
        return datetime.combine(self.now.date() + timedelta(days=1), time(), UTC)


@dataclass(frozen=True, slots=True)
class Spending:
    """The counters of one caller at one moment, before they are read."""

    organization: Counter
    person: Counter
    settings: Settings
    now: datetime

    @property
    def paths(self) -> tuple[str, ...]:
        """The documents to read."""
        return (*self.organization.paths, *self.person.paths)

    def further_paths(self, documents: Mapping[str, Document | None]) -> tuple[str, ...]:
        """The documents that must be read as well; none almost always."""
        return (*self.organization.further_paths(documents), *self.person.further_paths(documents))

    def allotment(self, documents: Mapping[str, Document | None], chosen: ChatSettings | None) -> Allotment:
        """The ceilings of the caller, by what was read and by the organisation's own settings."""
        operator = self.settings
        organization = _of_organization(operator, self.organization.spent(documents), chosen)
        person = _ceilings(
            "person",
            self.person.spent(documents),
            tokens=(operator.user_tokens_per_day, chosen.user_daily_token_limit if chosen else None),
            dollars=(operator.user_cost_per_month_usd, chosen.user_monthly_cost_limit_usd if chosen else None),
        )
        # A person is counted from the moment that there is a ceiling for people.
        counted = (self.organization, *((self.person,) if person else ()))
        return Allotment((*organization, *person), counted, self.now)


class CostCeilings:
    """The ceilings of all callers."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._counters = Counters()

    def counter_of(self, tenant: Tenant, now: datetime) -> Counter:
        """The counter of an organisation, for what it uses without a turn of anybody's."""
        return self._counters.at(f"orgs/{tenant.org_slug}/counters/tokens", now.astimezone(UTC), may_grow=True)

    def allotment_of(
        self, counter: Counter, documents: Mapping[str, Document | None], chosen: ChatSettings | None
    ) -> Allotment:
        """The ceilings of an organisation alone, by what was read and by its own settings."""
        return Allotment(_of_organization(self._settings, counter.spent(documents), chosen), (counter,), counter.now)

    def for_caller(self, tenant: Tenant, credentials: Credentials, now: datetime) -> Spending:
        """The counters of the caller that the request names. They count only after authentication."""
        at = now.astimezone(UTC)
        folder = f"orgs/{tenant.org_slug}/counters"
        caller = f"user:{credentials.user_id}" if credentials.user_id else f"key:{credentials.api_key}"
        name = hashlib.sha256(caller.encode()).hexdigest()
        return Spending(
            organization=self.counter_of(tenant, at),
            # Many people may be behind a key that names none.
            person=self._counters.at(f"{folder}/{name}-tokens", at, may_grow=credentials.user_id is None),
            settings=self._settings,
            now=at,
        )


_ADVICE: Mapping[Kind, str] = {
    "tokens": "Ask again tomorrow, or have the daily limit raised.",
    "cost": "Ask again next month, or have the monthly limit raised.",
}


def _of_organization(operator: Settings, spent: Spent, chosen: ChatSettings | None) -> tuple[Ceiling, ...]:
    return _ceilings(
        "organization",
        spent,
        tokens=(operator.org_tokens_per_day, chosen.daily_token_limit if chosen else None),
        dollars=(operator.org_cost_per_month_usd, chosen.monthly_cost_limit_usd if chosen else None),
    )


def _ceilings(
    whose: Whose, spent: Spent, *, tokens: tuple[int | None, ...], dollars: tuple[Decimal | None, ...]
) -> tuple[Ceiling, ...]:
    """The lower of each pair of limits, as far as there are any."""
    days = [limit for limit in tokens if limit is not None]
    months = [limit for limit in dollars if limit is not None]
    return (
        *([Ceiling(whose, "tokens", min(days), spent.day_tokens)] if days else []),
        *([Ceiling(whose, "cost", int(min(months) * _MILLION), spent.month_micro_usd)] if months else []),
    )


def _of(kind: Kind, ledger: Ledger) -> int:
    """The part of a ceiling that a turn used so far, in its units."""
    if kind == "tokens":
        return ledger.usage.total_tokens
    return int((ledger.known_cost * _MILLION).to_integral_value(ROUND_HALF_EVEN))


def _dollars(micro_usd: int) -> str:
    return f"{Decimal(micro_usd) / _MILLION:,.2f}"


def _seconds(span: timedelta) -> int:
    return max(1, -int(-span.total_seconds() // 1))
