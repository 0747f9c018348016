"""An organisation of a test's own on the page: its costs, its rules and its alerts."""

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from common.warehouse import schema
from local.data import warehouse
from local.data.organizations import DEMO, Organization
from tests.conftest import PROJECT, Cloud
from tests.organizations.organizations import Made, Rows
from tests.skills.costs_made import row

SPIKES = (10, 30)


@dataclass
class Own:
    """An organisation with 20.00 USD a day, but 500.00 on two days, and many failures of a pipeline."""

    made: Made
    today: datetime

    @property
    def slug(self) -> str:
        return self.made.slug

    def load(self, cloud: Cloud, spikes: tuple[int, ...] = SPIKES) -> None:
        """Replace its costs, with spikes so many days ago."""
        client = bigquery.Client(
            project=PROJECT,
            credentials=AnonymousCredentials(),
            client_options={"api_endpoint": cloud.environment["BIGQUERY_EMULATOR_HOST"]},
        )
        warehouse.create(client, [self.slug])
        days = [(back, self.today - timedelta(days=back)) for back in range(90)]
        costs = [row(day, "500.00" if back in spikes else "20.00") for back, day in days]
        name = f"{PROJECT}.{warehouse.tenant_dataset(self.slug)}.cost_data_standard_1_3"
        described = schema.load("tenant", "cost_data_standard_1_3")
        warehouse.wait_for(warehouse.replace_rows(client, name, described, costs))
        client.close()

    def add_pipeline(self) -> None:
        """Insert the rule about a pipeline, and its alerts."""
        self.made.rows.insert("org_notification_rules", self._rule())
        for number in range(12):
            self.made.rows.insert("org_alert_history", self._failure(number))

    def _rule(self) -> dict[str, Any]:
        lists = ("provider_filter", "service_filter", "notify_channel_ids", "escalate_to_channel_ids")
        return {
            "rule_id": f"{self.slug}-pipeline", "org_slug": self.slug, "name": "A pipeline failed", "is_active": True,
            "priority": "high", "rule_category": "pipeline", "rule_type": "pipeline_failure",
            "conditions": '{"failures": 1}', "trigger_count_today": 0, "created_by": "ada", "cooldown_minutes": 0,
            "created_at": (self.today - timedelta(days=50)).isoformat(), **{name: [] for name in lists},
        }  # fmt: skip

    def _failure(self, number: int) -> dict[str, Any]:
        return {
            "alert_history_id": f"{self.slug}-failure-{number}", "alert_id": f"{self.slug}-pipeline",
            "org_slug": self.slug, "status": "RECORDED", "severity": "high",
            "trigger_data": json.dumps({"failures": 1, "value": 1, "threshold": 1}), "recipients": [],
            "condition_results": "[]", "recipient_count": 0,
            "created_at": (self.today - timedelta(days=number + 1)).isoformat(),
        }  # fmt: skip

    def spike_alert(self) -> str:
        """Insert an alert about the spend, which is a day old, and return its id."""
        alert_id = f"{self.slug}-spike"
        figures = {"value": 500.0, "threshold": 100.0, "unit": "USD", "currency": "USD", "billed_cost": 500.0}
        condition = {"type": "absolute_threshold", "met": True, "sql": "SELECT SUM(BilledCost) FROM costs",
                     "parameters": {"currency": "USD"}}  # fmt: skip
        rule = self._rule() | {
            "rule_id": f"{self.slug}-spend", "name": "Spend of a day", "rule_category": "cost",
            "rule_type": "absolute_threshold", "conditions": '{"threshold": 100, "currency": "USD", "period": "daily"}',
        }  # fmt: skip
        self.made.rows.insert("org_notification_rules", rule)
        changes = {
            "alert_history_id": alert_id, "alert_id": f"{self.slug}-spend", "severity": "critical",
            "trigger_data": json.dumps(figures), "condition_results": json.dumps([condition]),
        }  # fmt: skip
        self.made.rows.insert("org_alert_history", self._failure(0) | changes)
        return alert_id

    @property
    def organization(self) -> Organization:
        """The organisation as the page is told of it."""
        return replace(DEMO["acme_inc"], slug=self.slug, company_name="Made Ltd", api_key=f"{self.slug}-admin-key")


def own(cloud: Cloud) -> Own:
    """Make the organisation, with its rows loaded."""
    rows = Rows(cloud)
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    made = Own(rows.make(), today)
    made.load(cloud)
    made.add_pipeline()
    return made
