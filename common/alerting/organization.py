"""The evaluation of one organisation's rules: read once, decided by a pure function, written in a commit."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from common.alerting.flood import Flood
from common.alerting.reading import read_figures
from common.alerting.rows import alert_id, ended_row, fired_row
from common.alerting.state import AlertState, Tracks, read_state, state_path
from common.alerting.telling import Telling
from common.documents import Create, Data, Document, Documents, Patch, Write
from common.focus.calendar import FiscalCalendar
from common.notices.destinations import destinations_of
from common.notices.paths import alert_path, destinations_path
from common.record.outbox import alert_entry
from common.skills.alerts.conditions import BUDGET_TYPES, AlertRule, read_rule
from common.skills.alerts.evaluation import Ended, Outcome, evaluate
from common.telemetry.log import Log
from common.tenant import Tenant
from common.tools.result import ToolError
from common.warehouse.client import Warehouse

# An alert is two writes.
_WRITES_IN_A_COMMIT = 150
_COSTS = "cost_data_standard_1_3"


@dataclass(frozen=True, slots=True)
class RulesOf:
    """An organisation with the rows of its active rules."""

    tenant: Tenant
    rows: tuple[Mapping[str, Any], ...]
    zone: str | None = None
    fiscal_month: int = 1


@dataclass(slots=True)
class Evaluated:
    """The counts of one evaluation; ``triggered`` are rules whose row does not say yet when they fired."""

    unchanged: int = 0
    rules: int = 0
    fired: int = 0
    ended: int = 0
    bytes_processed: int = 0
    triggered: list[dict[str, str]] = field(default_factory=list)


class OrganizationRules:
    """Evaluates the rules of an organisation, for the scheduler."""

    def __init__(self, documents: Documents, warehouse: Warehouse, log: Log) -> None:
        self._documents = documents
        self._warehouse = warehouse
        self._log = log

    async def evaluate(self, of: RulesOf, moment: datetime) -> Evaluated:
        """Evaluate the rules at a moment; nothing is asked where nothing can have changed.

        Raises QueryRefused, WarehouseUnavailable and DocumentsUnavailable, and DocumentConflict where another
        evaluation came first.
        """
        path, kept_at = state_path(of.tenant), destinations_path(of.tenant)
        found = await self._documents.get_all([path, kept_at])
        state, kept = read_state(found[path]), found[kept_at]
        to = tuple(destinations_of(kept.data if kept else None).values())
        telling = Telling(of.tenant, to, moment, Flood.read(state.flood, moment))
        rules = self._read_rules(of)
        done = Evaluated(rules=len(rules))
        mark = await self._mark(of, rules, moment)
        if mark is not None and mark == state.mark:
            done.unchanged = 1
        else:
            state = await self._evaluate(of, rules, state, telling, mark, done)
        done.triggered = [row for rule in rules if (row := _triggered(of.tenant, rule, state)) is not None]
        return done

    def _read_rules(self, of: RulesOf) -> list[AlertRule]:
        rules = []
        for row in of.rows:
            try:
                rules.append(read_rule(row, of.zone))
            except ToolError as error:
                self._unreadable(of, row["rule_id"], error.code)
        return rules

    def _unreadable(self, of: RulesOf, rule_id: str, code: str) -> None:
        self._log.warning("alerts.unreadable", org=of.tenant.org_slug, message_id=rule_id, code=code)

    async def _mark(self, of: RulesOf, rules: Sequence[AlertRule], moment: datetime) -> str | None:
        """The name of all that decides the outcome besides what is remembered. Returns None where it has no name.

        Budgets are other tables' rows, which may change at any time.
        """
        if any(rule.type in BUDGET_TYPES for rule in rules):
            return None
        table = await self._warehouse.table(of.tenant, _COSTS)
        modified = table.modified.isoformat() if table and table.modified else ""
        rows = ({name: row[name] for name in row if name != "last_triggered_at"} for row in of.rows)
        said = json.dumps([of.zone, [json.dumps(row, default=str, sort_keys=True) for row in rows]])
        digest = hashlib.sha256(said.encode()).hexdigest()[:32]
        return f"{modified} {moment.astimezone(UTC).date().isoformat()} {digest}"

    async def _evaluate(
        self,
        of: RulesOf,
        rules: Sequence[AlertRule],
        state: AlertState,
        telling: Telling,
        mark: str | None,
        done: Evaluated,
    ) -> AlertState:
        moment = telling.moment
        calendar = FiscalCalendar(of.fiscal_month)
        today = moment.astimezone(UTC).date()
        read = await read_figures(self._warehouse, of.tenant, rules, today, calendar)
        done.bytes_processed += read.bytes_processed
        for rule_id, code in read.problems.items():
            self._unreadable(of, rule_id, code)
        batch, waiting = _Batch(of, telling, calendar), False
        tracks = dict(state.tracks)
        for rule_id in _outdated(rules, state):
            batch.forget(rule_id, *tracks.pop(rule_id))
        # The most urgent ones first: a destination is not sent any number of messages.
        for rule in sorted(rules, key=lambda each: each.priority != "critical"):
            if rule.rule_id not in read.figures:
                continue
            try:
                outcome = evaluate(rule, read.figures[rule.rule_id], moment, state.of(rule))
            except (TypeError, ValueError, ArithmeticError) as error:
                # Numbers that no figure can be held against: the other rules go on.
                self._unreadable(of, rule.rule_id, type(error).__name__)
                continue
            tracks[rule.rule_id] = (rule.fingerprint, outcome.tracks)
            waiting = waiting or outcome.waiting is not None
            batch.add(rule, outcome)
            if batch.size >= _WRITES_IN_A_COMMIT:
                state = await self._commit(batch, replace(state, tracks=dict(tracks), mark=None), done)
        # What waits fires although nothing else changes: then there is no mark.
        mark = None if waiting else mark
        return await self._commit(batch, replace(state, tracks=dict(tracks), mark=mark), done, is_last=True)

    async def _commit(
        self,
        batch: "_Batch",
        state: AlertState,
        done: Evaluated,
        *,
        is_last: bool = False,
    ) -> AlertState:
        """Write alerts with what their rules remember: all of it, or nothing."""
        known = await self._documents.get_all(batch.paths) if batch.paths else {}
        writes, telling = batch.writes(known), batch.telling
        if is_last:
            writes += telling.sum_up()
        mark = None if telling.flood.holds else state.mark
        state = replace(state, mark=mark, flood=telling.flood.stored())
        versions = await self._documents.commit([*writes, state.write(batch.of.tenant)])
        done.fired += sum(known[path] is None for path in batch.rows)
        done.ended += len(batch.over)
        batch.clear()
        return replace(state, version=versions[-1])


class _Batch:
    """The writes of some rules' outcomes: alerts that are new, and alerts that are over, by their documents' paths."""

    def __init__(self, of: RulesOf, telling: Telling, calendar: FiscalCalendar) -> None:
        self.of, self.telling, self.calendar = of, telling, calendar
        self.moment = telling.moment
        self.rows: dict[str, Data] = {}
        self.over: dict[str, Ended | None] = {}
        self.rules: dict[str, AlertRule] = {}

    def clear(self) -> None:
        self.rows, self.over, self.rules = {}, {}, {}

    @property
    def size(self) -> int:
        """The number of writes, where all is new and told: two for an alert, and two for each that is told."""
        return sum(2 + 2 * len(self.telling.whom(rule.channels)) for rule in self.rules.values())

    @property
    def paths(self) -> list[str]:
        return [*self.rows, *self.over]

    def add(self, rule: AlertRule, outcome: Outcome) -> None:
        tenant = self.of.tenant
        for fired in outcome.fired:
            told = bool(self.telling.whom(rule.channels))
            row = fired_row(tenant, rule, fired, self.moment, self.calendar, told=told)
            path = alert_path(tenant, row["alert_history_id"])
            self.rows[path], self.rules[path] = row, rule
        for ended in outcome.ended:
            path = self._end(rule.rule_id, rule.fingerprint, ended.subject, ended.window, ended)
            self.rules[path] = rule

    def forget(self, rule_id: str, fingerprint: str, tracks: Tracks) -> None:
        """End what is open of a rule that is gone, switched off or changed."""
        for subject, track in tracks.items():
            for _, window in track.open:
                self._end(rule_id, fingerprint, subject, window, None)

    def writes(self, known: Mapping[str, Document | None]) -> list[Write]:
        """The writes, given the documents that there are. An alert that was raised before stays as it is."""
        made: list[Write] = []
        for path, row in self.rows.items():
            if known[path] is None:
                told = self.telling.fired(self.rules[path], row)
                if row["status"] == "PENDING" and not told:
                    row["status"] = "HELD"
                made += [Create(path, {"row": row}), alert_entry(row, self.moment), *told]
        for path, ended in self.over.items():
            document = known[path]
            if document is not None and document.data["row"]["resolved_at"] is None:
                row = ended_row(document.data["row"], ended, self.moment)
                made += [Patch(path, {"row": row}, document.updated_at), alert_entry(row, self.moment)]
                made += self.telling.over(self.rules.get(path), row)
        return made

    def _end(self, rule_id: str, fingerprint: str, subject: str, window: str, ended: Ended | None) -> str:
        path = alert_path(self.of.tenant, alert_id(self.of.tenant.org_slug, rule_id, fingerprint, subject, window))
        if path in self.rows:
            # It fired and was over between two rounds.
            self.rows[path] = ended_row(self.rows[path], ended, self.moment)
        else:
            self.over[path] = ended
        return path


def _outdated(rules: Sequence[AlertRule], state: AlertState) -> list[str]:
    """The rules that are remembered and are no longer there, or no longer as they were."""
    now = {rule.rule_id: rule.fingerprint for rule in rules}
    return [rule_id for rule_id, (fingerprint, _) in state.tracks.items() if now.get(rule_id) != fingerprint]


def _triggered(tenant: Tenant, rule: AlertRule, state: AlertState) -> dict[str, str] | None:
    """The row that says when a rule fired last, where the rule's own row does not say it yet."""
    fired = max((each.fired_at for each in state.of(rule).values() if each.fired_at), default=None)
    known = rule.last_triggered_at
    if fired is None or (known is not None and known.astimezone(UTC) >= fired.astimezone(UTC)):
        return None
    return {"org_slug": tenant.org_slug, "rule_id": rule.rule_id, "fired_at": fired.isoformat()}
