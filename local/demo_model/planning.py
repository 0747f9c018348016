"""Turns a reading into calls of the offered tools by their schemas; what no argument carries is lost."""

import itertools
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from local.demo_model.dates import DAY, Period, unit_of
from local.demo_model.matching import find_rows, look_up_names
from local.demo_model.reading import Reading, Value
from local.demo_model.request import Call, Request, bound, choices, is_list
from local.demo_model.table import Intent, Slot, find_intent, load_table

MAX_CALLS = 4
_DAYS_IN = {"day": 1, "week": 7, "month": 28}
_ALL = 10_000


def plan(reading: Reading, intent: Intent, request: Request, today: date) -> "Plan":
    """Plan for the first of the tools that the table names, or else for the one that loses least."""
    plans: list[Plan] = []
    tried: list[Intent] = []
    following: Intent | None = intent
    while following is not None and following not in tried:
        tried.append(following)
        if following.tool in request.tools or not following.tool:
            plans.append(Plan(reading, request, today, following))
            if not (plans[-1].lost or plans[-1].unfit):
                return plans[-1]
        reading = _sides(reading, following.more["sides"], today) if "sides" in following.more else reading
        following = find_intent(following.more.get("otherwise"))
    return min(plans, key=lambda each: (each.unfit, len(each.lost)), default=Plan(reading, request, today, intent))


def _sides(reading: Reading, sides: str, today: date) -> Reading:
    """Make two periods of a comparison, for a tool that takes one."""
    slots = {name: values for name, values in reading.slots.items() if name != "period_type"}
    kind = reading.slots["period_type"][0].value if "period_type" in reading.slots else ""
    periods = sorted((each for each in reading.periods if each.kind != "ahead"), key=lambda period: period.start)
    by = slots.get("by")
    if not periods and kind in ("QoQ", "YoY", "MoM"):
        last = unit_of(today, "quarter" if kind == "QoQ" else "month").previous()
        periods = [last.year_before() if kind == "YoY" else last.previous(), last]
    elif not periods and (slots.keys() - {"by"} or reading.names or not by):
        periods = [Period(today - DAY * 29, today, "day", "rolling")]
    if len(periods) == 1 and not (by and sides == "service"):
        periods.insert(0, periods[0].previous())
    joined = join_periods(periods)
    timed = sides == "time" and joined and joined.unit in _DAYS_IN and (not by or by[0].value in _DAYS_IN)
    if joined and timed and not reading.names:
        return replace(reading, periods=(joined,), slots={**slots, "by": (Value(joined.unit),)})
    if len(periods) == 2 and periods[1].kind == "this" and periods[0].unit == periods[1].unit != "day":
        periods[0] = replace(periods[0], end=min(periods[0].end, periods[0].start + DAY * (periods[1].days - 1)))
    if not by and sides == "service":
        slots["by"] = (Value("service"),)
    return replace(reading, periods=tuple(periods), slots=slots, comparing=len(periods) > 1)


def join_periods(periods: Sequence[Period]) -> Period | None:
    """One period for several that follow one another without a gap."""
    ordered = sorted(periods, key=lambda period: period.start)
    apart = any(after.start - before.end != DAY for before, after in itertools.pairwise(ordered))
    return None if len(ordered) < 2 or apart else Period(ordered[0].start, ordered[-1].end, ordered[0].unit)


