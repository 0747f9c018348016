"""The shared tables that a model's query may read: columns and row filters, as data."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal

from common.warehouse import schema

FilterValue = Literal["org_slug", "user_id"]

# A name that says its column holds a secret, a digest or somebody's payment identity.
_SECRET = re.compile(
    r"^encrypted|cipher|secret|password|token$|stripe|^billing_|_hash$|^hash_|_key$|private|payment|customer_id|^tax_|^card_|iban",
    re.IGNORECASE,
)

_BY_ORG: tuple[FilterValue, ...] = ("org_slug",)
_BY_ORG_AND_USER: tuple[FilterValue, ...] = ("org_slug", "user_id")

# Table -> its row filter and, where not all harmless columns may be read, the columns that may.
_READABLE: Mapping[str, tuple[tuple[FilterValue, ...], tuple[str, ...] | None]] = {
    "org_profiles": (_BY_ORG, None),
    "org_subscriptions": (_BY_ORG, None),
    "org_usage_quotas": (_BY_ORG, None),
    "org_meta_pipeline_runs": (_BY_ORG, None),
    "org_notification_rules": (_BY_ORG, None),
    "org_alert_history": (_BY_ORG, None),
    "org_hierarchy": (_BY_ORG, None),
    "org_budgets": (_BY_ORG, None),
    "org_budget_allocations": (_BY_ORG, None),
    "org_chat_conversations": (_BY_ORG_AND_USER, None),
    "org_integration_credentials": (
        _BY_ORG,
        ("credential_id", "provider", "credential_name", "validation_status", "is_active", "created_at"),
    ),
}


@dataclass(frozen=True, slots=True)
class SharedTable:
    """A table of all organisations, as one caller may see it: ``filters`` are columns that equal the caller's value."""

    name: str
    columns: tuple[str, ...]
    filters: tuple[FilterValue, ...]
    hidden: frozenset[str]

    @property
    def secrets(self) -> frozenset[str]:
        """The hidden columns that hold a key, a hash or a ciphertext."""
        return frozenset(column for column in self.hidden if holds_secret(column))

    def refuses(self, column: str) -> bool:
        """Return true if this column (casefolded) exists but may not be read.

        Other unknown names are left to the dry run: the columns of the derived table are all that exist.
        """
        return column not in self.columns and (column in self.hidden or holds_secret(column))


def holds_secret(column: str) -> bool:
    """Return true if a column's name says that it holds a key, hash, ciphertext or payment identity."""
    return _SECRET.search(column) is not None


@cache
def shared_tables() -> Mapping[str, SharedTable]:
    """Return the readable shared tables by name; every other table of the shared dataset is closed."""
    return {name: _shared_table(name) for name in _READABLE}


def _shared_table(name: str) -> SharedTable:
    filters, listed = _READABLE[name]
    declared = tuple(field.name for field in schema.load("organizations", name).fields)
    columns = tuple(column for column in listed or declared if not holds_secret(column))
    unknown = {*columns, *filters} - set(declared)
    if unknown:
        raise ValueError(f"{name} has no column {', '.join(sorted(unknown))}")
    return SharedTable(name, columns, filters, frozenset(declared) - frozenset(columns))
