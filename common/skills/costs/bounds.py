"""Bounds of an amount: which groups of query_costs become rows, and what is said of those that do."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from string import Template
from typing import Any, Literal

from common.cost_query.amounts import percent_of, show_amount
from common.cost_query.dimensions import BoundDimension
from common.focus.currencies import DECIMALS
from common.focus.metrics import Metric
from common.warehouse.query import Parameter

Direction = Literal["up", "down"]
_BOUNDED = Template(""",
bounded AS (
  SELECT
    *,
    COALESCE($condition, FALSE) AS is_within,
    $valued AS has_value
  FROM grouped
)""")


@dataclass(frozen=True, slots=True)
class AmountBounds:
    """Groups whose amount is at least, and at most, so much, both included. False where neither is given."""

    at_least: Decimal | None = None
    at_most: Decimal | None = None

    def __bool__(self) -> bool:
        return self.at_least is not None or self.at_most is not None

    def hold(self, field: str) -> str:
        """The condition on an amount, as it is stored or as it is written: a sum may be off by what nobody reads."""
        sides = {"GREATEST({}) >= @min_cost": self.at_least, "LEAST({}) <= @max_cost": self.at_most}
        both = f"{field}, {written(field)}"
        return " AND ".join(side.format(both) for side, given in sides.items() if given is not None)

    def parameters(self) -> dict[str, Parameter]:
        """The values of what the condition names."""
        return _parameters(min_cost=self.at_least, max_cost=self.at_most)

    def describe(self, currencies: Sequence[str]) -> str:
        """The bounds in words, in the one currency that there is or in each row's own."""
        only = currencies[0] if len(currencies) == 1 else None
        sides = {"at least": self.at_least, "at most": self.at_most}
        said = [
            f"{side} {show_amount(amount, only) if only else f'{amount.normalize():,f}'}"
            for side, amount in sides.items()
            if amount is not None
        ]
        return " and ".join(said) + ("" if only else f" in its own currency ({', '.join(currencies)})")


NO_BOUNDS = AmountBounds()


@dataclass(frozen=True, slots=True)
class ChangeBounds:
    """Groups whose change is at least so much, at least so many percent, and up or down. False where none is given."""

    least: Decimal | None = None
    least_percent: Decimal | None = None
    direction: Direction | None = None

    def __bool__(self) -> bool:
        return (self.least, self.least_percent, self.direction) != (None, None, None)

    def hold(self) -> str:
        """The condition on the current and the previous cost of a group."""
        change = "ABS(current_cost - previous_cost)"
        ratio = "ROUND(ABS(SAFE_DIVIDE(current_cost - previous_cost, previous_cost)), 4)"
        sides = {
            f"GREATEST({change}, {written(change)}) >= @min_change": self.least,
            f"COALESCE({ratio} >= @min_change_ratio, FALSE)": self.least_percent,
            f"current_cost {'>' if self.direction == 'up' else '<'} previous_cost": self.direction,
        }
        return " AND ".join(side for side, given in sides.items() if given is not None)

    def parameters(self) -> dict[str, Parameter]:
        """The values of what the condition names."""
        ratio = self.least_percent / 100 if self.least_percent is not None else None
        return _parameters(min_change=self.least, min_change_ratio=ratio)

    def note(self, count: int, currencies: Sequence[str]) -> list[str]:
        """Say how many groups changed by so much, where that was asked."""
        if not self:
            return []
        amount = AmountBounds(self.least).describe(currencies) if self.least is not None else ""
        percent = f"at least {self.least_percent.normalize():f} %" if self.least_percent is not None else ""
        said = " and ".join(filter(None, (amount, percent)))
        way = {"up": "grew", "down": "fell", None: "changed"}[self.direction] + (" by " if said else "")
        new = " What had no cost before has no change in percent and is none of them." if percent else ""
        groups = "1 group" if count == 1 else f"{count or 'No'} group{'s' * bool(count)}"
        both = ", up or down" if self.direction is None else ""
        return [f"{groups} {way}{said}{both}. Totals are of all groups.{new}"]


