"""Writes the answer from the envelopes that the tools returned: every figure comes from a result, none is added."""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from common.focus.dimensions import DIMENSIONS
from local.demo_model.planning import Plan
from local.demo_model.request import Call, Request
from local.demo_model.table import compile_words, load_table

Row = Mapping[str, Any]
_MAX_ROWS = 40
# Of a summary: what the headline or a sentence of its own says, and what says nothing to a reader.
_SAID = re.compile("totals|forecasts|period|current|previous|group_by|basis|notes?|data|dimension|rows|days_counted")
_MAIN = ("period_total", "projected_total", "unit_cost")
_SHARE, _COVERED = ("pct_of_total", "total"), ("coverage_pct", "covered_list_cost")
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
    words = str(name).replace("_", "_" if ":" in str(name) else " ").strip()
    return plain(words[:1].upper() + words[1:])


def cell(key: Any, row: Row) -> str:
    """A value as its column and its row's currency write it; small amounts are never shown as zero."""
    value, currency, name, number = row.get(key), row.get("currency"), str(key), _number(row.get(key))
    sign = "+" if "change" in name and number > 0 else ""
    if value is None:
        return "n/a" if _MONEY.search(name) or "tokens" in name else "(not set)"
    if isinstance(value, Mapping | list):
        return plain(json.dumps(value, default=str, ensure_ascii=False))
    if not number.is_finite():
        moment = re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d.*", str(value))
        return f"{datetime.fromisoformat(str(value)).astimezone(UTC):%Y-%m-%d %H:%M} UTC" if moment else plain(value)
    if "percent" in name or "pct" in name:
        return f"{sign}{number:,.2f}%"
    if currency and _MONEY.search(name):
        exact = 4 if "unit" in name or "_per_" in name else 1
        digits = 2 if not number or abs(number) >= (1 if exact > 1 else Decimal("0.01")) else exact - number.adjusted()
        return f"{plain(currency)} {sign}{number.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP):,f}"
    whole = number == number.to_integral_value() and not re.search("year|id$", name, re.IGNORECASE)
    return f"{number:,.0f}" if whole else f"{(round(number, 4) if abs(number) > 1 else number).normalize():f}"


def _number(value: Any) -> Decimal:
    known = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
    return Decimal(str(value)) if known else Decimal("-Infinity")


