"""Writes the answer from the envelopes that the tools returned: every figure comes from a result, none is added."""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from local.demo_model.planning import Plan
from local.demo_model.request import Call, Request
from local.demo_model.table import Intent, load_table

Row = Mapping[str, Any]
_MAX_ROWS = 40
_SAID = ("totals", "forecasts", "period", "current", "previous", "horizon_days", "group_by",
         "basis", "note", "notes", "data", "dimension")  # fmt: skip
_MAIN = ("billed_cost", "period_total", "projected_total", "total", "current_cost", "total_tokens", "effective_cost")
_MONEY = re.compile(
    r"cost|total$|change$|amount|lower|upper|avg_daily|average|per_million|saving|^actual|expected|excess|effect$|today"
    r"|projected|remaining|impact|share$|fees$|_daily$"
)


def write_answer(request: Request, plan: Plan | None = None) -> str:
    """Write markdown from all results of the turn, in the order of the calls; look-ups are told by what they gave."""
    tool, look_up = plan.intent.tool if plan else "", load_table()[1].more["look_up"]["tool"]
    results = [each for each in request.returned if each.name != look_up or tool in ("", look_up)]
    return "\n\n".join(_Section(each, plan if each.name == tool else None).text() for each in results)


def join_words(parts: Sequence[str]) -> str:
    return f"{', '.join(parts[:-1])} and {parts[-1]}" if len(parts) > 1 else "".join(parts)


def plain(value: Any) -> str:
    """Data as plain text: on one line, and with nothing in it that markdown or HTML would act on."""
    line = " ".join(str(value).split()) if value not in (None, "") else "(not set)"
    return re.sub(r"([\\`|\[\]])", r"\\\1", line).replace("<", "&lt;").replace(">", "&gt;")


def label(name: Any) -> str:
    words = str(name).replace("_", " ").strip()
    return plain(words[:1].upper() + words[1:])


def cell(key: Any, row: Row) -> str:
    """A value as its column and its row's currency write it; small amounts are never shown as zero."""
    value, currency, name, number = row.get(key), row.get("currency"), str(key), _number(row.get(key))
    sign = "+" if "change" in name and number.is_finite() and number > 0 else ""
    if value is None:
        return "n/a" if _MONEY.search(name) or "tokens" in name else "(not set)"
    if isinstance(value, Mapping | list):
        return plain(json.dumps(value, default=str, ensure_ascii=False))
    if not number.is_finite():
        moment = re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d.*", str(value))
        return f"{datetime.fromisoformat(str(value)).astimezone(UTC):%Y-%m-%d %H:%M} UTC" if moment else plain(value)
    if "percent" in name or "pct" in name:
        return f"{sign}{number.quantize(Decimal('0.1'), ROUND_HALF_UP):,}%"
    if currency and _MONEY.search(name):
        exact = 4 if "unit" in name or "_per_" in name else 1
        digits = 2 if not number or abs(number) >= (1 if exact > 1 else Decimal("0.01")) else exact - number.adjusted()
        return f"{plain(currency)} {sign}{number.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP):,f}"
    whole = number == number.to_integral_value() and not re.search("year|id$", name, re.IGNORECASE)
    return f"{number:,.0f}" if whole else f"{(round(number, 4) if abs(number) > 1 else number).normalize():f}"


def _number(value: Any) -> Decimal:
    known = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
    return Decimal(str(value)) if known else Decimal("NaN")


def _mapping(value: Any) -> Row:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


