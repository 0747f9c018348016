"""Parts that every text over the costs is put together from: the scan of a period, what filters matched, data's reach.

A scan reads the rows of a period once. ``counted`` says which of them meet the filters, and ``matched_<n>`` holds the
value for which a row meets the n-th filter, so that one query also tells which names stood for something.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from string import Template
from typing import Any

from common.cost_query.dimensions import BoundDimension
from common.cost_query.filters import Filter, Filters
from common.focus.dimensions import TimeBasis, on_basis
from common.tools.periods import Period
from common.warehouse.query import Parameter

TABLE = "{own.cost_data_standard_1_3}"
MATCHED_VALUES = 20
# Dimensions whose names other columns of a text have.
_OTHER_COLUMNS = frozenset({"currency", "consumed_unit", "pricing_unit"})
_RECENT_DAYS = 45

_FACTS = Template("""facts AS (
  SELECT
    COUNT(*) AS period_line_items,
    MIN(IF(counted, charge_day, NULL)) AS first_counted_day,
    MAX(IF(counted, charge_day, NULL)) AS last_counted_day$matched
  FROM charges
)""")
_SIMILAR = Template(""",
    (
      SELECT ARRAY_AGG(STRUCT(name, currency, $fields) ORDER BY name, currency LIMIT $most)
      FROM (
        SELECT $column AS name, currency, $sums
        FROM charges
        WHERE missed = $alone AND $column IS NOT NULL
        GROUP BY name, currency
      )
    ) AS $column""")
_EVERYTHING = Template(""",
    (
      SELECT ARRAY_AGG(STRUCT(currency, amount) ORDER BY currency LIMIT 100)
      FROM (
        SELECT currency, $sum AS amount
        FROM charges
        GROUP BY currency
      )
    ) AS everything""")
REACH = """reach AS (
  SELECT ARRAY_AGG(STRUCT(provider, first_day, last_day) ORDER BY provider LIMIT 100) AS data
  FROM (
    SELECT
      ServiceProviderName AS provider,
      MIN(DATE(ChargePeriodStart)) AS first_day,
      MAX(DATE(ChargePeriodStart)) AS last_day
    FROM {own.cost_data_standard_1_3}
    WHERE ChargePeriodStart >= @data_start
      AND ChargePeriodStart < @data_end
    GROUP BY provider
  )
)"""


@dataclass(frozen=True, slots=True)
class Reach:
    """The days that one provider has data for, within the days that were looked at."""

    provider: str
    first_day: date
    last_day: date


def time_column(basis: TimeBasis) -> str:
    """The column whose time decides which period a charge counts in."""
    return "ChargePeriodStart" if basis == "charge" else "BillingPeriodStart"


def alias_of(dimension: BoundDimension, index: int) -> str:
    """The column of a text that holds a dimension: its name where that is a plain one."""
    plain = dimension.name.isidentifier() and dimension.name not in _OTHER_COLUMNS
    return dimension.name if plain else f"g{index}"


def scan_columns(filters: Filters, basis: TimeBasis) -> str:
    """The columns by which a scan says what counts, what a filter met, and which names it nearly met."""
    missed = [f",\n    {_missed(filters, basis)} AS missed"] if filters else []
    counted = f"DATE(ChargePeriodStart) AS charge_day,\n    ({filters.where(basis)}) AS counted"
    return "".join([counted, *missed, *_matched(filters.all, basis)])


def _missed(filters: Filters, basis: TimeBasis) -> str:
    """The filters that a row does not meet: the n-th adds the n-th power of two."""
    return " + ".join(f"IF({each.where(basis)}, 0, {1 << number})" for number, each in enumerate(filters.all))


def _matched(filters: Iterable[Filter], basis: TimeBasis) -> Iterable[str]:
    for number, each in enumerate(filters):
        if each.takes_values:
            shown = f"CAST({on_basis(each.dimension.expression, basis)} AS STRING)"
            yield f",\n    IF({each.matches(basis)}, {shown}, NULL) AS matched_{number}"
        if _has_similar(each):
            held = f"NOT {each.matches(basis)} AND {each.holds(basis)}"
            shown = f"CAST({on_basis(each.dimension.expression, basis)} AS STRING)"
            yield f",\n    IF({held}, {shown}, NULL) AS similar_{number}"


def _has_similar(each: Filter) -> bool:
    return each.op in ("in", "not_in") and not each.dimension.is_time


def facts(filters: Filters, sums: Sequence[tuple[str, str]] = (), everything: str | None = None, more: str = "") -> str:
    """The part that counts the period's rows and lists what each filter met.

    ``sums`` are the figures, by their field, of each name that a filter nearly met; ``everything`` is the one that is
    summed of all rows as well, whether they meet the filters or not; ``more`` are further columns.
    """
    listed = [more, _EVERYTHING.substitute(sum=everything) if filters and everything else ""]
    for number, each in enumerate(filters.all):
        if each.takes_values:
            listed.append(list_values(f"matched_{number}", f"matched_{number}"))
        if _has_similar(each):
            # Only what this filter alone decides on: a name that another one leaves out is no surprise.
            alone = 1 << number if each.op == "in" else 0
            listed.append(_similar(f"similar_{number}", alone, sums))
    if filters:
        powers = ", ".join(str(1 << number) for number in range(len(filters.all)))
        listed.append(list_values(f"IF(missed IN ({powers}), missed, NULL)", "alone"))
    return _FACTS.substitute(matched="".join(listed))


def _similar(column: str, alone: int, sums: Sequence[tuple[str, str]]) -> str:
    if not sums:
        return list_values(f"IF(missed = {alone}, {column}, NULL)", column)
    return _SIMILAR.substitute(
        column=column,
        alone=alone,
        sums=", ".join(f"{text} AS {field}" for field, text in sums),
        fields=", ".join(field for field, _ in sums),
        most=MATCHED_VALUES + 1,
    )


def list_values(value: str, name: str) -> str:
    """The column that lists the values there are, each once."""
    return f",\n    ARRAY_AGG(DISTINCT {value} IGNORE NULLS ORDER BY {value} LIMIT {MATCHED_VALUES + 1}) AS {name}"


def facts_columns(filters: Filters, first: str, *, everything: bool = False, more: Sequence[str] = ()) -> str:
    """The columns of facts and reach: filled in the row where ``first`` holds, empty in all others."""
    names = [f"matched_{number}" for number, each in enumerate(filters.all) if each.takes_values]
    names += [f"similar_{number}" for number, each in enumerate(filters.all) if _has_similar(each)]
    names += ["alone"] if filters else []
    names += [*(["everything"] if filters and everything else []), *more]
    shown = [f"IF({first}, facts.{name}, NULL) AS {name}" for name in names]
    days = ["facts.first_counted_day", "facts.last_counted_day"]
    return ",\n  ".join(["facts.period_line_items", *days, f"IF({first}, reach.data, NULL) AS data", *shown])


def reach_parameters(period: Period, today: date) -> dict[str, Parameter]:
    """The days in which to look how far data reaches: the period, and the weeks before today."""
    first = min(period.start, today - timedelta(days=_RECENT_DAYS))
    last = max(period.end, today) + timedelta(days=1)
    return {
        "data_start": Parameter("TIMESTAMP", datetime.combine(first, time(), UTC)),
        "data_end": Parameter("TIMESTAMP", datetime.combine(last, time(), UTC)),
    }


def read_reach(rows: Sequence[Mapping[str, Any]]) -> tuple[Reach, ...]:
    """Read how far each provider's data reaches out of the rows of an answer."""
    found = next((row["data"] for row in rows if row.get("data")), ())
    return tuple(Reach(entry["provider"], entry["first_day"], entry["last_day"]) for entry in found)


