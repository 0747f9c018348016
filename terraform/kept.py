#!/usr/bin/env python3
"""Refuse a plan that would destroy or replace what is stored: terraform show -json saved.tfplan | python3 kept.py."""

import json
import sys
from collections.abc import Iterator
from typing import Any

# What holds data, and the keys without which it does not open.
KEPT = {
    "google_bigquery_dataset",
    "google_bigquery_table",
    "google_firestore_backup_schedule",
    "google_firestore_database",
    "google_kms_crypto_key",
    "google_kms_key_ring",
}


def losses(plan: dict[str, Any]) -> Iterator[str]:
    """Yield a sentence for each stored thing that the plan destroys, and each column that it drops."""
    for each in plan.get("resource_changes", ()):
        if each["type"] not in KEPT:
            continue
        change = each["change"]
        if "delete" in change["actions"]:
            yield f"{each['address']} would be {'replaced' if 'create' in change['actions'] else 'destroyed'}."
        elif each["type"] == "google_bigquery_table" and "update" in change["actions"]:
            dropped = columns(change["before"]) - columns(change["after"])
            yield from (f"{each['address']} would lose its column {name}." for name in sorted(dropped))


def columns(table: dict[str, Any]) -> set[str]:
    """Return the names of a table's columns."""
    return {column["name"] for column in json.loads(table.get("schema") or "[]")}


def main() -> int:
    """Print what would be lost and return 1; return 0 if nothing would."""
    found = list(losses(json.load(sys.stdin)))
    for sentence in found:
        sys.stderr.write(f"{sentence}\n")
    if found:
        sys.stderr.write(
            "Nothing was applied. Take what is to go out of the state by hand: terraform/README.md, Tear down.\n"
        )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
