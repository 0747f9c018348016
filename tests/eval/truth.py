"""Expected figures, summed from the rows by nothing but Python: no tool, no SQL and no library of the product's."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tests.eval.ledger import TABLES, Ledger, Row

_KEYS = frozenset({"of", "sum", "where", "not", "by", "above", "top", "least", "period", "currency", "per", "name"})
_DERIVED = ("ratio", "change", "difference", "share")
_LEAST_SHOWN = Decimal("0.005")


class TruthError(ValueError):
    """A description of an expected figure that cannot be read."""


@dataclass(frozen=True, slots=True)
class Expected:
    """A figure that the answer must hold: beside its label, if it has one, and in its currency, if it is money."""

    label: str
    value: Decimal
    currency: str | None = None


def check(spec: Mapping[str, Any]) -> None:
    """Raise TruthError if a description has a key or a table that there is not."""
    for name in _DERIVED:
        if name in spec:
            if not (isinstance(spec[name], list) and len(spec[name]) == 2):
                raise TruthError(f"{name} wants two descriptions")
            for part in spec[name]:
                check(part)
            return
    if unknown := set(spec) - _KEYS:
        raise TruthError(f"truth has no {sorted(unknown)[0]!r}")
    if spec.get("of", "costs") not in TABLES:
        raise TruthError(f"there is no table {spec['of']!r}: {', '.join(sorted(TABLES))}")
    if "sum" not in spec:
        raise TruthError("truth wants 'sum': a column, or 'rows'")


def expect(ledger: Ledger, spec: Mapping[str, Any]) -> list[Expected]:
    """The figures that a description stands for."""
    for name in _DERIVED:
        if name in spec:
            first, second = (_total(ledger, part) for part in spec[name])
            value, money = _derive(name, first, second), name == "difference"
            if name == "ratio" and spec.get("money"):
                money = True
            part = spec[name][0]
            return [Expected(spec.get("name", ""), value, part.get("currency", ledger.currency) if money else None)]
    sums = _sums(ledger, spec)
    ordered = sorted(sums.items(), key=lambda item: item[1], reverse=not spec.get("least"))
    ordered = [item for item in ordered if "by" not in spec or abs(item[1]) >= _LEAST_SHOWN or spec.get("least")]
    ordered = [item for item in ordered if "above" not in spec or item[1] > spec["above"]]
    money = str(spec["sum"]).endswith("Cost") or spec["sum"] in ("amount", "spent", "left")
    currency = spec.get("currency", ledger.currency) if money else None
    return [Expected(spec.get("name", "") or label, value, currency) for label, value in ordered[: spec.get("top")]]


def _derive(name: str, first: Decimal, second: Decimal) -> Decimal:
    if name == "difference":
        return first - second
    if name == "ratio":
        return first / second
    return 100 * (first / second if name == "share" else (first - second) / second)


def _total(ledger: Ledger, spec: Mapping[str, Any]) -> Decimal:
    return sum(_sums(ledger, {key: value for key, value in spec.items() if key != "by"}).values(), Decimal())


def _sums(ledger: Ledger, spec: Mapping[str, Any]) -> dict[str, Decimal]:
    """The sum of a column per value of ``by``; of "rows", how many there are."""
    column, by = spec["sum"], spec.get("by")
    sums: defaultdict[str, Decimal] = defaultdict(Decimal)
    if by is None:
        sums[""] = Decimal()
    for row in chosen(ledger, spec):
        amount = Decimal(1) if column == "rows" else Decimal(str(row[column] or 0))
        sums["" if by is None else str(row.get(by) or "")] += amount
    per = Decimal(str(ledger.days.span(spec["period"]).days if spec.get("per") == "day" else spec.get("per", 1)))
    return {label: value / per for label, value in sums.items()}


def chosen(ledger: Ledger, spec: Mapping[str, Any]) -> Sequence[Row]:
    """The rows that a description is about: its days, its currency and its conditions."""
    table = spec.get("of", "costs")
    currency = spec.get("currency", ledger.currency) if table == "costs" else None
    rows = ledger.rows_of(table, ledger.days.span(spec["period"]) if "period" in spec else None, currency)
    for key, wanted in spec.get("where", {}).items():
        rows = [row for row in rows if _matches(row.get(key), wanted)]
    for key, wanted in spec.get("not", {}).items():
        rows = [row for row in rows if not _matches(row.get(key), wanted)]
    return rows


def _matches(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, list):
        return any(_matches(value, each) for each in wanted)
    if isinstance(wanted, str) and wanted.startswith("~"):
        return re.search(wanted[1:], str(value or ""), re.IGNORECASE) is not None
    return bool(value == wanted)
