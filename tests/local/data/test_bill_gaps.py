"""Gaps that exporters leave are filled and counted; nothing that is there is changed."""

from decimal import Decimal
from pathlib import Path

import pytest

from local.data.focus.teams import Team
from local.data.focus.vendors import Vendor, vendor_of
from tests.local.data.bill_reading import Row, read
from tests.local.data.focus_samples import FOCUS_1_0, FOCUS_1_3, as_csv

GAPS: dict[str, tuple[dict[str, str], dict[str, object], list[str]]] = {
    "Azure's rounding, credits and reservations": (
        {"ServiceName": "", "ServiceCategory": "", "ChargeCategory": "Tax"},
        {"ServiceName": "No service", "ServiceCategory": "Other"},
        ["ServiceName as “No service”", "ServiceCategory as “Other”"],
    ),
    "Azure's meter category": (
        {"ServiceName": "", "x_SkuMeterCategory": "Virtual Machines"},
        {"ServiceName": "Virtual Machines"},
        ["ServiceName from x_SkuMeterCategory"],
    ),
    "Google's view": (
        {"Tags": '[{"key": "team", "value": "web"}]', "ServiceCategory": "", "ChargeCategory": "usage"},
        {"Tags": {"team": "web"}, "ServiceCategory": "Other", "ChargeCategory": "Usage"},
        ["ServiceCategory as “Other”", "ChargeCategory in FOCUS' own letters"],
    ),
    "a publisher and no provider": (
        {"ProviderName": "", "PublisherName": "Contoso", "InvoiceIssuerName": "Microsoft"},
        {"ServiceProviderName": "Contoso", "InvoiceIssuerName": "Microsoft"},
        ["ServiceProviderName from PublisherName"],
    ),
    "no issuer and no publisher": (
        {"PublisherName": "", "InvoiceIssuerName": ""},
        {"InvoiceIssuerName": "AWS"},
        ["InvoiceIssuerName from ServiceProviderName"],
    ),
    "no costs but the billed one": (
        {"EffectiveCost": "", "ContractedCost": "", "ListCost": "", "BilledCost": "10.5"},
        dict.fromkeys(("EffectiveCost", "ContractedCost", "ListCost"), Decimal("10.5")),
        ["EffectiveCost from BilledCost", "ContractedCost from EffectiveCost", "ListCost from ContractedCost"],
    ),
    "no billing period": (
        {"BillingPeriodStart": "", "BillingPeriodEnd": ""},
        {},
        [
            "BillingPeriodStart from the month of ChargePeriodStart",
            "BillingPeriodEnd from the month of BillingPeriodStart",
        ],
    ),
    "a currency in small letters": ({"BillingCurrency": "usd"}, {"BillingCurrency": "USD"},
                                    ["BillingCurrency in capital letters"]),
    "a currency of its own": ({"BillingCurrency": "Snowflake Credits"}, {"BillingCurrency": "Snowflake Credits"}, []),
    "no account": ({"BillingAccountId": ""}, {"BillingAccountId": "sub-1"}, ["BillingAccountId from SubAccountId"]),
    "no account at all": (
        {"BillingAccountId": "", "SubAccountId": ""}, {"BillingAccountId": "Unknown"}, ["BillingAccountId as “Unknown”"]
    ),
}  # fmt: skip
USUAL = {"ServiceProviderName from ProviderName", "HostProviderName from ServiceProviderName"}


def read_one(folder: Path, *rows: dict[str, str]) -> tuple[dict[str, int], list[Row]]:
    path = folder / "bill.csv"
    path.write_bytes(as_csv(rows))
    summary, found = read([path])
    return summary.filled, found


@pytest.mark.parametrize("gap", GAPS)
def test_a_gap_is_filled_and_counted_and_other_rows_stay(tmp_path: Path, gap: str) -> None:
    change, expected, labels = GAPS[gap]
    whole = FOCUS_1_0 | dict.fromkeys(change.keys() - FOCUS_1_0.keys(), "")
    filled, (kept, found) = read_one(tmp_path, whole, whole | change)
    assert {name: found[name] for name in expected} == expected
    assert {label: count for label, count in filled.items() if label not in USUAL} == dict.fromkeys(labels, 1)
    assert (kept["ServiceName"], kept["BilledCost"]) == ("Machines", Decimal("12.345678901"))


def test_a_cost_of_zero_is_a_cost_and_no_gap(tmp_path: Path) -> None:
    filled, (found,) = read_one(tmp_path, FOCUS_1_0 | {"ContractedCost": "0", "ListCost": "0"})
    assert (found["ContractedCost"], found["ListCost"]) == (0, 0)
    assert filled.keys() == USUAL


def test_a_row_without_a_currency_takes_the_only_one_there_is(tmp_path: Path) -> None:
    filled, rows = read_one(tmp_path, FOCUS_1_0, FOCUS_1_0 | {"BillingCurrency": ""})
    assert {row["BillingCurrency"] for row in rows} == {"USD"}
    assert filled["BillingCurrency from the only one in the bill"] == 1


