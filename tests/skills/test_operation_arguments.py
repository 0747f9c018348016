"""Arguments of the alert and usage tools that are not what they should be: corrected before anything is run."""

import json
from typing import Any

import pytest

from common.skills.alerts.tools import TOOLS as ALERT_TOOLS
from common.skills.usage.tools import TOOLS as USAGE_TOOLS
from common.tenant import EVERY_PERMISSION, OrgSlug, Principal, Tenant, UserId
from common.tools.context import ToolContext
from common.tools.registry import Registry
from tests.fakes.destinations import FakeDestinations
from tests.skills.conftest import NOON, PROJECT, CountingWarehouse

MONTHLY = {"name": "Monthly budget", "threshold": 5000, "currency": "USD"}
REGISTRY = Registry((*ALERT_TOOLS, *USAGE_TOOLS))


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("list_alerts", {"status": "on"}, "status: must be 'active', 'paused' or 'disabled'"),
        ("list_alerts", {"status": 1}, "status: "),
        ("list_alerts", {"limit": 0}, "limit: must be at least 1"),
        ("list_alerts", {"limit": 101}, "limit: must be at most 100"),
        ("list_alerts", {"limit": "all"}, "limit: must be a whole number"),
        ("create_alert", {}, "name: is missing"),
        ("create_alert", MONTHLY | {"name": "  "}, "name: must not be empty"),
        ("create_alert", MONTHLY | {"name": "x" * 101}, "name: must have at most 100 characters"),
        ("create_alert", MONTHLY | {"name": 7}, "name: must be a text"),
        ("create_alert", MONTHLY | {"threshold": 0}, "threshold: must be more than 0"),
        ("create_alert", MONTHLY | {"threshold": -1}, "threshold: must be more than 0"),
        ("create_alert", MONTHLY | {"threshold": "5000"}, "threshold: give a number"),
        ("create_alert", MONTHLY | {"threshold": True}, "threshold: give a number"),
        ("create_alert", MONTHLY | {"threshold": [5]}, "threshold: give a number"),
        ("create_alert", MONTHLY | {"threshold": float("nan")}, "threshold: "),
        ("create_alert", MONTHLY | {"threshold": float("inf")}, "threshold: "),
        ("create_alert", MONTHLY | {"threshold": 10**12}, "threshold: must have at most"),
        ("create_alert", MONTHLY | {"threshold": 0.0001}, "threshold: must have at most"),
        ("create_alert", MONTHLY | {"currency": "XYZ"}, "currency: give an ISO 4217 currency code"),
        ("create_alert", MONTHLY | {"currency": "dollars"}, "currency: must have at most 3 characters"),
        ("create_alert", MONTHLY | {"currency": 840}, "currency: must be a text"),
        ("create_alert", MONTHLY | {"severity": "high"}, "severity: must be 'info', 'warning' or 'critical'"),
        ("create_alert", MONTHLY | {"provider": ""}, "provider: "),
        ("create_alert", MONTHLY | {"provider": "x" * 101}, "provider: "),
        ("create_alert", MONTHLY | {"provider": ["AWS"]}, "provider: "),
        ("create_alert", MONTHLY | {"hierarchy_entity": " "}, "hierarchy_entity: "),
        ("create_alert", MONTHLY | {"hierarchy_entity": {}}, "hierarchy_entity: "),
        ("create_alert", MONTHLY | {"period": "yearly"}, "period: must be 'daily', 'weekly', 'monthly' or 'quarterly'"),
        ("create_alert", MONTHLY | {"org_slug": "globex_inc"}, "org_slug: is not known here"),
        ("create_alert", MONTHLY | {"created_by": "boss"}, "created_by: is not known here"),
        ("alert_history", {"limit": 0}, "limit: must be at least 1"),
        ("alert_history", {"limit": 101}, "limit: must be at most 100"),
        ("alert_history", {"severity": "low"}, "severity: must be 'info', 'warning' or 'critical'"),
        ("alert_history", {"start_date": "yesterday"}, "start_date: "),
        ("alert_history", {"end_date": 20260301}, "end_date: "),
        ("acknowledge_alert", {}, "alert_history_id: is missing"),
        ("acknowledge_alert", {"alert_history_id": " "}, "alert_history_id: "),
        ("acknowledge_alert", {"alert_history_id": "x" * 201}, "alert_history_id: "),
        ("acknowledge_alert", {"alert_history_id": 12}, "alert_history_id: must be a text"),
        ("acknowledge_alert", {"alert_history_id": "a", "user_id": "boss"}, "user_id: is not known here"),
        ("genai_usage", {"group_by": "service"}, "group_by.0: must be 'model', 'provider'"),
        ("genai_usage", {"group_by": 3}, "group_by: "),
        ("genai_usage", {"group_by": ["model", "team", "day"]}, "group_by: must have at most 2 entries"),
        ("genai_usage", {"provider": ""}, "provider: "),
        ("genai_usage", {"provider": "x" * 101}, "provider: "),
        ("genai_usage", {"model": ""}, "model: "),
        ("genai_usage", {"model": "x" * 201}, "model: "),
        ("genai_usage", {"model": ["gpt-5"]}, "model: must be a text"),
        ("genai_usage", {"start_date": "March"}, "start_date: "),
        ("genai_usage", {"end_date": 20260301}, "end_date: "),
        ("genai_usage", {"limit": 5}, "limit: is not known here"),
        ("quota_status", {"org_slug": "globex_inc"}, "org_slug: is not known here"),
        ("top_consumers", {}, "dimension: is missing"),
        (
            "top_consumers",
            {"dimension": "region"},
            "dimension: must be 'model', 'service', 'provider' or 'team'",
        ),
        ("top_consumers", {"dimension": "team", "limit": 0}, "limit: must be at least 1"),
        ("top_consumers", {"dimension": "team", "limit": 21}, "limit: must be at most 20"),
        ("top_consumers", {"dimension": "team", "limit": "few"}, "limit: must be a whole number"),
        ("top_consumers", {"dimension": "team", "start_date": []}, "start_date: "),
        ("pipeline_runs", {"limit": 0}, "limit: must be at least 1"),
        ("pipeline_runs", {"limit": 51}, "limit: must be at most 50"),
        ("pipeline_runs", {"status": "FAILED"}, "status: must be 'pending', 'running'"),
        ("pipeline_runs", {"provider": 5}, "provider: must be a text"),
        ("pipeline_runs", {"provider": "x" * 101}, "provider: "),
        ("pipeline_runs", {"dataset": "globex_inc_prod"}, "dataset: is not known here"),
    ],
)
async def test_wrong_arguments_are_corrected_and_nothing_is_run(
    counting: CountingWarehouse, name: str, arguments: dict[str, Any], said: str
) -> None:
    principal = Principal(
        Tenant(OrgSlug("acme_inc"), PROJECT, "organizations"), UserId("u1"), "key-1", EVERY_PERMISSION
    )
    resources = {"warehouse": counting, "destinations": FakeDestinations()}
    tools = REGISTRY.bind(principal, ToolContext({}, NOON, "wrong"), [name], resources)
    counting.ran.clear()
    answer = await tools.call(name, json.dumps(arguments), agent_name="Tester", approved=True)
    assert answer["error"]["code"] == "invalid_arguments"
    assert said in answer["error"]["message"]
    assert counting.ran == []