class _Section:
    """The answer from one result."""

    def __init__(self, result: Call, made: Plan | None) -> None:
        self.result, self.made, self.rows, self.payload = result, made, result.rows, result.payload or {}
        summary = self.payload.get("summary")
        self.summary: Row = summary if isinstance(summary, Mapping) else {}

    def text(self) -> str:
        called, error = label(self.result.name), self.payload.get("error")
        if self.result.payload is None:
            return f"{called} gave no result that I can read. Try again in a moment."
        if isinstance(error, Mapping) and error.get("code") == "not_approved":
            return f"{called} was not approved: nothing was changed."
        if isinstance(error, Mapping) and error.get("code") == "needs_clarification":
            return plain(str(error.get("message")).partition(": ")[2].partition(" So far")[0])
        if error:
            return f"{called} failed: {plain(error.get('message') if isinstance(error, Mapping) else error)}"
        first = ": ".join(filter(None, ["; ".join(self._names()), self._headline(called)]))
        lines = [first[:1].upper() + first[1:], *self._notes()]
        return "\n\n".join(filter(None, [" ".join(lines), self._table()]))

    def _names(self) -> list[str]:
        """Say first which words no argument carried, what names were read as, and the share that was asked for."""
        if not self.made:
            return []
        words = join_words([f'"{plain(word)}"' for word in self.made.lost])
        said = [f"{words} is left out, no argument of {self.result.name} carries it"] if words else []
        for each in [each for each in self.made.found if each.said]:
            meant = f"{each.hint.replace('_', ' ')} {join_words([plain(value) for value in each.value[:8]])}"
            said += [f'"{plain(each.said)}" is read as {"not " * (each.op == "not_in")}the {meant}']
        for name in [name for each in self.made.found if each.op == "share" for name in each.value]:
            row = next((row for row in self.rows if str(next(iter(row.values()), "")).lower() == name.lower()), {})
            part, amount = _COVERED if "coverage_pct" in row else _SHARE
            share = f"is {cell(part, row)} ({cell(amount, row)})" if row else "is not among the rows"
            said.append(f"**{plain(name)}** {share}")
        by = DIMENSIONS.get(str(self.result.arguments.get("group_by") or self.result.arguments.get("dimension")))
        whole = not self.payload.get("truncated") and len({row.get("currency") for row in self.rows}) == 1
        if by and whole and "by" in self.made.reading.slots and self.made.reading.says("counted"):
            without = any(next(iter(row.values())) == by.none for row in self.rows)
            said.append(f"**{len(self.rows):,}** rows{f', one of them {by.none}' * without}")
        return said

    def _headline(self, called: str) -> str:
        period, count = _span(self.summary.get("period")), len(self.rows)
        if amounts := self.summary.get("totals") or self.summary.get("forecasts"):
            return f"{period or called}: {self._told(amounts)}."
        rows = f"{called}: {count:,} row{'s' * (count > 1)}" if count else "there is nothing"
        return f"{rows} for {period}." if period else f"{rows}."

    def _notes(self) -> list[str]:
        """The sentences of the tool as they stand, and the rest of its summary."""
        notes = [self.summary.get("basis"), self.summary.get("note"), *(self.summary.get("notes") or ())]
        if self.made and "currency" in self.made.reading.slots:
            notes.append("Amounts are shown in the currency that they are billed in; none is converted.")
        notes += ["The list is cut: there is more than is shown."] * bool(self.payload.get("truncated"))
        narrowed = {key: self.result.arguments[key] for key in ("provider", "model") if key in self.result.arguments}
        rest = {key: self._told(value) for key, value in {"filters": narrowed, **self.summary}.items() if value}
        said = [f"{label(key)}: {told.rstrip('.')}." for key, told in rest.items() if told and not _SAID.fullmatch(key)]
        return [*(plain(each) for each in notes if each), *said]

    def _told(self, value: Any) -> str:
        """A value of the summary in words: a period, names, or figures, of which the one asked for comes first."""
        if isinstance(value, list):
            return join_words([self._told(each) for each in value])
        if not isinstance(value, Mapping):
            return cell("", {"": value})
        if "dimension" in value:
            return " ".join(self._told(each) for each in value.values())
        if days := _span(value):
            return days
        keys = [key for key in value if key != "currency" and not isinstance(value[key], Mapping | list | None)]
        named = self.made.intent.more.get("main", {}).items() if self.made else ()
        asked = [key for key, cue in named if self.made and compile_words(cue).search(self.made.reading.text.lower())]
        main = next((key for key in (*asked, *_MAIN, *keys) if key in keys), "")
        said = {key: f"{label(key).lower()} {cell(key, value)}" for key in keys if not key.endswith("_reason")}
        if "currency" not in value or not main:
            return ", ".join(said.values())
        rest = ", ".join(each for key, each in said.items() if key != main)
        return f"{label(main).lower()} **{cell(main, value)}**{f' ({rest})' * bool(rest)}"

    def _table(self) -> str:
        rows = self.rows
        if not rows or not rows[0]:
            return ""
        money = any(_MONEY.search(str(key)) for key in rows[0])
        keys = [key for key in rows[0] if key != "currency" or not money]
        ruler = ["---:" if any(_number(row.get(key)).is_finite() for row in rows) else "---" for key in keys]
        lines = [[label(key) for key in keys], ruler, *([cell(key, row) for key in keys] for row in rows[:_MAX_ROWS])]
        more = f"\n\n…and more: there are {len(rows):,} rows." * (len(rows) > _MAX_ROWS)
        return "\n".join(f"| {' | '.join(line)} |" for line in lines) + more


def _span(period: Any) -> str:
    known = period if isinstance(period, Mapping) else {}
    start, end = (plain(known[name]) if known.get(name) else "" for name in ("start_date", "end_date"))
    return start if start == end else f"{start} to {end}"
