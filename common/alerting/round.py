"""A round of evaluation: the rules of every organisation, a bounded time per call, each alert exactly once.

What a rule remembers and the alerts that it raises are one commit, on the condition that no other evaluation has
committed since the state was read. Two rounds at once, or one that was killed, raise an alert once or not yet.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from typing_extensions import TypedDict

from common import limits
from common.alerting import sql
from common.alerting.organization import Evaluated, OrganizationRules, RulesOf
from common.documents import DocumentConflict, Documents, Put
from common.errors import ServiceError, Unavailable, WarehouseBusy, WarehouseUnavailable
from common.organizations.directory import Directory
from common.skills.alerts.conditions import RULE_TYPES
from common.stopping import told_to_stop
from common.telemetry.log import Log, place_of
from common.tenant import OrgSlug
from common.warehouse.client import QueryRefused, Warehouse
from common.warehouse.query import Parameter, across, fixed

ROUND_SECONDS = 420.0
AT_ONCE = 50
_PAGE = 400
# So old an alert is not ended any more once all rules of its organisation are gone.
_OPEN_FOR = timedelta(days=400)
_CURSOR = "alerting/cursor"


class RoundReport(TypedDict):
    """The answer to a call of the scheduler. ``unchanged`` are organisations without anything new to look at."""

    status: str
    organizations: int
    unchanged: int
    rules: int
    fired: int
    ended: int
    failed: int
    bytes_processed: int


@dataclass(slots=True)
class _Round:
    report: RoundReport = field(
        default_factory=lambda: RoundReport(
            status="ok", organizations=0, unchanged=0, rules=0, fired=0, ended=0, failed=0, bytes_processed=0
        )
    )
    triggered: list[dict[str, str]] = field(default_factory=list)
    stopped: bool = False

    def stop(self) -> None:
        self.stopped = True


class AlertRound:
    """Evaluates the rules of all organisations; what does not fit in one call is the next one's first."""

    def __init__(
        self,
        documents: Documents,
        directory: Directory,
        warehouse: Warehouse,
        log: Log,
        clock: Callable[[], datetime],
    ) -> None:
        self._documents = documents
        self._directory = directory
        self._warehouse = warehouse
        self._rules = OrganizationRules(documents, warehouse, log)
        self._log = log
        self._clock = clock

    async def run(self) -> RoundReport:
        """Evaluate what is due and say what was done. Raises Unavailable where nothing can be read at all."""
        done, until = _Round(), time.monotonic() + ROUND_SECONDS
        with told_to_stop(done.stop):
            document = (await self._documents.get_all([_CURSOR]))[_CURSOR]
            after = str(document.data["after"]) if document else ""
            async for page in self._pages(after):
                if done.stopped or time.monotonic() >= until:
                    done.report["status"] = "unfinished"
                    break
                await self._evaluate(page, done)
                after = page[-1].tenant.org_slug
            else:
                after = ""
            await self._documents.commit([Put(_CURSOR, {"after": after})])
            await self._note_triggered(done)
        self._log.info(
            "alerts.evaluated",
            alerts_fired=done.report["fired"],
            alerts_ended=done.report["ended"],
            bytes_processed=done.report["bytes_processed"],
        )
        return done.report

    async def _pages(self, after: str) -> AsyncIterator[list[RulesOf]]:
        """The organisations with their rules, so many at a time as one query's rows hold."""
        while True:
            given = {
                "rule_types": Parameter("STRING", RULE_TYPES),
                "after": Parameter("STRING", after),
                "open_since": Parameter("TIMESTAMP", self._clock() - _OPEN_FOR),
                "limit": Parameter("INT64", _PAGE),
            }
            query = across(self._directory.nobody, sql.ORGANIZATIONS, given)
            found = (await self._ask(query)).rows
            for first in range(0, len(found), AT_ONCE):
                yield await self._with_rules(found[first : first + AT_ONCE])
            if len(found) < _PAGE:
                return
            after = found[-1]["org_slug"]

    async def _with_rules(self, rows: Sequence[Mapping[str, Any]]) -> list[RulesOf]:
        by_org: dict[str, list[Mapping[str, Any]]] = {row["org_slug"]: [] for row in rows}
        after = ""
        while True:
            given = {
                "org_slugs": Parameter("STRING", tuple(by_org)),
                "rule_types": Parameter("STRING", RULE_TYPES),
                "after": Parameter("STRING", after),
                "limit": Parameter("INT64", limits.MAX_RESULT_ROWS),
            }
            found = await self._ask(fixed(self._directory.nobody, sql.RULES, given))
            for row in found.rows:
                by_org[row["org_slug"]].append(row)
            if len(found.rows) == 0 or (len(found.rows) < limits.MAX_RESULT_ROWS and not found.truncated):
                break
            after = f"{found.rows[-1]['org_slug']}/{found.rows[-1]['rule_id']}"
        return [
            RulesOf(self._directory.tenant(OrgSlug(row["org_slug"])), tuple(by_org[row["org_slug"]]),
                    row["default_timezone"], row["fiscal_year_start_month"] or 1)
            for row in rows
        ]  # fmt: skip

    async def _evaluate(self, page: Sequence[RulesOf], done: _Round) -> None:
        ended = await asyncio.gather(*(self._one(each) for each in page))
        for each in ended:
            report = done.report
            report["organizations"] += 1
            if each is None:
                report["failed"] += 1
                continue
            report["unchanged"] += each.unchanged
            report["rules"] += each.rules
            report["fired"] += each.fired
            report["ended"] += each.ended
            report["bytes_processed"] += each.bytes_processed
            done.triggered += each.triggered

    async def _one(self, of: RulesOf) -> Evaluated | None:
        """Evaluate one organisation. What fails there holds no other one up."""
        try:
            try:
                return await self._rules.evaluate(of, self._clock())
            except DocumentConflict:
                # Another round was first, or a delivery noted in an alert's row whom it reached.
                return await self._rules.evaluate(of, self._clock())
        except DocumentConflict:
            return Evaluated()
        except (QueryRefused, Unavailable) as error:
            self._log.error("alerts.failed", org=of.tenant.org_slug, code=error.code)
        except Exception as error:
            names = {"org": of.tenant.org_slug, "code": ServiceError.code, "error_class": type(error).__name__}
            self._log.error("alerts.failed", **names, stage=place_of(error))
        return None

    async def _note_triggered(self, done: _Round) -> None:
        """Say in the rules when they fired. What is not said now is said in the next round, from their state."""
        rows = done.triggered
        for first in range(0, len(rows), limits.SYNC_READ):
            part = rows[first : first + limits.SYNC_READ]
            given = {
                "org_slugs": Parameter("STRING", tuple(sorted({row["org_slug"] for row in part}))),
                "rows": Parameter("STRING", tuple(json.dumps(row) for row in part)),
            }
            try:
                query = fixed(self._directory.nobody, sql.TRIGGERED, given)
                await self._warehouse.run(query, labels={"org": "all", "purpose": "alerts"}, own=True)
            except (QueryRefused, WarehouseBusy, WarehouseUnavailable) as error:
                self._log.error("alerts.failed", stage="org_notification_rules", code=error.code)

    async def _ask(self, query: Any) -> Any:
        try:
            return await self._warehouse.run(query, labels={"org": "all", "purpose": "alerts"}, own=True, fresh=True)
        except QueryRefused as refused:
            raise WarehouseUnavailable from refused