NO_CHANGE_BOUNDS = ChangeBounds()


def _parameters(**amounts: Decimal | None) -> dict[str, Parameter]:
    return {name: Parameter("NUMERIC", amount) for name, amount in amounts.items() if amount is not None}


def bounded(bounds: AmountBounds, field: str, groups: Iterable[tuple[BoundDimension, str]]) -> str:
    """The step that says of each group whether it is within the bounds, and whether it has a value at all."""
    return _BOUNDED.substitute(condition=bounds.hold(field), valued=has_value(groups) or "TRUE")


def has_value(groups: Iterable[tuple[BoundDimension, str]]) -> str:
    """The condition that a row has a value in each of the groups, given with their columns; empty where all have."""
    return " AND ".join(f"{name} != '{each.dimension.none}'" for each, name in groups if each.dimension.none)


def totals(field: str) -> list[str]:
    """The columns that say, for each currency, how many groups are within the bounds and what they add up to."""
    return [
        "COUNTIF(is_within AND has_value) OVER (PARTITION BY currency) AS groups_within",
        f"SUM(IF(is_within AND has_value, {field}, 0)) OVER (PARTITION BY currency) AS amount_within",
        "COUNTIF(is_within AND NOT has_value) OVER (PARTITION BY currency) AS valueless_within",
        f"SUM(IF(is_within AND NOT has_value, {field}, 0)) OVER (PARTITION BY currency) AS valueless_amount",
        f"MIN({field}) OVER (PARTITION BY currency) AS least_amount",
        f"MAX({field}) OVER (PARTITION BY currency) AS largest_amount",
    ]


def make_within(rows: Sequence[Mapping[str, Any]], metric: Metric) -> list[dict[str, Any]]:
    """Make, for each currency, the number of groups within the bounds, their amount and its share of the total.

    What has no value in a group is none of them: its amount stands beside them where it is within the bounds.
    """
    return [
        {
            "currency": row["currency"],
            "groups": row["groups_within"],
            metric.field: row["amount_within"],
            "share_pct": percent_of(row["amount_within"], row[f"currency_{metric.field}"]),
            **({"without_value": row["valueless_amount"]} if row["valueless_within"] else {}),
        }
        for row in first_of_each_currency(rows)
    ]


def note_bounds(
    rows: Sequence[Mapping[str, Any]], bounds: AmountBounds, metric: Metric, groups: Sequence[BoundDimension]
) -> list[str]:
    """Say which groups are rows, where bounds chose them, and what lies near where there is none."""
    firsts = first_of_each_currency(rows)
    if not bounds or not firsts:
        return []
    said = f"{metric.name} of {bounds.describe([row['currency'] for row in firsts])}"
    count, valueless = (sum(row[name] for row in firsts) for name in ("groups_within", "valueless_within"))
    if not count and not valueless:
        ends = [
            " to ".join(show_amount(row[end], row["currency"]) for end in ("least_amount", "largest_amount"))
            for row in firsts
        ]
        told = [f"No group has {said}: they go from {' and from '.join(ends)}."]
    else:
        names = " and ".join(each.name for each in groups)
        also = f"; so has what has no {names}, which is none of them" if valueless else ""
        told = [f"{count} group{' has' if count == 1 else 's have'} {said}{also}. Totals and shares are of all groups."]
    without = ["What has no charge at all is no row."] if bounds.at_most is not None else []
    return told + without


def first_of_each_currency(rows: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The first row of each currency, which carries that currency's totals, in the order of the codes."""
    return sorted((row for row in rows if row["place"] == 1), key=lambda row: str(row["currency"]))


def written(field: str) -> str:
    """The amount of a field with the decimals of its currency; one below its smallest part as it is."""
    cases = [
        f"WHEN currency IN ({', '.join(repr(code) for code, has in DECIMALS.items() if has == decimals)}) "
        f"THEN ROUND({field}, {decimals})"
        for decimals in sorted(set(DECIMALS.values()))
    ]
    return f"COALESCE(NULLIF(CASE {' '.join(cases)} ELSE ROUND({field}, 2) END, 0), {field})"
