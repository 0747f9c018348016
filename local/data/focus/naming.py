"""Columns of a bill told by their headers: any case or spacing, older names, and what other versions lack."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from urllib.parse import unquote

from common.warehouse import schema
from local.data.focus.problems import Problems

TABLE = schema.load("tenant", "cost_data_standard_1_3")
TYPES = {field.name: field.type for field in TABLE.fields}
# Columns of the pipeline are always this loader's own, whatever a file says.
OWN_PREFIXES = ("x_org_", "x_pipeline", "x_ingest", "x_run_id", "x_credential_id")
# Columns that only help to fill others.
HELPERS = {"x_SkuMeterCategory": "STRING"}
# Names that exporters used before FOCUS had, or renamed, the column; the column itself wins where both are there.
OLDER_NAMES = {
    "x_InvoiceId": "InvoiceId",
    "x_PricingCurrency": "PricingCurrency",
    "x_SkuDetails": "SkuPriceDetails",
    "x_SkuMeterName": "SkuMeter",
    "x_BillingAccountType": "BillingAccountType",
    "x_SubAccountType": "SubAccountType",
    "x_CommitmentDiscountQuantity": "CommitmentDiscountQuantity",
    "x_CommitmentDiscountUnit": "CommitmentDiscountUnit",
    "x_ContractedCost": "ContractedCost",
    "x_ContractedUnitPrice": "ContractedUnitPrice",
    "AmortizedCost": "EffectiveCost",
    "InvoiceIssuer": "InvoiceIssuerName",
    "Provider": "ProviderName",
    "Publisher": "PublisherName",
    "Region": "RegionId",
    "SkuMeterName": "SkuMeter",
    "UsageQuantity": "ConsumedQuantity",
    "UsageUnit": "ConsumedUnit",
    "BILLING_PERIOD": "BillingPeriodStart",
}
# A bill without one of these in its header is no bill; every other column can be filled from what is there.
NEEDED = (
    "BilledCost",
    "BillingCurrency",
    "ChargeCategory",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "EffectiveCost",
    "ServiceName",
)
PROVIDERS = ("ServiceProviderName", "ProviderName", "PublisherName", "InvoiceIssuerName")
_ENOUGH_KNOWN = 3


def _key(name: str) -> str:
    return re.sub(r"[\s_\-.]", "", name).lower()


_KNOWN = {_key(name): name for name in (*TYPES, *HELPERS) if not name.startswith(OWN_PREFIXES)}
_OLDER = {_key(name): now for name, now in OLDER_NAMES.items()}


@dataclass(frozen=True, slots=True)
class Naming:
    """Positions of a file's columns: used by FOCUS name, the second ones of the same name, and what is left out."""

    columns: dict[str, int]
    doubles: dict[str, tuple[int, ...]]
    ignored: tuple[str, ...]
    renamed: dict[str, str]


def told_by_path(partition: Mapping[str, str]) -> dict[str, str]:
    """Return what the folders of a file's path say, by FOCUS column."""
    found = {_KNOWN.get(_key(name)) or _OLDER.get(_key(name)): unquote(text) for name, text in partition.items()}
    return {name: text for name, text in found.items() if name and text and not text.startswith("__HIVE_")}


def known(header: Sequence[str]) -> int:
    """Return how many names of a header are FOCUS columns."""
    return sum(1 for name in header if _key(name) in _KNOWN)


def is_header(cells: Sequence[str]) -> bool:
    """Say whether a record is the header of a FOCUS file beyond doubt."""
    return known(cells) >= _ENOUGH_KNOWN


def name_columns(header: Sequence[str], partition: Mapping[str, str], problems: Problems) -> Naming:
    """Decide what each column of a file is, beside what its path says. Raises FocusFileError."""
    columns: dict[str, int] = {}
    doubles: dict[str, list[int]] = {}
    left: list[int] = []
    for position, name in enumerate(header):
        column = _KNOWN.get(_key(name))
        if column is None:
            left.append(position)
        elif column in columns:
            doubles.setdefault(column, []).append(position)
        else:
            columns[column] = position
    renamed = _take_older(header, columns, left)
    _refuse_missing(header, columns.keys() | told_by_path(partition).keys(), problems)
    ignored = tuple(dict.fromkeys(header[position].strip() for position in left if header[position].strip()))
    return Naming(columns, {name: tuple(places) for name, places in doubles.items()}, ignored, renamed)


def _take_older(header: Sequence[str], columns: dict[str, int], left: list[int]) -> dict[str, str]:
    """Move columns with an older name of one that is missing from ``left`` to ``columns``; return old names by new."""
    renamed: dict[str, str] = {}
    counts = Counter(_key(header[position]) for position in left)
    for position in list(left):
        key = _key(header[position])
        column = _OLDER.get(key)
        if column is not None and column not in columns and counts[key] == 1:
            columns[column] = position
            renamed[column] = header[position]
            left.remove(position)
    return renamed


def _refuse_missing(header: Sequence[str], present: Set[str], problems: Problems) -> None:
    if "BilledCost" not in present and "ChargePeriodStart" not in present:
        raise problems.stop(1, None, _not_focus(header))
    for column in NEEDED:
        if column not in present:
            problems.add(1, column, "is required by FOCUS and missing from the header")
    if not present & set(PROVIDERS):
        problems.add(1, "ServiceProviderName", "is missing from the header, and ProviderName is not there either")
    if problems.total:
        raise problems.error()


def _not_focus(header: Sequence[str]) -> str:
    if len(header) == 1 and header[0]:
        return "no FOCUS columns in the header, and no comma, semicolon, tab or | between fields"
    return "no FOCUS columns in the header (BilledCost, ChargePeriodStart, …): is this a FOCUS export?"
