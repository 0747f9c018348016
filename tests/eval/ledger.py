"""The rows of a demo organisation as plain Python values: what figures are summed from, without the product's tools."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from functools import cached_property
from typing import Any

from local.data import alerts, demo, drivers, operations
from local.data.access import provider_key
from local.data.organizations import API_KEYS, DEMO, entities
from local.data.prepare import DailyTotals
from tests.eval.days import Days, Span

Row = Mapping[str, Any]
_KEPT = (
    "BilledCost", "EffectiveCost", "ListCost", "ContractedCost", "ConsumedQuantity", "ConsumedUnit", "PricingQuantity",
    "PricingUnit", "ChargeCategory", "ChargeClass", "ChargeFrequency", "CommitmentDiscountId", "CommitmentDiscountName",
    "CommitmentDiscountStatus", "CommitmentDiscountType", "InvoiceId", "InvoiceIssuerName", "PricingCategory",
    "PublisherName", "RegionId", "ResourceName", "ResourceType", "ServiceCategory", "ServiceName",
    "ServiceProviderName", "ServiceSubcategory", "SkuId", "SkuMeter", "SubAccountId", "SubAccountName",
    "BillingAccountId", "HostProviderName", "x_service_model", "x_cloud_provider", "AvailabilityZone",
)  # fmt: skip
_GENAI_SERVICES = ("bedrock", "openai", "vertex ai", "gemini")


@dataclass
class Ledger:
    """All rows of one organisation as of a day, read once when they are first asked for."""

    org: str
    today: date
    _tables: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    _chosen: dict[tuple[str, Span | None, str | None], Sequence[Row]] = field(default_factory=dict)
    _foreign: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @cached_property
    def days(self) -> Days:
        return Days(self.today, DEMO[self.org].fiscal_year_start_month)

    @property
    def currency(self) -> str:
        return DEMO[self.org].currency

    def table(self, name: str) -> Sequence[Row]:
        """The rows of a table by its short name. Raises KeyError for another one."""
        if name not in self._tables:
            self._tables[name] = _READERS[name](self)
        return self._tables[name]

    def rows_of(self, name: str, span: Span | None, currency: str | None) -> Sequence[Row]:
        """The rows of a table, of some days and of a currency; the same ones are asked for again and again."""
        known = self._chosen.get((name, span, currency))
        if known is None:
            rows = self.table(name)
            known = [
                row for row in rows if (span is None or row["day"] in span) and currency in (None, row.get("currency"))
            ]
            self._chosen[name, span, currency] = known
        return known

    @cached_property
    def vocabulary(self) -> str:
        """Every word that a row of costs can hold, to tell another organisation's names from common ones."""
        rows = self.table("costs")
        return " | ".join(sorted({value for row in rows for value in row.values() if isinstance(value, str)}))

    @cached_property
    def own_names(self) -> frozenset[str]:
        """Names that only rows of this organisation can hold: teams, resources, accounts, addresses, ids."""
        names = {
            str(row[key]) for row in self.table("costs") for key in ("ResourceName", "SubAccountId", "team") if row[key]
        }
        names |= {self.org, DEMO[self.org].company_name, DEMO[self.org].admin_email, DEMO[self.org].dataset_id}
        return frozenset(names | {each.owner_email for each in entities(self.org).values()})

    def foreign_names(self, other: "Ledger") -> tuple[str, ...]:
        """The names of another organisation that no row of this one holds."""
        if other.org not in self._foreign:
            self._foreign[other.org] = tuple(sorted(name for name in other.own_names if name not in self.vocabulary))
        return self._foreign[other.org]

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no answer, tool result or record may ever hold."""
        return (API_KEYS[self.org], provider_key(DEMO[self.org]))


def _costs(ledger: Ledger) -> list[dict[str, Any]]:
    return [_cost_row(row) for row in demo.cost_rows(ledger.org, ledger.today)]


def _cost_row(row: Row) -> dict[str, Any]:
    day: date = row["ChargePeriodStart"].date()
    path = (row["x_hierarchy_path_names"] or "").split(" / ")
    tags = {f"tag:{key}": value for key, value in (row["Tags"] or {}).items()}
    return {name: row[name] for name in _KEPT} | tags | {
        "currency": row["BillingCurrency"],
        "team": row["x_hierarchy_entity_name"] or "Unallocated",
        "department": path[0] or "Unallocated",
        "path": row["x_hierarchy_path"] or "",
        "model": row["x_genai_model"],
        "cost_type": _cost_type(row),
        "billing_month": f"{row['BillingPeriodStart']:%Y-%m}",
        **_times(day),
    }  # fmt: skip


def _times(day: date) -> dict[str, Any]:
    return {
        "day": day,
        "date": day.isoformat(),
        "month": f"{day:%Y-%m}",
        "quarter": f"{day.year}-Q{(day.month + 2) // 3}",
        "year": str(day.year),
        "weekday": f"{day:%A}",
    }


def _cost_type(row: Row) -> str:
    service = str(row["ServiceName"]).lower()
    if (
        row["x_genai_provider"]
        or row["ServiceSubcategory"] == "Generative AI"
        or any(each in service for each in _GENAI_SERVICES)
    ):
        return "genai"
    return "subscription" if row["x_service_model"] == "SaaS" and row["x_cloud_provider"] is None else "cloud"


def _dated(rows: Sequence[Row], column: str) -> list[dict[str, Any]]:
    return [dict(row) | _times(_day(row[column])) for row in rows]


def _day(value: Any) -> date:
    return value.date() if isinstance(value, datetime) else value


def _usage(ledger: Ledger) -> list[dict[str, Any]]:
    rows = _dated(list(demo.usage_rows(ledger.org, ledger.today)), "usage_date")
    return [row | {"team": row["x_hierarchy_entity_name"] or "Unallocated"} for row in rows]


def _history(ledger: Ledger) -> list[dict[str, Any]]:
    totals = DailyTotals(ledger.currency)
    for _ in totals.watch(demo.cost_rows(ledger.org, ledger.today)):
        pass
    rows = _dated(alerts.history(DEMO[ledger.org], ledger.today, totals.by_day), "created_at")
    names = {row["rule_id"]: row["name"] for row in alerts.rules(DEMO[ledger.org])}
    return [row | {"rule_name": names[row["alert_id"]]} for row in rows]


def _budgets(ledger: Ledger) -> list[dict[str, Any]]:
    """The budgets with what was spent against each until today: its path and all below, its category and currency."""
    found = []
    month = ledger.days.span("M0")
    for row in operations.budgets(DEMO[ledger.org], ledger.today):
        path, kind = row["hierarchy_path"], row["category"]
        spent = sum(
            (
                charge["BilledCost"]
                for charge in ledger.table("costs")
                if charge["day"] in month and charge["currency"] == row["currency"]
                if path is None or f"{charge['path']}/".startswith(f"{path}/")
                if kind == "total" or charge["cost_type"] == kind
            ),
            Decimal(),
        )
        amount = Decimal(str(row["budget_amount"]))
        found.append(
            dict(row) | {"name": row["hierarchy_entity_name"], "amount": amount, "spent": spent, "left": amount - spent}
        )
    return found


def _subscriptions(ledger: Ledger) -> list[dict[str, Any]]:
    from local.data.subscriptions import subscriptions

    return [
        {"name": each.row["ServiceName"], "seats": each.seats, "currency": each.row["BillingCurrency"]}
        for each in subscriptions(DEMO[ledger.org])
    ]


_READERS: Mapping[str, Callable[[Ledger], list[dict[str, Any]]]] = {
    "costs": _costs,
    "usage": _usage,
    "alerts": _history,
    "budgets": _budgets,
    "subscriptions": _subscriptions,
    "rules": lambda ledger: [dict(row) for row in alerts.rules(DEMO[ledger.org])],
    "runs": lambda ledger: _dated(operations.pipeline_runs(DEMO[ledger.org], ledger.today), "start_time"),
    "quotas": lambda ledger: _dated(operations.quotas(DEMO[ledger.org], ledger.today), "usage_date"),
    "drivers": lambda ledger: _dated(list(drivers.demo_rows(ledger.org, ledger.today)), "driver_date"),
}
TABLES = frozenset(_READERS)