class Plan:
    """The calls of one tool for a reading, or what to ask.

    `lost` is what no argument carries, `names` what rows are sought by, `kept` the columns that rows are kept by.
    """

    def __init__(self, reading: Reading | None, request: Request, today: date, intent: Intent) -> None:
        self.intent, self.schema, self.request, self.today = intent, request.schemas(intent.tool), request, today
        self.ask, self.looks, self.unfit = "", False, intent.tool != "" and intent.tool not in request.tools
        self.calls: list[Call] = []
        self.lost: list[str] = []
        self.names: list[Value] = []
        self.notes: list[str] = []
        self.kept: dict[str, list[str]] = {}
        self.options: dict[str, list[Any]] = {}
        self.arguments: dict[str, Any] = dict(intent.more.get("fixed", {}))
        self.reading = reading or Reading("")
        self.sought = list(self.reading.names)
        if reading is None or self.unfit:
            return
        self.slots = dict(reading.slots)
        self.past = [period for period in reading.periods if period.kind != "ahead"]
        if reading.not_a_date:
            self.ask = (
                f'I cannot read "{reading.not_a_date}" as days of the calendar. Please name the first and last day.'
            )
        elif "says" in intent.more:
            self.ask = intent.more["says"]
        else:
            self._group()
            for name, values in self.slots.items():
                self._carry(self.intent.slots.get(name), name, [each for each in values if each.value != "*"])
            spans = self._spans()
            self._look()
            if not (self.looks and self.calls):
                self._call(spans)

    def _arg(self, slot: Slot | None) -> str:
        return next((arg for arg in slot.args if arg in self.schema), "") if slot else ""

    def _most(self, arg: str = "limit") -> None:
        if arg in self.schema:
            self.options[arg] = [bound(self.schema[arg], _ALL)]

    def _group(self) -> None:
        """Group by what was said; a share and several names are rows of one table; else as the table supposes."""
        slot = self.intent.slots["by"]
        group, by = self._arg(slot), self.slots.get("by")
        share = not by and "whole" in self.intent.more and self.reading.says("whole")
        for name in ("provider", "cost_type", "service_category"):
            several = len(self.slots.get(name, ())) > 1 and not is_list(self.schema.get(name, {}))
            rows = (several and (not by or by[0].value == name)) or (share and name in self.slots)
            if rows and group and name in choices(self.schema[group]):
                by = self.slots["by"] = (Value(name),)
                self.names += [replace(each, said=str(each.value), hint=name) for each in self.slots.pop(name)]
        if group and not by:
            found = ["", *(f"{name}={each.value}" for name, values in self.slots.items() for each in values)]
            found += [f"several={name}" for name, values in self.slots.items() if len(values) > 1]
            rules = (slot.more.get("default") or {}).items()
            by = tuple(Value(each) for rule, each in rules if any(re.search(rule, one) for one in found))[:1]
        days = sum(period.days for period in self.reading.periods) or 30
        unit = "day" if days <= 31 else "week" if days <= 100 else "month"
        if by:
            self.slots["by"] = tuple(replace(each, value=unit) if each.value == "time" else each for each in by)

    def _carry(self, slot: Slot | None, name: str, values: Sequence[Value]) -> None:
        """Put the values into an argument, the filters, or what rows are kept by; else they are lost."""
        arg, rows = self._arg(slot), self.intent.more.get("rows") or {}
        if arg:
            allowed = {str(each).lower(): each for each in choices(self.schema[arg])}
            fitted = [allowed.get(str(each.value).lower()) if allowed else each.value for each in values]
            fitted = [bound(self.schema[arg], each) if isinstance(each, int) else each for each in fitted]
            strange = [each.said for each, fit in zip(values, fitted, strict=True) if fit is None]
            # A grouping that was only supposed counts where the tool must have one.
            self.unfit = self.unfit or (
                "" in strange and arg in self.request.tools[self.intent.tool].get("required", ())
            )
            self.lost += filter(None, strange)
            if kept := [each for each in fitted if each is not None]:
                self.options[arg] = [kept] if is_list(self.schema[arg]) else kept
                self.notes += (
                    ["each dimension by itself, not combined"] if name == "by" and len(self.options[arg]) > 1 else []
                )
        elif "filters" in self.schema and name in load_table()[1].more["filtered"]:
            named = {"dimension": name, "op": "in", "values": [each.value for each in values]}
            self.arguments["filters"] = [*self.arguments.get("filters", ()), named]
        elif name in rows:
            self.kept[rows[name]] = [str(each.value) for each in values]
        elif slot and slot.patterns and name in choices(self.schema.get(self._arg(self.intent.slots["by"]), {})):
            self.sought += [Value(None, str(each.value), name) for each in values]
        else:
            self.lost += [each.said for each in values if each.said]

    def _spans(self) -> list[dict[str, Any]]:
        """The arguments of each period; the ones that the tool has no place for are lost."""
        for slot in self.intent.slots.values():
            if arg := self._arg(slot) if slot.more.keys() & {"period", "implied"} else "":
                return [self._count_days(slot.more["period"], arg) if "period" in slot.more else self._imply(slot, arg)]
        self.lost += [str(period) for period in self.reading.periods if period.kind == "ahead"]
        start, end = (
            next((each for each in (f"{name}_date", name) if each in self.schema), "") for name in ("start", "end")
        )
        named = [f"{period.kind}_{period.unit}" for period in self.past]
        column = (self.intent.more.get("rows") or {}).get("dates")
        if start and end:
            joined = None if self.reading.comparing else join_periods(self.past)
            spans = [joined] if joined else self.past
            by = str(self.slots["by"][0].value) if self.slots.get("by") else ""
            # Months of a rolling period begin with a whole one, not with the rest of one.
            spans = [each.from_a_month() if by == "month" and each.kind == "rolling" else each for each in spans]
            groups = spans[0].days // _DAYS_IN[by] + 2 if spans and by in _DAYS_IN else 0
            if self.kept.get("metric") and "limit" in self.options:
                # The tool cuts by another metric: the answer cuts by this one.
                self._most()
            elif groups > int(self.schema.get("limit", {}).get("default", _ALL)):
                self.options.setdefault("limit", [bound(self.schema["limit"], groups)])
            return [{start: each.start.isoformat(), end: each.end.isoformat()} for each in spans] or [{}]
        if named and set(named) <= set(choices(self.schema.get("period", {}))):
            return [{"period": each} for each in named]
        if self.past and column:
            self.kept[column] = [f"{self.past[0].start}..{self.past[-1].end}"]
            self._most()
        else:
            self.lost += [str(each) for each in self.past if "now" not in self.intent.more or each.end < self.today]
        return [{}]

    def _imply(self, slot: Slot, arg: str) -> dict[str, Any]:
        """A comparison that the kinds of the periods amount to, such as this month with last month."""
        kinds = " ".join(f"{period.kind}_{period.unit}" for period in self.past)
        named = any(period.kind == "named" and period.unit != "day" for period in self.past)
        alone = "alone " if self.reading.comparing and len(self.past) == 1 else ""
        found = [value for value, rule in slot.more["implied"].items() if re.search(rule, alone + kinds)]
        self.unfit = bool(self.past and (named or not found)) or not (found or arg in self.options)
        return {} if self.unfit or arg in self.options else {arg: found[0]}

    def _count_days(self, how: str, arg: str) -> dict[str, Any]:
        """Count the days back to the first one named or ahead to the last; or give that last day."""
        ahead = [period for period in self.reading.periods if period.kind == "ahead" or period.end > self.today]
        if how == "until":
            return {arg: max(period.end for period in ahead).isoformat()} if ahead else {}
        wanted = int(self.schema[arg].get("default", 30))
        if how == "back" and self.past:
            wanted = (self.today - min(period.start for period in self.past)).days + 1
            self.unfit = (self.today - self.past[0].end).days > bound(self.schema[arg], _ALL)
        elif how == "ahead" and self.reading.periods:
            self.unfit, wanted = not ahead, max([(each.end - self.today).days for each in ahead], default=wanted)
            if ahead and min(period.start for period in ahead) > self.today + DAY:
                self.notes.append(f"a forecast begins tomorrow, so it holds more than {ahead[0]} alone")
        days = bound(self.schema[arg], wanted)
        self.notes += [f"{wanted} days were asked for, and {days} are the most"] if wanted > days else []
        if "limit" in self.schema:
            self.options.setdefault("limit", [int(self.schema["limit"].get("default", 10))])
        return {arg: days}

    def _look(self) -> None:
        """Look names up: by the look-up tool for filters, else among the rows of one dimension after the other."""
        table, names = load_table()[1].more, [name for name in self.sought if name.hint != "?"]
        group, looks = self._arg(self.intent.slots["by"]), table["look_up"]["tool"] in self.request.tools
        for name in [each for each in self.sought if each.hint == "?"]:
            if name.value and looks and "filters" in self.schema:
                parts = re.split(r",? and |, ", re.sub(table["exclude"], "", name.said, flags=re.IGNORECASE).strip())
                names += [Value(name.value, part) for part in parts]
            else:
                self.lost.append(name.said)
        if names and "filters" in self.schema and looks:
            self.calls, found, lost = look_up_names(names, self.request)
            self.arguments["filters"] = [*self.arguments.get("filters", ()), *found]
            self.looks, self.lost = bool(self.calls), self.lost + lost
        elif names and not (group and not self.lost and "partial" not in self.intent.more and self._seek(names, group)):
            self.lost += [name.said for name in names]

    def _seek(self, names: Sequence[Value], group: str) -> bool:
        """Tell whether the names are found among rows, or still sought by the calls to come."""
        allowed, asked = choices(self.schema[group]), self.reading.slots.get("by")
        hints = {name.hint for name in names if name.hint in allowed}
        if asked and {value.value for value in asked} != hints:
            return False
        self.names += names
        results = [result for result in self.request.returned if result.name == self.intent.tool]
        done = {str(result.arguments.get(group)): result for result in results}
        for batch in [[hint] for hint in hints] or load_table()[1].more["looked_up"]:
            self.options[group] = [each for each in batch if each in allowed]
            self._most()
            self.looks = not all(each in done for each in self.options[group])
            if self.looks or any(all(find_rows(done[each], name) for name in names) for each in self.options[group]):
                return True
        return False

    def _call(self, spans: Sequence[dict[str, Any]]) -> None:
        """A call for each combination of periods and of values of which an argument takes one."""
        asks, options, tool = self.intent.more.get("asks") or {}, self.options, self.intent.tool
        if asks and len(options.get("provider", ())) > 1:
            self.lost += map(str, options["provider"])
        if "compose" in self.intent.more and {"threshold", "currency"} <= options.keys():
            one = {"period": "monthly", **{arg: values[0] for arg, values in options.items()}}
            scope = one.get("hierarchy_entity") or one.get("provider") or ""
            said = f"{scope} {one['period']} cost above {one['threshold']:,} {one['currency']}".strip()[:100]
            self.arguments[self.intent.more["compose"]] = said[:1].upper() + said[1:]
        made = itertools.product(spans, *options.values())
        calls = [
            Call(tool, {**self.arguments, **span, **dict(zip(options, each, strict=True))}) for span, *each in made
        ]
        required = self.request.tools.get(tool, {}).get("required") or ()
        if absent := [name for name in required if calls and name not in calls[0].arguments]:
            self.ask = next((asks[name] for name in absent if name in asks), f"Which {absent[0]} do you mean?")
        else:
            self.calls = [call for at, call in enumerate(calls) if call not in calls[:at]][:MAX_CALLS]