def read_matching_days(rows: Sequence[Mapping[str, Any]]) -> tuple[date, date] | None:
    """Read the first and the last day of the rows that count. Returns None where no row does."""
    row = next(iter(rows), {})
    first, last = row.get("first_counted_day"), row.get("last_counted_day")
    return (first, last) if first and last else None


def read_matched(rows: Sequence[Mapping[str, Any]], filters: Filters) -> dict[int, tuple[str, ...]]:
    """Read what each filter met, by the filter's place, out of the rows of an answer."""
    names = {number: f"matched_{number}" for number, each in enumerate(filters.all) if each.takes_values}
    return {number: tuple(next((row[name] for row in rows if row.get(name)), ())) for number, name in names.items()}


def read_similar(rows: Sequence[Mapping[str, Any]], filters: Filters) -> dict[int, dict[str, list[Mapping[str, Any]]]]:
    """Read which names hold a filter's words without meeting it, by the filter's place, with their figures if any."""
    found: dict[int, dict[str, list[Mapping[str, Any]]]] = {}
    for number in (number for number, each in enumerate(filters.all) if _has_similar(each)):
        names = found.setdefault(number, {})
        for entry in next((row[f"similar_{number}"] for row in rows if row.get(f"similar_{number}")), ()):
            if isinstance(entry, str):
                names[entry] = []
            else:
                names.setdefault(entry["name"], []).append({key: entry[key] for key in entry if key != "name"})
    return found


def read_everything(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Read the amount of all rows of the period, whether they meet the filters or not, by currency."""
    found = next((row["everything"] for row in rows if row.get("everything")), ())
    return {entry["currency"]: entry["amount"] for entry in found}


def read_alone(rows: Sequence[Mapping[str, Any]]) -> tuple[int, ...]:
    """Read the places of the filters that alone leave rows out which meet all others."""
    found = next((row["alone"] for row in rows if row.get("alone")), ())
    return tuple(each.bit_length() - 1 for each in found)
