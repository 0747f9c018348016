"""Reads a question: which intent it has, what it names, and which of its words nothing explains."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from local.demo_model.dates import Calendar, NotADate, Period, number, read_dates, write_out
from local.demo_model.table import PLAIN, Intent, Slot, Words, compile_words, find_intent, load_table

# A question stands within these characters; reading more would only hold up the event loop.
MAX_QUESTION = 1_000
# What stands before a dimension that is a grouping, and before a word that would be one.
_MARKED = re.compile(
    r"\b(?:by|per|each|every|which|what|across|all|top(?: \w+)?|\d+|most expensive|costliest|biggest|largest)\s+"
    r"(?:the |our )?(?:(?!did|do|does|is|are|has|have|will)[\w/]+ )?$|(?<!\w)(?=(?:daily|weekly|monthly|who)\b)$"
)
_ALSO = re.compile(r"\s*(?:,|and|&|/|then)+\s*(?:by |per |the )?")
_UNKNOWN_GROUP = re.compile(r"\b(?:per|by|by the|by each|each|every|which)\s+$")
_GLUED = re.compile(r"((?:us)?[$€£₹]|\b(?:usd|eur|gbp|chf|inr|jpy))(?=\d)|(?<=\d)(?=[$€£₹])", re.IGNORECASE)
_SCALES = {"k": 1_000, "thousand": 1_000, "m": 1_000_000, "mio": 1_000_000, "million": 1_000_000, "": 1}
_TIMES = ("hour", "day", "weekday", "week", "month", "quarter", "year", "fiscal_quarter", "fiscal_year")
Place = tuple[int, int, str, bool]


@dataclass(frozen=True, slots=True)
class Value:
    """A value of a slot with the words that named it, or words that no slot knows.

    `hint` is the dimension beside unknown words ("the Mobile team"), "?" where they are a grouping themselves.
    """

    value: Any
    said: str = ""
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """A question as understood; `explicit` where it names its intent itself."""

    text: str
    intent: Intent | None = None
    slots: Mapping[str, tuple[Value, ...]] = field(default_factory=dict)
    periods: tuple[Period, ...] = ()
    names: tuple[Value, ...] = ()
    comparing: bool = False
    not_a_date: str = ""
    explicit: bool = True

    def says(self, name: str) -> bool:
        """Tell whether the question has words of the intent's or else of the table's."""
        found = self.intent if self.intent and name in self.intent.more else load_table()[1]
        return bool(found.pattern(name).search(self.text.lower()))


def read(text: str, calendar: Calendar, known: Reading | None = None) -> Reading:
    """Read a message; one without an intent of its own, or that goes on from before, completes the known one."""
    intents, table = load_table()
    for intent in (each for each in intents if "written" in each.more):
        slot = intent.slots[intent.more["written"]]
        if found := next((match for pattern in slot.patterns if (match := pattern.search(text))), None):
            return Reading(text, intent, {slot.name: (Value(found[1].strip()),)})
    line = write_out(_GLUED.sub(r"\1 ", " ".join(text.translate(PLAIN).split())), calendar.today)
    if len(line) > MAX_QUESTION:
        return Reading(f"{line[:100]}…: a question has at most {MAX_QUESTION:,} characters")
    new = _Reader(line, calendar, None).read()
    goes_on = bool(re.match(table.more["follow_up"], line.lower()))
    if known is None or known.intent is None or "written" in known.intent.more:
        named = (new.slots or new.periods) and (goes_on or not new.names)
        return replace(new, intent=intents[-1], explicit=False) if named and not new.intent else new
    near = replace(calendar, near=known.periods[0] if known.periods else None)
    part = _Reader(line, near, new.intent or known.intent).read()
    if asks := known.intent.more.get("asks"):
        # What changes data is completed by the reply to a question, and never done once more.
        reply = _Reader(line, calendar, known.intent).read()
        said = [known.intent.slots[name].args for name in known.slots if name in known.intent.slots]
        lacking = bool(known.names) or () in said or not {*asks} <= {arg for args in said for arg in args}
        asked = lacking and reply.slots.keys() & {*known.intent.more["completes"]} and not reply.names
        own = not new.intent or new.intent.agent in (known.intent.agent, intents[-1].agent)
        return _merge(known, reply) if asked and own else new
    if known.intent.pattern("has").search(line.lower()):
        return replace(known, text=line)
    if new.intent is None:
        whole = (part.slots or part.periods) and not part.names
        return _merge(known, part) if goes_on or whole or any(name.hint for name in part.names) else new
    bare = not (new.slots or new.periods or new.names) and "now" not in new.intent.more
    return _merge(known, part) if bare or (goes_on and new.intent.agent == known.intent.agent) else new


def _merge(known: Reading, new: Reading) -> Reading:
    """Complete the new question by the known one."""
    intent = new.intent or known.intent
    assert intent is not None
    slots = {name: values for name, values in known.slots.items() if name != "period_type" or not new.periods}
    for name, values in new.slots.items():
        if name in intent.slots and (name not in known.slots or values[0].value == "*"):
            slots = {each: had for each, had in slots.items() if each not in intent.slots[name].more.get("clears", ())}
        slots[name] = values
    kept = {name: values for name, values in slots.items() if values[0].value != "*"}
    # A name beside another dimension narrows further; one of the same kind takes the place of the one before.
    hints = {name.hint for name in new.names}
    before = () if "asks" in intent.more else tuple(name for name in known.names if name.hint not in hints)
    return replace(new, intent=intent, slots=kept, periods=new.periods or known.periods, names=before + new.names)


def clauses(text: str) -> list[str]:
    """The parts of a message that asks several things."""
    return [part for part in re.split(load_table()[1].more["clause"], text) if part and part.strip()]


class _Reader:
    """Takes one part of a question's words after the other; what is left is a name, or not understood."""

    def __init__(self, text: str, calendar: Calendar, intent: Intent | None) -> None:
        self.words, self.calendar, self.intent = Words(text), calendar, intent
        self.intents, self.table = load_table()
        self.excluded: list[tuple[int, int]] = []

    def read(self) -> Reading:
        words, forecast, text = self.words, find_intent("cost_forecast"), self.words.text
        ahead = forecast in (self.intent or self._choose(False), self.intent)
        comparing = bool(self.table.pattern("compare").search(words.plain))
        try:
            periods = read_dates(words, replace(self.calendar, ahead=ahead), comparing=comparing)
        except NotADate as error:
            return Reading(text, self.intent or self._choose(False), not_a_date=str(error).strip())
        own = self.intent or self._choose(bool(periods))
        chosen = own or self.intents[-1]
        # A word such as "without" excludes what follows it, up to a comma or to what was taken before.
        excluding = re.compile(rf"\b{self.table.more['exclude']}(?: (?!in\b|for\b|last\b)[^\s,?!.;]+)+")
        found = list(excluding.finditer(words.free))
        self.excluded = [match.span() for match in found]
        slots = {slot.name: values for slot in chosen.slots.values() if (values := self._values(slot))}
        for match in found:
            words.blank(*match.span(1))
        several = sum(len(slots.get(name, ())) for name in ("provider", "cost_type")) > 1
        if len(periods) == 1 and several and (other := find_intent(chosen.more.get("several"))):
            own = chosen = other
        places = self._dimensions(chosen.slots["by"])
        for pattern in (chosen.pattern("words"), self.table.pattern("compare"), self.table.pattern("common")):
            words.take(pattern)
        names = self._names(places)
        grouping = [place for place in places if place[3]] or [each for each in places if not each[3] and each[2]][-1:]
        names += [Value(None, text[each[0] : each[1]], "?") for each in places if each not in grouping]
        if by := {value: Value(value, text[start:end]) for start, end, value, _ in grouping}:
            slots["by"] = tuple(by.values())
        for slot in chosen.slots.values():
            if named := [name for name in names if (name.hint or "any") in slot.more.get("named", ())]:
                slots[slot.name] = tuple(Value(name.said, name.said) for name in named)
                names = [name for name in names if name not in named]
        return Reading(text, own, slots, periods, tuple(names), comparing, "", own is not None)

    def _choose(self, dated: bool) -> Intent | None:
        cues = ("cue", "cue_dated") if dated else ("cue",)
        found = (each for each in self.intents if any(each.pattern(cue).search(self.words.plain) for cue in cues))
        return next(found, None)

    def _values(self, slot: Slot) -> tuple[Value, ...]:
        """The values of a slot in the order of the text."""
        text = self.words.text
        found: list[tuple[int, Value]] = []
        if slot.name == "by" or ("single" in slot.more and compile_words(slot.more["single"]).search(self.words.plain)):
            return () if slot.name == "by" else (Value(1),)
        forms = slot.more.get("as") or ["{}"] * len(slot.patterns)
        matches = ((form, each) for form, one in zip(forms, slot.patterns, strict=True) for each in one.finditer(text))
        for form, match in matches:
            if self.words.free[slice(*match.span())].strip() and not (found and "amount" in slot.more):
                said = [each.rstrip(".") for each in match.groups() if each]
                value = _amount(said[0], match[0]) if "amount" in slot.more else form.format(*said)
                found.append((match.start(), Value(value, match[0], self._op(match.start()))))
                self.words.blank(*match.span())
        for value, pattern in slot.values.items():
            for match in self.words.take(pattern):
                counted = max(1, number(match["a"] or match["b"])) if value == "count" else value
                words = text[slice(*match.span())].strip()
                found.append((match.start(), Value(counted, words, self._op(match.start()))))
        ordered = [value for _, value in sorted(found, key=lambda item: item[0]) if value.value is not None]
        return tuple({value.value: value for value in ordered}.values())

    def _op(self, start: int) -> str | None:
        return "not" if any(first <= start < last for first, last in self.excluded) else None

    def _dimensions(self, by: Slot) -> list[Place]:
        """The dimensions with their places, and whether "by", "per", "which" and the like mark them as the grouping."""
        plain, words = self.words.plain, self.words.free
        found = [(*match.span(), value) for value, each in by.values.items() for match in each.finditer(words)]
        tags = [match for each in by.patterns for match in each.finditer(self.words.text)]
        found += [(*match.span(), f"tag:{next(filter(None, match.groups()))}") for match in tags]
        places: list[Place] = []
        for start, end, value in sorted(found, key=lambda each: (each[0], -each[1])):
            before = places[-1] if places else (0, 0, "", False)
            joined = before[3] and bool(_ALSO.fullmatch(plain[before[1] : start]))
            itself = value.startswith(("time", "tag:")) or plain[start:end] in ("daily", "weekly", "monthly", "who")
            heading = re.match(r" (?:costs?|spend|spending)\b", plain[end:])
            marked = bool(joined or itself or heading or _MARKED.search(plain[:start]))
            if start >= before[1] and (marked or value not in _TIMES):
                places.append((start, end, value, marked))
                self.words.blank(start, end)
        return places

    def _names(self, places: list[Place]) -> list[Value]:
        """Make names of the words that are left, each with the dimension beside it, which is then no grouping."""
        names: list[Value] = []
        for start, end in self.words.left(self.table.more["stop"]):
            # "The account aws-production": what is written like a name stands after its dimension, too.
            lower = self.words.text[start:end].isalpha() and self.words.text[start].islower()
            number_only = not re.search(r"[^\W\d]", self.words.text[start:end])
            hint = "?" if number_only or (lower and _UNKNOWN_GROUP.search(self.words.plain[:start])) else None
            for place in [each for each in places if not each[3]]:
                gap = self.words.plain[end : place[0]] if end <= place[0] else self.words.plain[place[1] : start]
                if not gap.strip(" \"'") and (end <= place[0] or not lower):
                    hint = place[2]
                    places.remove(place)
            names.append(Value("not_in" if self._op(start) else None, self.words.text[start:end], hint))
        return names


def _amount(said: str, whole: str) -> int | float | None:
    """An amount of money, None where it is zero or too exact for a threshold."""
    scale = re.search(r"(?<=\d) ?(k|mio|m|thousand|million)\b|$", whole, re.IGNORECASE)
    amount = (Decimal(said.replace(",", "")) * _SCALES[((scale and scale[1]) or "").lower()]).normalize()
    exact = len(amount.as_tuple().digits) <= 15 and int(amount.as_tuple().exponent) >= -3
    return None if not amount or not exact else int(amount) if amount == int(amount) else float(amount)