def test_a_bill_of_a_vendor_that_leaves_most_out_is_read(tmp_path: Path) -> None:
    path = tmp_path / "bill.jsonl"
    path.write_text(
        '{"BilledCost":1.5,"BillingCurrency":"USD","ChargeCategory":"Usage","ChargePeriodStart":"2026-10-05T00:00:00Z",'
        '"ChargePeriodEnd":"2026-10-06T00:00:00Z","EffectiveCost":1.5,"ServiceName":"Transfer",'
        '"ServiceProviderName":"Vendor","Tags":{"project":"shop"}}\n'
    )
    summary, (row,) = read([path])
    assert (row["BilledCost"], row["ListCost"], row["HostProviderName"]) == (Decimal("1.5"), Decimal("1.5"), "Vendor")
    assert (f"{row['BillingPeriodStart']:%F}", f"{row['BillingPeriodEnd']:%F}") == ("2026-10-01", "2026-11-01")
    assert summary.filled["ServiceCategory as “Other”"] == 1


def test_a_path_says_the_billing_period_where_the_file_does_not(tmp_path: Path) -> None:
    row = {name: text for name, text in FOCUS_1_0.items() if not name.startswith("BillingPeriod")}
    for month in ("2026-10", "20261101-20261201"):
        part = tmp_path / "data" / f"BILLING_PERIOD={month}" / "part-0.csv"
        part.parent.mkdir(parents=True)
        part.write_bytes(as_csv([row]))
    _summary, rows = read([tmp_path / "data"])
    assert [f"{row['BillingPeriodStart']:%F}" for row in rows] == ["2026-10-01", "2026-11-01"]


def test_the_summary_says_everything_that_was_done(tmp_path: Path) -> None:
    path = tmp_path / "bill.csv"
    rows = [FOCUS_1_0 | {"x_Own": "1", "x_org_slug": "other_org", "x_InvoiceId": "7", "BillingCurrency": "eur"}] * 3
    path.write_bytes(b"a title\n" + as_csv(rows))
    text = read([path])[0].text
    assert "bill.csv: 3 rows, 2024-09-30 to 2024-09-30, EUR, AWS" in text
    assert "lines above the header, left out: 1" in text
    assert "not columns of the table, left out: x_Own, x_org_slug" in text
    assert "InvoiceId read from x_InvoiceId" in text
    assert "BillingCurrency in capital letters: filled in 3 rows" in text


VENDORS = {
    "AWS": Vendor(cloud="aws"),
    "Amazon Web Services, Inc.": Vendor(cloud="aws"),
    "AmazonWebServices": Vendor(cloud="aws"),
    "Microsoft Azure": Vendor(cloud="azure"),
    "Google Cloud": Vendor(cloud="gcp"),
    "Oracle": Vendor(cloud="oci"),
    "Alibaba Cloud": Vendor(cloud="alibaba"),
    "Tencent Cloud": Vendor(cloud="tencent"),
    "OpenAI": Vendor(genai="openai"),
    "Anthropic, PBC": Vendor(genai="anthropic"),
    "Google Gemini": Vendor(genai="gemini"),
    "Awsome Hosting": Vendor(),
    "Googles": Vendor(),
    "Databricks, Inc.": Vendor(),
    "Snowflake": Vendor(),
}


def test_well_known_vendors_are_told_by_their_names(tmp_path: Path) -> None:
    assert {name: vendor_of(name) for name in VENDORS} == VENDORS
    _filled, (cloud, genai) = read_one(
        tmp_path, FOCUS_1_0, FOCUS_1_0 | {"ProviderName": "Anthropic, PBC", "SubAccountId": ""}
    )
    assert (cloud["x_cloud_provider"], cloud["x_cloud_account_id"]) == ("aws", "sub-1")
    assert (genai["x_genai_provider"], genai["x_genai_cost_type"]) == ("anthropic", "payg")
    assert "x_cloud_provider" not in genai


def test_a_tag_names_the_team_and_the_hierarchy_says_where_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "bill.csv"
    tags = ('{"team": "data"}', '{"team": "TEAM-AI"}', '{"team": " web "}', '{"team": ""}', "{}", "")
    path.write_bytes(as_csv([FOCUS_1_3 | {"Tags": text} for text in tags]))
    known = [
        Team("TEAM-AI", "AI Products", "team", "/PRODUCT/TEAM-AI", "Product / AI Products"),
        Team("TEAM-DATA", "Data", "team", "/PRODUCT/TEAM-DATA", "Product / Data"),
    ]
    summary, rows = read([path], "team", known)
    found = [(row.get("x_hierarchy_entity_id"), row.get("x_hierarchy_entity_name")) for row in rows]
    assert found == [("TEAM-DATA", "Data"), ("TEAM-AI", "AI Products"), ("web", "web"), *[(None, None)] * 3]
    assert rows[0]["x_hierarchy_path_names"] == "Product / Data"
    assert (rows[2]["x_hierarchy_path"], rows[2]["x_hierarchy_level_code"]) == ("/web", "team")
    assert "team from the tag “team”: 3 of 6 rows" in summary.text


@pytest.mark.parametrize(("tags", "key"), [('{"user:Team": "web"}', "team"), ('{"a/b~c": "web"}', "a/b~c")])
def test_a_key_is_found_as_its_users_know_it(tmp_path: Path, tags: str, key: str) -> None:
    path = tmp_path / "bill.csv"
    path.write_bytes(as_csv([FOCUS_1_3 | {"Tags": tags}]))
    assert read([path], key)[1][0]["x_hierarchy_entity_name"] == "web"


def test_a_key_that_no_row_has_is_said_with_those_there_are(tmp_path: Path) -> None:
    path = tmp_path / "bill.csv"
    path.write_bytes(as_csv([FOCUS_1_3 | {"Tags": '{"env": "prod", "app": "shop"}'}]))
    assert "team from the tag “team”: no row has this tag (the bill has app, env)" in read([path], "team")[0].text