class _Section:
    """The answer from one result."""

    def __init__(self, result: Call, made: Plan | None) -> None:
        self.result, self.made = result, made
        self.more = (made.intent if made else Intent(result.name, "", {}, {})).more
        self.payload, self.rows, self.group = result.payload or {}, result.rows, result.group
        self.summary = _mapping(self.payload.get("summary"))
        metrics = result.arguments.get("metrics")
        sort = str(metrics[0]) if isinstance(metrics, list) and metrics else ""
        self.metric, self.period = re.sub(r"(?<!^)(?=[A-Z])", "_", sort).lower(), self._period()

    def text(self) -> str:
        called = label(self.result.name)
        if self.result.payload is None:
            return f"{called} gave no result that I can read. Try again in a moment."
        if error := self.payload.get("error"):
            if _mapping(error).get("code") == "not_approved":
                return f"{called} was not approved: nothing was changed."
            return f"{called} failed: {plain(_mapping(error).get('message') or error)}"
        first = ": ".join(filter(None, [self._name_lost(), self._headline(called)]))
        lines = [first[:1].upper() + first[1:], *self._caveats()]
        return "\n\n".join(filter(None, [" ".join(filter(None, lines)), self._table()]))

    def _name_lost(self) -> str:
        """Name first the words that no argument carried, and what names were read as."""
        if not self.made:
            return ""
        words = join_words([f'"{plain(word)}"' for word in self.made.lost])
        said = [f"{words} is left out, no argument of {self.result.name} carries it"] if words else []
        for each in self.made.found:
            meant = f"{each.dimension.replace('_', ' ')} {join_words([plain(value) for value in each.values[:8]])}"
            said += [f'"{plain(each.said)}" is read as {"not " * (each.op == "not_in")}the {meant}']
        picked = {each.lower() for each in self.made.picked}
        rows = {str(row.get(self.group)): row for row in self.rows if str(row.get(self.group)).lower() in picked}
        said += [
            f"**{plain(name)}** is {cell('pct_of_total', row)} ({cell('total', row)})" for name, row in rows.items()
        ]
        absent = picked - {name.lower() for name in rows}
        return "; ".join(said + [f"{plain(each)} is not among the rows" for each in sorted(absent)])

    def _period(self) -> str:
        spans = [_span(self.summary.get(name)) for name in ("period", "current", "previous")]
        if spans[1]:
            return f"for {spans[1]} against {spans[2]}"
        days = self.summary.get("horizon_days")
        return f"over the next {days} days" if days else f"for {spans[0]}" * bool(spans[0])

    def _headline(self, called: str) -> str:
        period, count = f" {self.period}".rstrip(), len(self.rows)
        if amounts := self.summary.get("totals") or self.summary.get("forecasts"):
            return f"{self.period or called}, {self._told(amounts)}."
        return f"{called}: {count:,} row{'s' * (count > 1)}{period}." if self.rows else f"there is nothing{period}."

    def _caveats(self) -> list[str]:
        """Say the rest of the summary; the sentences of the tool stand as they are."""
        narrowed = {key: self.result.arguments[key] for key in ("provider", "model") if key in self.result.arguments}
        more = {
            key: value for key, value in {"filters": narrowed, **self.summary}.items() if value and key not in _SAID
        }
        said = [f"{label(key)}: {self._told(value)}" for key, value in more.items() if self._told(value)]
        notes = [self.summary.get("basis"), self.summary.get("note"), *_list(self.summary.get("notes"))]
        if self.made and "currency" in self.made.reading.slots:
            notes.append("Amounts are shown in the currency that they are billed in; none is converted.")
        if not self.rows and "available" in self.summary and not self.summary["available"]:
            notes.append("No data has been loaded at all.")
        notes += ["The list is cut: there is more than is shown."] * bool(self.payload.get("truncated"))
        return [*(plain(each) for each in notes if each), *(f"{each.rstrip('.')}." for each in said)]

    def _told(self, value: Any) -> str:
        """A value of the summary in words: a period, counts, names, or amounts currency by currency."""
        if isinstance(value, list):
            return join_words([self._told(each) for each in value])
        if not isinstance(value, Mapping):
            return cell("", {"": value})
        if "dimension" in value:
            return " ".join(self._told(each) for each in value.values())
        if days := _span(value):
            return days
        keys = [key for key in value if key != "currency" and not isinstance(value[key], Mapping | list | None)]
        main = next((key for key in (self.metric, self.more.get("main"), *_MAIN) if key in keys), "")
        if not main:
            counts = all(_number(value[key]).is_finite() for key in keys)
            said = [(cell("", {"": value[key]}), plain(key)) for key in keys]
            return join_words([" ".join(each if counts else each[::-1]) for each in said])
        rest = ", ".join(f"{label(key).lower()} {cell(key, value)}" for key in keys if key != main).rstrip(".")
        verb = "is" if "projected" in main else "was"
        return f"the {label(main).lower()} {verb} **{cell(main, value)}**{f' ({rest})' * bool(rest)}"

    def _table(self) -> str:
        rows = self.rows
        if not rows or not rows[0]:
            return ""
        money = any(_MONEY.search(str(key)) for key in rows[0])
        keys = [key for key in rows[0] if key != "currency" or not money]
        ruler = ["---:" if any(_number(row.get(key)).is_finite() for row in rows) else "---" for key in keys]
        lines = [[label(key) for key in keys], ruler, *([cell(key, row) for key in keys] for row in rows[:_MAX_ROWS])]
        more = f"\n\n…and {len(rows) - _MAX_ROWS:,} more rows." * (len(rows) > _MAX_ROWS)
        return "\n".join(f"| {' | '.join(line)} |" for line in lines) + more


def _span(period: Any) -> str:
    start, end = (str(_mapping(period).get(name) or "") for name in ("start_date", "end_date"))
    return (plain(start) if start == end else f"{plain(start)} to {plain(end)}") if start and end else ""
