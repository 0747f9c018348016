"""What terraform/README.md says that BigQuery costs follows from what the code asks, at the dashboard's own price."""

import re

import pytest

from common.organizations import directory, key_lookup
from common.record import reader
from common.settings import load_settings
from common.warehouse.reading import LEAST_BILLED
from tests.infra.plan import Plan
from tests.infra.workspace import ROOT

README = (ROOT / "terraform" / "README.md").read_text("utf-8")
COSTS = README.partition("## What it costs")[2].partition("\n## ")[0]
DASHBOARD = (ROOT / "terraform" / "monitoring_dashboard.tf").read_text("utf-8")
DAYS = 30


@pytest.fixture
def dollars_per_byte() -> float:
    price = re.search(r"usd_per_tib += ([\d.]+)", DASHBOARD)
    assert price is not None
    return float(price[1]) / 2**40


def said(pattern: str) -> float:
    found = re.search(pattern, " ".join(COSTS.split()))
    assert found is not None, pattern
    return float(found[1])


def tables(*texts: str) -> int:
    """How many tables the statements name, all together."""
    return sum(len(set(re.findall(r"\{\{?shared\.[^}]+\}", text))) for text in texts)


def test_the_refresh_of_the_directory(dollars_per_byte: float) -> None:
    of_organization = (directory.PROFILE_SQL, directory.SETTINGS_SQL, directory.CREDENTIALS_SQL, directory.ACCESS_SQL)
    refresh = tables(key_lookup.KEYS_SQL, *of_organization) * LEAST_BILLED * dollars_per_byte
    assert said(r"each comes later than the last one's copy lasts \| ([\d.]+) \|") == round(1_000 * refresh, 2)
    seconds = load_settings().cache_ttl_seconds
    assert said(r"([\d.]+) a month at 300") == round(DAYS * 86_400 / seconds * refresh, 2)
    assert seconds == 300


def test_an_old_conversation(dollars_per_byte: float) -> None:
    opened = tables(reader.CONVERSATION_SQL, reader.MESSAGES_SQL)
    assert said(r"([\d.]+) for each 1,000 that are opened") == round(
        1_000 * opened * LEAST_BILLED * dollars_per_byte, 2
    )


def test_the_page_of_costs_shows_sign_in_and_record(everything: Plan) -> None:
    (page,) = (
        each.values["dashboard_json"] for each in everything.of("google_monitoring_dashboard") if each.key == "costs"
    )
    for metric in ("directory_bytes_billed", "record_bytes_billed"):
        assert metric in page
