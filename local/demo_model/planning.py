"""Turns a reading into calls of the offered tools by their schemas; what no argument carries is lost."""

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from common.focus.dimensions import TIMES
from local.demo_model.dates import DAY, Period
from local.demo_model.reading import Reading, Value
from local.demo_model.request import Call, Request, fit
from local.demo_model.table import Intent, Slot, find_intent, load_table

_MOST_LOOK_UPS, _MOST_PERIODS = 15, 4


def plan(reading: Reading, intent: Intent, request: Request, today: date) -> "Plan":
    """Plan for the first of the tools that the table names, or else for the one that loses least."""
    made, other = Plan(reading, request, today, intent), find_intent(intent.more.get("otherwise"))
    if other and (made.lost or made.unfit):
        return min(made, plan(reading, other, request, today), key=lambda each: (each.unfit, len(each.lost)))
    return made


class Plan:
    """The calls of one tool, or what to ask instead; `lost` is what no argument carries, `found` what names mean."""

    def __init__(self, reading: Reading, request: Request, today: date, intent: Intent) -> None:
        self.reading, self.request, self.today, self.intent = reading, request, today, intent
        self.schema, self.slots, self.more = request.tools.get(intent.tool, {}), dict(reading.slots), intent.more
        narrows = str(intent.more.get("narrows", "filters"))
        self.narrowing = narrows if narrows in self.schema else ""
        self.looks, self.unfit = False, intent.tool != "" and intent.tool not in request.tools
        self.calls: list[Call] = []
        self.lost: list[str] = []
        self.found: list[Value] = []
        self.arguments: dict[str, Any] = {}
        self.filters: list[dict[str, Any]] = []
        self.ask = self.more.get("says", "")
        if self.unfit or self.ask:
            return
        # Where the share of named values is asked for, the rows are of what they are values of.
        least = 1 if self.reading.says("whole") else 2
        parts = [name for name in self.more.get("parts", ()) if len(self.slots.get(name, ())) >= least]
        if parts and "by" not in self.slots and not self.reading.names:
            shared = [str(each.value) for each in self.slots.pop(parts[0])]
            self.found, self.slots["by"] = [Value(shared, "", parts[0], "share")], (Value(parts[0]),)
        for name, values in self.slots.items():
            if name != "by":
                self._carry(self.intent.slots.get(name), [each for each in values if each.value != "*"])
        self._look()
        if not self.looks:
            self._group_by()
            self._call(self._spans())

    def _arg(self, slot: Slot | None) -> str:
        asked = self.reading.intent.tool if self.reading.intent else ""
        known = slot and slot.more.get("of") in (None, *self.slots) and asked not in slot.more.get("unless", ())
        return next((arg for arg in slot.args if arg in self.schema), "") if slot and known else ""

    def _group_by(self) -> None:
        """Group as was said, else as the table supposes."""
        slot = self.intent.slots["by"]
        arg = self._arg(slot)
        by = [each for each in self.slots.get("by", ()) if each.value not in self.more.get("rows", ())]
        if not by:
            values = self.slots.items()
            known = ["", *(f"{name}={each.value}" for name, said in values for each in said if each.op == "in")]
            known += [f"several={name}" for name, said in values if len(said) > 1]
            rules = (slot.more.get("default") or {}).items()
            by = [Value(each) for rule, each in rules if any(re.search(rule, one) for one in known)][:1]
        days = sum(period.days for period in self.reading.periods) or 30
        unit = "day" if days <= 31 else "week" if days <= 100 else "month"
        by = [replace(each, value=unit) if each.value == "time" else each for each in by]
        schema = self.schema.get(arg, {})
        many = "array" in schema.get("types", ())
        most = int(schema.get("maxItems", 3)) if many else 1 if arg else 0
        taken = [str(each.value) for each in by if each.value in schema.get("enum", [each.value])]
        taken = [*dict.fromkeys(taken)][:most]
        self.lost += [each.said for each in by if each.said and each.value not in taken]
        if taken:
            self.arguments[arg] = taken if many and (len(taken) > 1 or "anyOf" not in schema) else taken[0]

    def _carry(self, slot: Slot | None, values: Sequence[Value]) -> None:
        """Put the values of a slot into an argument or the filters; else they are lost."""
        arg, dimension = self._arg(slot), str(slot.more.get("filter", "")) if slot else ""
        schema = self.schema.get(arg, {})
        negated = any(each.op == "not_in" for each in values)
        many = "array" in schema.get("types", ())
        several = len(values) > 1 and not many
        if dimension and self.narrowing and (not arg or negated or several):
            for op in ("in", "not_in"):
                if taken := [str(each.value) for each in values if each.op == op]:
                    self._filter(dimension, op, taken)
            return
        fitted = [fit(schema, each.value) for each in values]
        if not arg or negated or several or None in fitted:
            self.lost += [each.said for each in values if each.said]
        elif fitted:
            self.arguments[arg] = fitted if many else fitted[0]

    def _filter(self, dimension: str, op: str, values: list[str]) -> None:
        """Add a filter; a dimension "*" has whole conditions as its values, such as "weekday in Saturday, Sunday"."""
        if dimension != "*":
            self.filters.append({"dimension": dimension, "op": op, "values": values})
            return
        opposite = {"in": "not_in", "not_in": "in", "is_null": "not_null", "not_null": "is_null"}
        # What is not both may still be one of the two.
        self.lost += [each for each in values if op == "not_in" and ";" in each]
        for condition in itertools.chain(*(each.split("; ") for each in values)):
            named, how, *wanted = condition.split(" ", 2)
            entry = {"dimension": named, "op": opposite.get(how, how) if op == "not_in" else how}
            self.filters.append(entry | ({"values": wanted[0].split(", ")} if wanted else {}))

    def _look(self) -> None:
        """Make filters of the names that no slot knows, once they are looked up."""
        table, names = load_table()[1].more["look_up"], self.reading.names
        dates = ", ".join(name.said for name in names if name.hint == "date")
        self.ask = f'I can read no days in "{dates}". Please name the first and last day.' if dates else ""
        able = self.narrowing and table["tool"] in self.request.tools
        self.lost += [name.said for name in names if not able or name.hint in ("?", "date")]
        for name in names if not self.lost else ():
            self._look_up(name, table)
        self.looks = bool(self.calls)
        if self.found and self.more.get("whole") and self.reading.says("whole") and "by" not in self.slots:
            self.slots["by"] = (Value(self.found[-1].hint),)
            self.found[-1] = replace(self.found[-1], op="share")
        # Several names of one dimension are alternatives: S3 and EC2.
        for hint, op in dict.fromkeys((each.hint, each.op) for each in self.found if each.op != "share"):
            alike = [each.value for each in self.found if (each.hint, each.op) == (hint, op)]
            self._filter(hint, op, [*itertools.chain(*alike)])

    def _look_up(self, name: Value, table: Mapping[str, Any]) -> None:
        """Find a name in what came back, or add the calls that look for it in the next dimensions."""
        returned = [each for each in self.request.returned if each.name == table["tool"]]
        done = {(each.arguments.get("search"), each.arguments.get("dimension")): each for each in returned}
        for batch in [table["beside"].get(name.hint, [name.hint])] if name.hint else table["dimensions"]:
            missing = [each for each in batch if (name.said, each) not in done]
            if missing and len(done) + len(self.calls) + len(missing) <= _MOST_LOOK_UPS:
                self.calls += [Call(table["tool"], {"dimension": each, "search": name.said}) for each in missing]
                return
            hits = [(each, _values(done[name.said, each], name.said)) for each in batch if each not in missing]
            # A dimension that has exactly this name comes before one that has longer names.
            hits.sort(key=lambda hit: [value.lower() for value in hit[1]] != [name.said.lower()])
            if best := next((hit for hit in hits if hit[1]), None):
                self.found.append(Value(best[1], name.said, best[0], name.op))
                return
        self.lost.append(name.said)

    def _spans(self) -> list[dict[str, Any]]:
        """The arguments of each period; the ones that the tool has no place for are lost."""
        schema, said = self.schema, [period for period in self.reading.periods if period.kind != "ahead"]
        past = [*dict.fromkeys(each.until(self.today) for each in said)]
        if "until" in schema:
            return self._look_ahead()
        self.lost += [str(period) for period in self.reading.periods if period.kind == "ahead"]
        if "current" in schema:
            return [self._compare(sorted(said, key=lambda period: period.start))]
        if "days" in schema:
            # The tool's days end yesterday; those that roll are as many as were said.
            latest = Period(self.today - DAY * (schema["days"].get("default", 30) - 1), self.today, kind="rolling")
            first = next(iter(past), latest)
            last = min(first.end, self.today - DAY)
            wanted = first.days if first.kind == "rolling" else max(1, (last - first.start).days + 1)
            self.unfit |= wanted > fit(schema["days"], wanted) or bool(past and past[0].end < self.today - DAY)
            return [{"days": wanted}]
        if "as_of" in schema:
            return [{"as_of": str(min(each.end, self.today))} for each in past] or [{}]
        if "start_date" in schema:
            return [{"start_date": str(each.start), "end_date": str(each.end)} for each in past] or [{}]
        if "period" in schema:
            return [{"period": f"{each.start}..{each.end}"} for each in past] or [{}]
        self.lost += [str(each) for each in past if "now" not in self.more or each.end < self.today]
        return [{}]

    def _compare(self, past: list[Period]) -> dict[str, Any]:
        """Two periods: the named ones, or one with that before it; one under way with as many days."""
        if not past:
            return {}
        self.unfit |= len(past) > 2
        self.arguments.pop("period_type", None)
        if len(past) == 1 and self.reading.says("compare") and past[0].kind == "last":
            past = [past[0], Period(past[0].end + DAY, self.today, past[0].unit, "this")]
        before, now = past[:2] if len(past) > 1 else (past[0].previous(), past[0])
        before, now = now.previous() if before == now else before, now.until(self.today)
        if now.kind == "this" and now.unit == before.unit != "day":
            before = replace(before, end=min(before.end, before.start + DAY * (now.days - 1)))
        before = before.until(self.today)
        return {"current": f"{now.start}..{now.end}", "previous": f"{before.start}..{before.end}"}

    def _look_ahead(self) -> list[dict[str, Any]]:
        """Days from tomorrow on, until the end of a month or year, or a period that begins later."""
        periods = [each for each in self.reading.periods if each.kind == "ahead" or each.end > self.today]
        self.lost += [str(each) for each in self.reading.periods if periods and each not in periods]
        self.unfit |= bool(self.reading.periods) and not periods
        spans: list[dict[str, Any]] = []
        for each in periods:
            days, begun = (each.end - self.today).days, each.start <= self.today + DAY and each.kind == "ahead"
            whole = (each.end + DAY).day == 1 or days != fit(self.schema["horizon_days"], days)
            until = {"until": str(each.end), **({} if begun else {"start_date": str(each.start)})}
            spans.append({"horizon_days": days} if begun and not whole else until)
        return spans or [{"horizon_days": int(self.schema["horizon_days"].get("default", 30))}]

    def _call(self, spans: Sequence[dict[str, Any]]) -> None:
        """A call for each period, or what to ask for where a required argument is missing."""
        asks, tool = self.more.get("asks") or {}, self.intent.tool
        shown = self.request.shown if self.reading.says("newest") else ()
        newest = next(({arg: row[arg]} for arg in asks for row in shown if arg in row), {})
        own = newest | self.arguments | ({self.narrowing: self.filters} if self.filters else {})
        # Rows come with the highest first, but for times.
        lowest, timed = self.reading.says("least"), str(own.get("group_by")) in TIMES
        if "order_by" in self.schema and (lowest or (timed and self.reading.says("common"))):
            own["order_by"] = f"{own.get('metrics', ['BilledCost'])[0]} {'asc' if lowest else 'desc'}"
        made = [Call(tool, {**own, **span}) for span in spans]
        absent = [arg for arg, schema in self.schema.items() if schema["required"] and arg not in made[0].arguments]
        if absent:
            self.ask = next((asks[name] for name in absent if name in asks), f"Which {absent[0]} do you mean?")
        elif len(made) > _MOST_PERIODS:
            self.ask = f"I answer for {_MOST_PERIODS} periods at a time. Please name fewer."
        elif tool:
            self.calls = made


def _values(result: Call, said: str) -> list[str]:
    """The names that a look-up found; the one that is exactly as was said, where there is one."""
    values = list(dict.fromkeys(str(row["value"]) for row in result.rows if row.get("value") is not None))
    # "US" is not in "Customer", and "S3" is found as the service that it is short for.
    word = re.compile(rf"(?<![^\W_]){re.escape(said.lower())}")
    values = [value for value in values if said.lower() not in value.lower() or word.search(value.lower())]
    return [value for value in values if value.lower() == said.lower()] or values
