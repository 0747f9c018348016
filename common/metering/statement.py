"""Usage of the chat in a month, and its statement: one's own figures, or everybody's for keys with usage:read."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Literal

from common import cursor, limits
from common.identity.authenticate import Credentials
from common.metering.ceilings import Allotment, CostCeilings
from common.metering.entrance import Entrance
from common.metering.usage_queries import MonthQuery, UsageQuery
from common.organizations.directory import Lookup
from common.record import usage_sql
from common.tenant import READ_USAGE, Principal
from common.warehouse.client import QueryRefused, Warehouse
from common.warehouse.json_values import json_safe
from common.warehouse.query import Parameter, fixed

# More groups than a month can have.
_MOST_SKIPPED = 1_000_000_000

Scope = Literal["organization", "own"]
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Asked:
    """One authenticated question: whose figures, of which month."""

    principal: Principal
    found: Lookup
    scope: Scope
    month: date

    def parameters(self, most: int, skipped: int) -> dict[str, Parameter]:
        user_id = None if self.scope == "organization" else self.principal.user_id
        return {
            **usage_sql.bounds(self.month),
            "user_id": Parameter("STRING", user_id),
            # One more says that there are more.
            "most": Parameter("INT64", most + 1),
            "skipped": Parameter("INT64", skipped),
        }

    def heading(self) -> dict[str, Any]:
        named = {"org_slug": self.principal.org_slug, "month": f"{self.month:%Y-%m}", "scope": self.scope}
        return named | ({} if self.scope == "organization" else {"user_id": self.principal.user_id})


@dataclass(frozen=True, slots=True)
class UsageReports:
    """Answers for the usage function: a question is counted as a search is.

    Raises WarehouseUnavailable, RateLimited, and what authentication raises.
    """

    entrance: Entrance
    warehouse: Warehouse
    cost_ceilings: CostCeilings
    clock: Callable[[], datetime]

    async def figures(self, credentials: Credentials, query: UsageQuery) -> dict[str, Any]:
        """The usage of a month by one group, with the ceilings as they stand now."""
        spending = self.cost_ceilings.for_caller(
            self.entrance.authenticator.tenant(credentials), credentials, self.clock()
        )
        asked = await self._asked(credentials, query, spending.paths)
        place = ("usage", asked.principal.org_slug, asked.scope, f"{asked.month:%Y-%m}", query.by)
        (given,) = cursor.decode(place, query.cursor, (int,)) if query.cursor else (0,)
        skipped = min(int(str(given)), _MOST_SKIPPED)
        (total, *rows), bill = await asyncio.gather(
            self._page(asked, usage_sql.usage(query.by), query.limit, skipped), self._bill(asked)
        )
        truncated = len(rows) > query.limit
        whole = query.by == "model" and not truncated and not skipped
        organization = asked.found.organization
        allotment = spending.allotment(asked.found.documents, organization.settings if organization else None)
        body = {
            **asked.heading(),
            "by": query.by,
            "rows": [_shown(row, (*usage_sql.GROUPS[query.by], *_FIGURES)) for row in rows[: query.limit]],
            "truncated": truncated,
            **({"next_cursor": cursor.encode(place, (skipped + query.limit,))} if truncated else {}),
            "totals": _shown(total, _FIGURES),
            "bill": await self._beside(asked, bill, rows if whole else None),
            "ceilings": _ceilings(allotment, asked.scope),
        }
        return dict(json_safe(body))

    async def statement(self, credentials: Credentials, query: MonthQuery) -> dict[str, Any]:
        """The statement of a month: a line for each model and price, exact to the last digit."""
        asked = await self._asked(credentials, query)
        (total, *rows), bill = await asyncio.gather(self._rows(asked, usage_sql.statement()), self._bill(asked))
        return {
            **asked.heading(),
            "currency": "USD",
            "lines": [_shown(row, usage_sql.line_columns()) for row in rows],
            "totals": _shown(total, _FIGURES),
            "bill": await self._beside(asked, bill, rows),
        }

    async def _asked(self, credentials: Credentials, query: MonthQuery, also: tuple[str, ...] = ()) -> _Asked:
        entered = await self.entrance.enter(credentials, "searches", also)
        principal = entered.principal
        scope: Scope = "organization" if principal.may(READ_USAGE) else "own"
        month = query.first_day(self.clock().astimezone(UTC).date())
        await entered.count()
        return _Asked(principal, entered.found, scope, month)

    async def _rows(self, asked: _Asked, text: str) -> Sequence[Row]:
        """The sum of all and all rows, however many pages they fill."""
        rows = list[Row]()
        while True:
            total, *page = await self._page(asked, text, limits.MAX_USAGE_ROWS, len(rows))
            rows += page[: limits.MAX_USAGE_ROWS]
            if len(page) <= limits.MAX_USAGE_ROWS:
                return (total, *rows)

    async def _page(self, asked: _Asked, text: str, most: int, skipped: int) -> Sequence[Row]:
        """The sum of all, a page of rows, and one more where there are more."""
        query = fixed(asked.principal.tenant, text, asked.parameters(most, skipped))
        return (await self.warehouse.look_up(query, labels=_labels(asked))).rows

    async def _bill(self, asked: _Asked) -> Sequence[Row] | None:
        """The providers' own bills of the month; None where they are not the caller's to see, or there are none."""
        if asked.scope == "own":
            return None
        query = fixed(asked.principal.tenant, usage_sql.BILL, usage_sql.bounds(asked.month))
        try:
            return (await self.warehouse.run(query, labels=_labels(asked))).rows
        except QueryRefused:
            return None  # An organisation without cost data has a statement all the same.

    async def _beside(
        self, asked: _Asked, bill: Sequence[Row] | None, by_model: Sequence[Row] | None
    ) -> list[dict[str, Any]] | None:
        """Estimate and bill side by side, of every provider that was used and has billed."""
        if bill is None:
            return None
        if by_model is None:
            by_model = (await self._rows(asked, usage_sql.usage("model")))[1:]
        estimates: dict[str, Decimal | None] = {}
        for row in by_model:
            if row["provider"] is not None:
                known, more = estimates.get(row["provider"]), row[usage_sql.COST]
                estimates[row["provider"]] = more if known is None else known + (more or 0)
        return [_compared(row, estimates[row["provider"]]) for row in bill if row["provider"] in estimates]


_FIGURES = (*usage_sql.COUNTS, usage_sql.COST)


def _shown(row: Row, names: Iterable[str]) -> dict[str, Any]:
    return {name: row[name] for name in names}


def _compared(billed: Row, estimate: Decimal | None) -> dict[str, Any]:
    """The two figures of one provider; their difference only where they are of one currency."""
    comparable = billed["currency"] == "USD" and estimate is not None
    return {
        "provider": billed["provider"],
        "estimated_cost_usd": estimate,
        "billed_cost": billed["billed_cost"],
        "currency": billed["currency"],
        "difference_usd": billed["billed_cost"] - estimate if comparable else None,
        "last_day": billed["last_day"],
    }


def _ceilings(allotment: Allotment, scope: Scope) -> list[dict[str, Any]]:
    """The ceilings as they stand now; the organisation's own only for who may read its usage."""
    seen = [each for each in allotment.ceilings if scope == "organization" or each.whose == "person"]
    return [each.as_dict() | {"renews_at": allotment.renews(each)} for each in seen]


def _labels(asked: _Asked) -> dict[str, str]:
    return {"org": asked.principal.org_slug, "purpose": "usage"}
