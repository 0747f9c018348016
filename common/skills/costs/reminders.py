"""Sentences beside costs that can be misread: commitments that count twice, shares of a part, rows that are not all."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from common.cost_query.amounts import show_amount
from common.cost_query.filters import Filters
from common.focus.metrics import Metric
from common.skills.costs.sql import purchased


def note_shares(rows: Iterable[Mapping[str, Any]], field: str, filters: Filters) -> list[str]:
    """Say that shares are of what the filters take, where there are both."""
    if filters and any(row.get(field) is not None for row in rows):
        return ["Shares are of the filtered rows, not of all spend; share_of_all_pct in totals is of all spend."]
    return []


def note_cut(left: int, groups: str) -> list[str]:
    """Say how many groups are no row, where there are more than rows."""
    return [f"{left} more {groups} are not shown; totals cover them."] if left > 0 else []


def note_rounding(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Say what shares that are rounded one by one add up to, where that is not 100."""
    told = []
    for currency in sorted({row["currency"] for row in rows}):
        shares = [row["pct_of_total"] for row in rows if row["currency"] == currency]
        total = sum((share for share in shares if share is not None), Decimal())
        if None not in shares and total != 100:
            told.append(f"Each share is rounded by itself; those in {currency} add up to {total}.")
    return told


def note_purchases(
    rows: Sequence[Mapping[str, Any]], listed: Sequence[Metric], prefix: str = "", when: str = ""
) -> list[str]:
    """Say which costs hold purchased commitments and the usage that they cover, with the amounts bought.

    With a prefix, the first row of each currency has that currency's sums; without one, rows are added. ``when`` says
    in which days the amounts were bought, where the period does not.
    """
    held = dict[str, list[str]]()
    for metric in listed:
        if amounts := _bought_twice(rows, metric, prefix):
            held.setdefault(" and ".join(amounts), []).append(metric.field.removesuffix("_cost"))
    return [
        f"{' and '.join(names).capitalize()} cost {'hold' if len(names) > 1 else 'holds'} {amounts} of purchased "
        f"commitments{when} beside the usage that they cover; add ChargeCategory not_in Purchase before comparing, or "
        "ask for the commitment summary."
        for amounts, names in held.items()
    ]


def _bought_twice(rows: Sequence[Mapping[str, Any]], metric: Metric, prefix: str) -> list[str]:
    """The amounts of purchases, per currency, beside which there is usage that commitments cover."""
    amounts = []
    for currency in sorted({row["currency"] for row in rows}):
        own = [row for row in rows if row["currency"] == currency and (not prefix or row["place"] == 1)]
        bought = sum((Decimal(row[f"{prefix}{purchased(metric)}"] or 0) for row in own), Decimal())
        if bought and any(row[f"{prefix}covered_items"] for row in own):
            amounts.append(show_amount(bought, currency))
    return amounts
