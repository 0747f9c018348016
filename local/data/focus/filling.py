"""Gaps that real exporters leave: each rule fills one column from what the row has, and counts the rows it filled."""

from collections.abc import Iterable
from dataclasses import dataclass

from local.data.focus.problems import ERRORS_SHOWN, Problems
from local.data.focus.workspace import Workspace, named, quoted

NO_SERVICE = "No service"
OTHER_CATEGORY = "Other"
NO_ACCOUNT = "Unknown"


@dataclass(frozen=True, slots=True)
class Rule:
    """One way to fill a column that is empty, or to write it as FOCUS does; ``label`` stands in the summary."""

    column: str
    expression: str
    label: str
    rewrites: bool = False

    @property
    def value(self) -> str:
        """The column's value after this rule, as SQL."""
        return self.expression if self.rewrites else f"coalesce({named(self.column)}, {self.expression})"

    @property
    def applies(self) -> str:
        """The condition under which the rule changes a row, as SQL."""
        return f"{named(self.column)} IS DISTINCT FROM {self.value}"


def _from(column: str, source: str) -> Rule:
    return Rule(column, named(source), f"{column} from {source}")


def _written_as(column: str, values: Iterable[str]) -> Rule:
    """Write one of FOCUS' own values in its own letters: usage as Usage."""
    arms = " ".join(f"WHEN {quoted(value.lower())} THEN {quoted(value)}" for value in values)
    expression = f"CASE lower(trim({named(column)})) {arms} ELSE {named(column)} END"
    return Rule(column, expression, f"{column} in FOCUS' own letters", rewrites=True)


def _in_capitals(column: str) -> Rule:
    name = named(column)
    expression = f"CASE WHEN regexp_full_match(trim({name}), '[A-Za-z]{{3}}') THEN upper(trim({name})) ELSE {name} END"
    return Rule(column, expression, f"{column} in capital letters", rewrites=True)


_SERVICE_CATEGORIES = (
    "AI and Machine Learning", "Analytics", "Business Applications", "Compute", "Databases", "Developer Tools",
    "Multicloud", "Identity", "Integration", "Internet of Things", "Management and Governance", "Media", "Migration",
    "Mobile", "Networking", "Security", "Storage", "Web", "Other",
)  # fmt: skip
_USED = ("Used", "Unused")
# Without a commitment and not bought ahead, what was billed for a charge is what it cost.
_NOT_COMMITTED = """CASE WHEN "CommitmentDiscountId" IS NULL AND "ChargeCategory" <> 'Purchase' THEN "BilledCost" END"""
# A column that is empty because another one is: that one is named alone.
_FOLLOWS = {
    "HostProviderName": "ServiceProviderName",
    "InvoiceIssuerName": "ServiceProviderName",
    "ListCost": "ContractedCost",
    "ContractedCost": "EffectiveCost",
    "EffectiveCost": "BilledCost",
    "BillingPeriodStart": "ChargePeriodStart",
    "BillingPeriodEnd": "BillingPeriodStart",
}
# In this order: a rule may build on the ones before.
RULES = (
    _in_capitals("BillingCurrency"),
    _in_capitals("PricingCurrency"),
    _written_as("ChargeCategory", ("Usage", "Purchase", "Tax", "Credit", "Adjustment")),
    _written_as("ChargeClass", ("Correction",)),
    _written_as("ChargeFrequency", ("One-Time", "Recurring", "Usage-Based")),
    _written_as("PricingCategory", ("Standard", "Dynamic", "Committed", "Other")),
    _written_as("ServiceCategory", _SERVICE_CATEGORIES),
    _written_as("CommitmentDiscountCategory", ("Spend", "Usage")),
    _written_as("CommitmentDiscountStatus", _USED),
    _written_as("CapacityReservationStatus", _USED),
    _from("ServiceProviderName", "ProviderName"),
    _from("ServiceProviderName", "PublisherName"),
    _from("ServiceProviderName", "InvoiceIssuerName"),
    _from("HostProviderName", "ServiceProviderName"),
    _from("InvoiceIssuerName", "PublisherName"),
    _from("InvoiceIssuerName", "ServiceProviderName"),
    Rule("EffectiveCost", _NOT_COMMITTED, "EffectiveCost from BilledCost"),
    _from("ContractedCost", "EffectiveCost"),
    _from("ListCost", "ContractedCost"),
    _from("ServiceName", "x_SkuMeterCategory"),
    Rule("ServiceName", quoted(NO_SERVICE), f"ServiceName as “{NO_SERVICE}”"),
    Rule("ServiceCategory", quoted(OTHER_CATEGORY), f"ServiceCategory as “{OTHER_CATEGORY}”"),
    Rule(
        "BillingPeriodStart",
        "date_trunc('month', \"ChargePeriodStart\")",
        "BillingPeriodStart from the month of ChargePeriodStart",
    ),
    Rule(
        "BillingPeriodEnd",
        "date_trunc('month', \"BillingPeriodStart\") + INTERVAL 1 MONTH",
        "BillingPeriodEnd from the month of BillingPeriodStart",
    ),
    _from("BillingAccountId", "SubAccountId"),
    Rule("BillingAccountId", quoted(NO_ACCOUNT), f"BillingAccountId as “{NO_ACCOUNT}”"),
)  # fmt: skip


def fill(workspace: Workspace) -> dict[str, int]:
    """Create the view ``filled`` over ``bill``, and return by label how many rows each rule changed."""
    counts: dict[str, int] = {}
    rows = "bill"
    rules = [*RULES, *_only_currency(workspace)]
    for done, rule in enumerate(rules, start=1):
        workspace.watch("Filling gaps", done / len(rules))
        count = workspace.value(f"SELECT count(*) FROM {rows} WHERE {rule.applies}")
        if count:
            counts[rule.label] = count
            rows = f"(SELECT * REPLACE ({rule.value} AS {named(rule.column)}) FROM {rows})"
    workspace.run(f"CREATE OR REPLACE VIEW filled AS SELECT * FROM {rows}")
    return counts


def check_required(workspace: Workspace, required: Iterable[str], names: list[str]) -> None:
    """Raise FocusFileError for the first file in which a column that FOCUS requires is still empty."""
    columns = list(required)
    counts = ", ".join(f"count(*) FILTER (WHERE {named(column)} IS NULL)" for column in columns)
    for number, *missing in workspace.rows(f"SELECT _file, {counts} FROM filled GROUP BY _file ORDER BY _file"):
        problems = Problems(names[number])
        empty = dict(zip(columns, missing, strict=True))
        for column, count in empty.items():
            if count and not empty.get(_FOLLOWS.get(column, "")):
                found = workspace.rows(
                    f"SELECT _row FROM filled WHERE _file = {number} AND {named(column)} IS NULL "
                    f"ORDER BY _row LIMIT {ERRORS_SHOWN}"
                )
                problems.note(column, [(row, "is empty, and FOCUS requires a value") for (row,) in found], count)
        if problems.total:
            raise problems.error()


def _only_currency(workspace: Workspace) -> list[Rule]:
    """A row without a currency is in the bill's only one; where there are several, nobody can tell."""
    name = named("BillingCurrency")
    found = workspace.rows(f"SELECT DISTINCT upper(trim({name})) FROM bill WHERE {name} IS NOT NULL LIMIT 2")
    if len(found) != 1:
        return []
    return [Rule("BillingCurrency", quoted(found[0][0]), "BillingCurrency from the only one in the bill")]
