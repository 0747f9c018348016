"""Turns a reading into calls of the offered tools by their schemas; what no argument carries is lost."""

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from local.demo_model.dates import DAY, Period
from local.demo_model.reading import Reading, Value
from local.demo_model.request import Call, Request, bound, choices, is_list
from local.demo_model.table import Intent, Slot, find_intent, load_table

_MOST_LOOK_UPS, _MOST_PERIODS = 15, 4


@dataclass(frozen=True, slots=True)
class Found:
    """A name as it was said, with the values of a dimension that it stands for."""

    said: str
    dimension: str
    values: list[str]
    op: str = "in"


def plan(reading: Reading, intent: Intent, request: Request, today: date) -> "Plan":
    """Plan for the first of the tools that the table names, or else for the one that loses least."""
    plans: list[Plan] = []
    following: Intent | None = intent
    while following is not None and len(plans) < 3:
        plans.append(Plan(reading, request, today, following))
        if not (plans[-1].lost or plans[-1].unfit):
            return plans[-1]
        following = find_intent(following.more.get("otherwise"))
    return min(plans, key=lambda each: (each.unfit, len(each.lost)))


class Plan:
    """The calls of one tool for a reading, or what to ask.

    `lost` is what no argument carries, `found` what names were read as, `picked` the values that a share is asked of.
    """

    def __init__(self, reading: Reading, request: Request, today: date, intent: Intent) -> None:
        self.reading, self.request, self.today, self.intent = reading, request, today, intent
        self.schema, self.slots, self.more = request.schemas(intent.tool), dict(reading.slots), intent.more
        self.past = [period for period in reading.periods if period.kind != "ahead"]
        self.ask, self.looks, self.unfit = "", False, intent.tool != "" and intent.tool not in request.tools
        self.calls: list[Call] = []
        self.lost: list[str] = []
        self.found: list[Found] = []
        self.picked: list[str] = []
        self.arguments: dict[str, Any] = {}
        self.filters: list[dict[str, Any]] = []
        if reading.not_a_date:
            self.ask = f'"{reading.not_a_date}" is no period that I can read. Please name the first and last day.'
        elif "says" in self.more:
            self.ask = self.more["says"]
        elif not self.unfit:
            self._plan()

    def _plan(self) -> None:
        by = self._groups()
        for name, values in self.slots.items():
            if name != "by":
                self._carry(self.intent.slots.get(name), [each for each in values if each.value != "*"])
        self._look()
        if not self.looks:
            self._group_by(by or list(self.slots.get("by", ())))
            spans = self._spans()
            if self.filters:
                self.arguments[self._narrowing] = self.filters
            self._call(spans)

    @property
    def _narrowing(self) -> str:
        name = str(self.more.get("narrows", "filters"))
        return name if name in self.schema else ""

    def _arg(self, slot: Slot | None) -> str:
        return next((arg for arg in slot.args if arg in self.schema), "") if slot else ""

    def _groups(self) -> list[Value]:
        """The groups that were said; where a share is asked of named values, what they are values of."""
        by, asked = list(self.slots.get("by", ())), self.slots.keys() & set(self.more.get("parts", ()))
        for name in () if by or self.reading.names else sorted(asked):
            if len(self.slots[name]) > 1 or self.reading.says("whole"):
                self.picked = [str(each.value) for each in self.slots.pop(name)]
                return [Value(name)]
        return by

    def _group_by(self, by: list[Value]) -> None:
        """Group as was said, else as the table supposes."""
        slot = self.intent.slots["by"]
        arg = self._arg(slot)
        by = [each for each in by if each.value not in self.more.get("rows", ())]
        if not by:
            values = self.slots.items()
            known = ["", *(f"{name}={each.value}" for name, said in values for each in said if not each.hint)]
            known += [f"several={name}" for name, said in values if len(said) > 1]
            rules = (slot.more.get("default") or {}).items()
            by = [Value(each) for rule, each in rules if any(re.search(rule, one) for one in known)][:1]
        days = sum(period.days for period in self.reading.periods) or 30
        unit = "day" if days <= 31 else "week" if days <= 100 else "month"
        by = [replace(each, value=unit) if each.value == "time" else each for each in by]
        schema = self.schema.get(arg, {})
        allowed, most = choices(schema), 3 if is_list(schema) else 1 if arg else 0
        fit = [str(each.value) for each in by if not allowed or each.value in allowed][:most]
        self.lost += [each.said for each in by if each.said and each.value not in fit]
        required = arg in self.request.tools[self.intent.tool].get("required", ())
        self.unfit |= required and not fit and bool(by)
        if fit:
            self.arguments[arg] = fit if most > 1 and (len(fit) > 1 or "type" in schema) else fit[0]

    def _carry(self, slot: Slot | None, values: Sequence[Value]) -> None:
        """Put the values of a slot into an argument or the filters; else they are lost."""
        arg, dimension = self._arg(slot), str(slot.more.get("filter", "")) if slot else ""
        schema = self.schema.get(arg, {})
        negated = any(each.hint == "not" for each in values)
        several = len(values) > 1 and not is_list(schema)
        if dimension and self._narrowing and (not arg or negated or several):
            for op, hint in (("in", None), ("not_in", "not")):
                if taken := [str(each.value) for each in values if each.hint == hint]:
                    self._filter(dimension, op, taken)
            return
        allowed = {str(each).lower(): each for each in choices(schema)}
        fitted = [allowed.get(str(each.value).lower()) if allowed else each.value for each in values]
        fitted = [bound(schema, each) if isinstance(each, int) else each for each in fitted]
        if not arg or negated or several or None in fitted:
            self.lost += [each.said for each in values if each.said]
        elif fitted:
            self.arguments[arg] = fitted if is_list(schema) else fitted[0]

    def _filter(self, dimension: str, op: str, values: list[str]) -> None:
        """Add a filter; a dimension "*" has whole conditions as its values, such as "weekday in Saturday, Sunday"."""
        if dimension != "*":
            self.filters.append({"dimension": dimension, "op": op, "values": values})
            return
        opposite = {"in": "not_in", "not_in": "in", "is_null": "not_null", "not_null": "is_null"}
        for condition in itertools.chain(*(each.split("; ") for each in values)):
            named, how, *wanted = condition.split(" ", 2)
            entry = {"dimension": named, "op": opposite.get(how, how) if op == "not_in" else how}
            self.filters.append(entry | ({"values": wanted[0].split(", ")} if wanted else {}))

    def _look(self) -> None:
        """Make filters of the names that no slot knows, once they are looked up."""
        table = load_table()[1].more["look_up"]
        names = [name for name in self.reading.names if name.hint != "?"]
        self.lost += [name.said for name in self.reading.names if name.hint == "?"]
        if names and not self.lost and table["tool"] in self.request.tools and self._narrowing:
            for name in names:
                self._look_up(name, table)
        else:
            self.lost += [name.said for name in names]
        self.looks = bool(self.calls)
        if self.found and self.more.get("whole") and self.reading.says("whole") and "by" not in self.slots:
            self.picked, self.slots["by"] = self.found[-1].values, (Value(self.found[-1].dimension),)
        # Several names of one dimension are alternatives: S3 and EC2.
        merged: dict[tuple[str, str], list[str]] = {}
        for each in [found for found in self.found if found.values is not self.picked]:
            merged.setdefault((each.dimension, each.op), []).extend(each.values)
        for (dimension, op), values in merged.items():
            self._filter(dimension, op, values)

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
                self.found.append(Found(name.said, *best, name.value or "in"))
                return
        self.lost.append(name.said)

    def _spans(self) -> list[dict[str, Any]]:
        """The arguments of each period; the ones that the tool has no place for are lost."""
        schema, past = self.schema, self.past
        if "until" in schema:
            return [self._look_ahead()]
        self.lost += [str(period) for period in self.reading.periods if period.kind == "ahead"]
        if "current" in schema:
            return [self._compare(sorted(past, key=lambda period: period.start))]
        if "days" in schema:
            start = min((period.start for period in past), default=None)
            wanted = (self.today - start).days + 1 if start else int(schema["days"].get("default", 30))
            self.unfit |= wanted > bound(schema["days"], wanted) or bool(past and past[0].end < self.today - DAY)
            return [{"days": wanted}]
        if "as_of" in schema:
            return [{"as_of": min(past[-1].end, self.today).isoformat()} if past else {}]
        if "start_date" in schema:
            return [{"start_date": str(each.start), "end_date": str(each.end)} for each in past] or [{}]
        if "period" in schema and self.intent.tool != "create_alert":
            return [{"period": f"{each.start}..{each.end}"} for each in past] or [{}]
        self.lost += [str(each) for each in past if "now" not in self.more or each.end < self.today]
        return [{}]

    def _compare(self, past: list[Period]) -> dict[str, Any]:
        """Two periods: the named ones, or one with that before it; one under way with as many days."""
        if not past:
            return {}
        self.unfit |= len(past) > 2
        self.arguments.pop("period_type", None)
        if len(past) == 1:
            alone = self.reading.comparing and past[0].kind == "last"
            now = Period(past[0].end + DAY, self.today, past[0].unit, "this") if alone else past[0]
            past = [past[0] if alone else now.previous(), now]
        before, now = past[0], past[1]
        if before == now:
            before = now.previous()
        if now.kind == "this" and now.unit == before.unit != "day":
            before = replace(before, end=min(before.end, before.start + DAY * (now.days - 1)))
        return {"current": f"{now.start}..{now.end}", "previous": f"{before.start}..{before.end}"}

    def _look_ahead(self) -> dict[str, Any]:
        """Days from tomorrow on, until the end of a month or year, or a period that begins later."""
        periods = [each for each in self.reading.periods if each.kind == "ahead" or each.end > self.today]
        if not periods:
            self.unfit |= bool(self.reading.periods)
            return {"horizon_days": int(self.schema["horizon_days"].get("default", 30))}
        last = max(periods, key=lambda period: period.end)
        days = (last.end - self.today).days
        begun = last.start <= self.today + DAY and last.kind == "ahead"
        if begun and (last.end + DAY).day > 1 and days == bound(self.schema["horizon_days"], days):
            return {"horizon_days": days}
        return {"until": str(last.end), **({} if begun else {"start_date": str(last.start)})}

    def _call(self, spans: Sequence[dict[str, Any]]) -> None:
        """A call for each period, or what to ask for where a required argument is missing."""
        asks, tool, own = self.more.get("asks") or {}, self.intent.tool, self.arguments
        if "compose" in self.more and {"threshold", "currency"} <= own.keys():
            scope = own.get("hierarchy_entity") or own.get("provider") or ""
            said = f"{scope} {own.get('period', 'monthly')} cost above {own['threshold']:,} {own['currency']}".strip()
            own.setdefault(self.more["compose"], said[:1].upper() + said[1:100])
        if "order_by" in self.schema and self.reading.says("least"):
            own["order_by"] = f"{own.get('metrics', ['BilledCost'])[0]} asc"
        made = [Call(tool, {**own, **span}) for span in spans]
        if absent := [each for each in self.request.tools[tool].get("required", ()) if each not in made[0].arguments]:
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
