"""Dimensions of FOCUS cost data, and the expressions that read them from a row.

An expression is GoogleSQL over one row of the costs. Those of time read ChargePeriodStart; ``on_basis`` turns them to
the billing period. Fiscal ones bind ``@fiscal_shift``. ``tag:<key>`` and ``level:<number>`` are made where they are
asked for, from a key that is bound and a number that is checked.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from common.focus.genai import IS_GENAI

# The documented values of the first tools' arguments.
GroupBy = Literal["provider", "service", "service_category", "team", "region", "model", "day", "week", "month"]
CostType = Literal["cloud", "genai", "subscription"]
TimeBasis = Literal["charge", "billing"]
Kind = Literal["name", "time"]

PATH_SEPARATOR = " / "
MAX_LEVELS = 9
_DAY = "DATE(ChargePeriodStart)"
_FISCAL = f"DATE_ADD(DATE_TRUNC({_DAY}, MONTH), INTERVAL @fiscal_shift MONTH)"
# The fiscal year is named by the calendar year that it begins in: a year less than its shifted one, if shifted.
_FISCAL_YEAR = f"EXTRACT(YEAR FROM {_FISCAL}) - IF(@fiscal_shift = 0, 0, 1)"
_FISCAL_NAME = (
    f"CONCAT('FY', CAST({_FISCAL_YEAR} AS STRING), "
    f"IF(@fiscal_shift = 0, '', CONCAT('/', FORMAT_DATE('%y', {_FISCAL}))))"
)

COST_TYPE = f"""CASE
      WHEN {IS_GENAI}
        THEN 'genai'
      WHEN x_service_model = 'SaaS' AND x_cloud_provider IS NULL THEN 'subscription'
      ELSE 'cloud'
    END"""


@dataclass(frozen=True, slots=True)
class Dimension:
    """A way to divide costs. ``value`` is NULL for a row that has none, and such rows are shown as ``none``.

    A filter also compares with ``matches``: an account is found by its id and by its name. ``order`` puts times in
    order where their text does not.
    """

    name: str
    value: str
    none: str | None = None
    kind: Kind = "name"
    matches: tuple[str, ...] = ()
    order: str | None = None

    @property
    def expression(self) -> str:
        """The value that a row counts under; never NULL where rows can be without one."""
        return self.value if self.none is None else f"COALESCE({self.value}, '{self.none}')"


def _with_id(name: str, identifier: str) -> str:
    return f"IF(COALESCE({name}, {identifier}) = {identifier}, {identifier}, CONCAT({name}, ' (', {identifier}, ')'))"


def _account(name: str, column: str) -> Dimension:
    pair = (f"{column}Id", f"{column}Name")
    return Dimension(name, _with_id(pair[1], pair[0]), f"No {name.replace('_', ' ')}", matches=pair)


_ALL: tuple[Dimension, ...] = (
    Dimension("provider", "ServiceProviderName"),
    Dimension("publisher", "COALESCE(PublisherName, ServiceProviderName)"),
    Dimension("host_provider", "HostProviderName"),
    Dimension("invoice_issuer", "InvoiceIssuerName"),
    Dimension("service", "ServiceName"),
    Dimension("service_category", "ServiceCategory"),
    Dimension("service_subcategory", "ServiceSubcategory", "No subcategory"),
    Dimension("cost_type", COST_TYPE),
    _account("billing_account", "BillingAccount"),
    _account("sub_account", "SubAccount"),
    Dimension("region", "COALESCE(RegionId, RegionName)", "No region", matches=("RegionId", "RegionName")),
    Dimension("availability_zone", "AvailabilityZone", "No zone"),
    Dimension("resource", "COALESCE(ResourceName, ResourceId)", "No resource", matches=("ResourceId", "ResourceName")),
    Dimension("resource_id", "ResourceId", "No resource"),
    Dimension("resource_type", "ResourceType", "No resource type"),
    Dimension("sku", "SkuId", "No SKU"),
    Dimension("sku_meter", "SkuMeter", "No meter"),
    Dimension("sku_price", "SkuPriceId", "No price"),
    Dimension("charge_category", "ChargeCategory"),
    Dimension("charge_class", "ChargeClass", "Regular"),
    Dimension("charge_frequency", "ChargeFrequency", "Not stated"),
    Dimension("charge_description", "ChargeDescription", "Not stated"),
    Dimension("pricing_category", "PricingCategory", "Not stated"),
    Dimension("pricing_currency", "PricingCurrency", "Not stated"),
    Dimension("pricing_unit", "PricingUnit", "No unit"),
    Dimension("consumed_unit", "ConsumedUnit", "No unit"),
    Dimension("list_unit_price", "CAST(ListUnitPrice AS STRING)", "Not stated"),
    Dimension("contracted_unit_price", "CAST(ContractedUnitPrice AS STRING)", "Not stated"),
    Dimension(
        "commitment",
        "COALESCE(CommitmentDiscountName, CommitmentDiscountId)",
        "No commitment",
        matches=("CommitmentDiscountId", "CommitmentDiscountName"),
    ),
    Dimension("commitment_id", "CommitmentDiscountId", "No commitment"),
    Dimension("commitment_type", "CommitmentDiscountType", "No commitment"),
    Dimension("commitment_category", "CommitmentDiscountCategory", "No commitment"),
    Dimension("commitment_status", "CommitmentDiscountStatus", "No commitment"),
    Dimension("capacity_reservation", "CapacityReservationId", "No reservation"),
    Dimension("capacity_status", "CapacityReservationStatus", "No reservation"),
    Dimension("invoice", "InvoiceId", "No invoice"),
    Dimension("billing_period", "FORMAT_TIMESTAMP('%Y-%m', BillingPeriodStart)", kind="time"),
    Dimension("currency", "BillingCurrency"),
    Dimension("team", "x_hierarchy_entity_name", "Unallocated"),
    Dimension("entity", "x_hierarchy_entity_name", "Unallocated"),
    Dimension("model", "x_genai_model", "No model"),
    Dimension("hour", "FORMAT_TIMESTAMP('%Y-%m-%d %H:00', ChargePeriodStart)", kind="time"),
    Dimension("day", _DAY, kind="time"),
    Dimension("weekday", f"FORMAT_DATE('%A', {_DAY})", kind="time", order=f"FORMAT_DATE('%u', {_DAY})"),
    Dimension("week", f"DATE_TRUNC({_DAY}, WEEK(MONDAY))", kind="time"),
    Dimension("month", f"FORMAT_DATE('%Y-%m', {_DAY})", kind="time"),
    Dimension("quarter", f"FORMAT_DATE('%Y-Q%Q', {_DAY})", kind="time"),
    Dimension("year", f"FORMAT_DATE('%Y', {_DAY})", kind="time"),
    Dimension("fiscal_quarter", f"CONCAT({_FISCAL_NAME}, ' Q', FORMAT_DATE('%Q', {_FISCAL}))", kind="time"),
    Dimension("fiscal_year", _FISCAL_NAME, kind="time"),
)
DIMENSIONS: Mapping[str, Dimension] = {dimension.name: dimension for dimension in _ALL}
EXPRESSIONS: Mapping[str, str] = {name: dimension.expression for name, dimension in DIMENSIONS.items()}
TIMES = frozenset(name for name, dimension in DIMENSIONS.items() if dimension.kind == "time")


def key_of(name: str) -> str:
    """Return a name without case, spaces and underscores: ServiceName and service_name are one."""
    return re.sub(r"[\W_]", "", name.casefold())


# What people and FOCUS call them.
_SYNONYMS = {
    "availability_zone": ("AvailabilityZone", "zone", "az"),
    "provider": ("ServiceProviderName", "ProviderName", "vendor", "cloud", "cloud_provider"),
    "publisher": ("PublisherName",),
    "host_provider": ("HostProviderName",),
    "invoice_issuer": ("InvoiceIssuerName",),
    "service": ("ServiceName", "product"),
    "service_category": ("category",),
    "service_subcategory": ("subcategory",),
    "billing_account": ("BillingAccountId", "BillingAccountName", "payer_account"),
    "sub_account": ("SubAccountId", "SubAccountName", "account", "linked_account", "subscription", "project"),
    "region": ("RegionId", "RegionName", "location"),
    "resource": ("ResourceName",),
    "sku": ("SkuId",),
    "sku_price": ("SkuPriceId",),
    "commitment": ("CommitmentDiscountName", "commitment_discount", "commitment_name", "reservation"),
    "commitment_id": ("CommitmentDiscountId",),
    "commitment_type": ("CommitmentDiscountType",),
    "commitment_category": ("CommitmentDiscountCategory",),
    "commitment_status": ("CommitmentDiscountStatus",),
    "capacity_reservation": ("CapacityReservationId",),
    "capacity_status": ("CapacityReservationStatus",),
    "invoice": ("InvoiceId",),
    "billing_period": ("BillingPeriodStart", "billing_month", "invoice_month"),
    "currency": ("BillingCurrency",),
    "team": ("x_hierarchy_entity_name",),
    "entity": ("hierarchy", "cost_center_entity"),
    "model": ("x_genai_model", "genai_model", "llm"),
    "day": ("date", "daily", "usage_date"),
    "hour": ("hourly",),
    "weekday": ("day_of_week",),
    "week": ("weekly",),
    "month": ("monthly",),
    "quarter": ("quarterly",),
    "year": ("yearly", "calendar_year"),
}
_BY_KEY = {key_of(name): name for name in DIMENSIONS} | {
    key_of(synonym): name for name, synonyms in _SYNONYMS.items() if name in DIMENSIONS for synonym in synonyms
}


def find_dimension(name: str) -> Dimension | None:
    """Return the dimension of a name, in any spelling. Returns None if there is none."""
    return DIMENSIONS.get(_BY_KEY.get(key_of(name), ""))


def level_dimension(level: int) -> Dimension:
    """Make the dimension of one level of the hierarchy, 1 at the top: costs roll up to it from all below."""
    value = f"SPLIT(x_hierarchy_path_names, '{PATH_SEPARATOR}')[SAFE_OFFSET({int(level) - 1})]"
    return Dimension(f"level:{int(level)}", value, "Unallocated")


def on_basis(expression: str, basis: TimeBasis) -> str:
    """Return the expression over the time that the basis counts by."""
    return expression if basis == "charge" else expression.replace("ChargePeriodStart", "BillingPeriodStart")
