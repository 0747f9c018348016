"""The words in which people are told of an alert: that a rule fired, and that it is over."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from common import limits
from common.alerting.flood import Flood, Hour
from common.documents import Data, Write
from common.notices.destination import Destination, chosen
from common.notices.notice import Notice, NoticeSeverity, link_to, over_id
from common.notices.outbox import notice_writes
from common.skills.alerts.conditions import AlertRule
from common.tenant import Tenant
from common.text import one_line

_SEVERITIES: Mapping[str, NoticeSeverity] = {"critical": "critical", "low": "info"}


@dataclass(frozen=True, slots=True)
class Telling:
    """Has an organisation's destinations told of its alerts, in the commits that raise and end them."""

    tenant: Tenant
    destinations: Sequence[Destination]
    moment: datetime
    flood: Flood

    def whom(self, channels: Sequence[str]) -> list[Destination]:
        """The destinations that a rule's alerts go to: those it names, or all."""
        ids = chosen(self.destinations, channels)
        return [each for each in self.destinations if each.destination_id in ids]

    def fired(self, rule: AlertRule, row: Data) -> list[Write]:
        """The writes that have a new alert told; none for one that is only recorded, or held back."""
        if row["status"] != "PENDING":
            return []
        figures = json.loads(row["trigger_data"])
        value, limit = _amount(figures["value"], figures["unit"]), _amount(figures["threshold"], figures["unit"])
        text = f"The alert rule “{one_line(rule.name)}” fired: {value}, where its limit is {limit}."
        return self._writes(rule, row, row["alert_history_id"], "alert", f"Alert: {rule.name}", text)

    def sum_up(self) -> list[Write]:
        """The writes that have each destination told how many messages were held back."""
        by_id = {each.destination_id: each for each in self.destinations if each.active}
        return [
            write
            for destination_id, hour in self.flood.sum_up()
            if destination_id in by_id
            for write in notice_writes(
                self.tenant, self._sum(destination_id, hour), [by_id[destination_id]], self.moment
            )
        ]

    def _sum(self, destination_id: str, hour: Hour) -> Notice:
        begun, most = f"{hour.since.astimezone(UTC):%Y-%m-%d %H:%M} UTC", limits.ALERT_MESSAGES_PER_HOUR
        messages = "1 message about an alert was" if hour.held == 1 else f"{hour.held} messages about alerts were"
        return Notice(
            notice_id=f"held-{destination_id}-{hour.since.astimezone(UTC):%Y%m%dT%H%M%S}",
            kind="alerts_held",
            title=f"{messages} held back",
            text=f"{messages} held back since {begun}: a destination gets at most {most} in an hour, and as many of "
            "critical alerts. All alerts are in the history.",
            severity="warning",
            facts=(("Held back", str(hour.held)), ("Since", begun)),
            link=link_to(self.tenant),
            details={"held_back": hour.held, "since": hour.since.isoformat(), "at_most": most},
            occurred_at=self.moment,
        )

    def over(self, rule: AlertRule | None, row: Data) -> list[Write]:
        """The writes that have told of the end of an alert that people were told of; none while its rule is muted.

        In quiet hours it is told after them.
        """
        at = rule.silence.quiet_until(self.moment) if rule is not None else None
        if rule is None or at is None or row["status"] != "PENDING" or rule.silence.is_muted(self.moment):
            return []
        figures = json.loads(row["trigger_data"])
        now = figures.get("value_when_over")
        ended = f" The figure is now {_amount(now, figures['unit'])}." if now is not None else " Its period has ended."
        text = f"The alert of the rule “{one_line(rule.name)}” is over.{ended}"
        return self._writes(rule, row, over_id(row["alert_history_id"]), "alert_over", f"Over: {rule.name}", text, at)

    def _writes(
        self, rule: AlertRule, row: Data, notice_id: str, kind: Any, title: str, text: str, at: datetime | None = None
    ) -> list[Write]:
        figures = json.loads(row["trigger_data"])
        notice = Notice(
            notice_id=notice_id,
            kind=kind,
            title=title,
            text=text,
            severity=_severity(rule) if kind == "alert" else "info",
            facts=tuple(_facts(rule, figures)),
            link=link_to(self.tenant, alert=row["alert_history_id"]),
            details={"alert_history_id": row["alert_history_id"], "rule_id": rule.rule_id, **figures},
            occurred_at=self.moment,
        )
        is_critical = notice.severity == "critical"
        to = [each for each in self.whom(rule.channels) if self.flood.admits(each.destination_id, critical=is_critical)]
        return notice_writes(self.tenant, notice, to, self.moment, at)


def _severity(rule: AlertRule) -> NoticeSeverity:
    return _SEVERITIES.get(rule.priority, "warning")


def _facts(rule: AlertRule, figures: Mapping[str, Any]) -> list[tuple[str, str]]:
    period = f"{figures['period_start']} to {figures['period_end']}"
    return [
        ("Figure", _amount(figures["value"], figures["unit"])),
        ("Limit", _amount(figures["threshold"], figures["unit"])),
        ("Period", figures["period_start"] if figures["period_start"] == figures["period_end"] else period),
        ("Severity", _severity(rule)),
    ]


def _amount(value: Any, unit: str) -> str:
    """A figure with its unit, as people write it."""
    number = Decimal(str(value))
    said = f"{number:,.2f}".removesuffix(".00")
    return f"{said} %" if unit == "percent" else f"{said} {unit}"
