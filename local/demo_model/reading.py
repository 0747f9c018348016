"""Reads a question: which intent it has, what it names, and which of its words nothing explains."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from common.focus.dimensions import TIMES
from local.demo_model.dates import DATED, Calendar, Period, read_dates, write_out
from local.demo_model.table import NUMBERS, PLAIN, Intent, Slot, Words, find_intent, load_table

MAX_QUESTION = 1_000  # Reading more would only hold up the event loop.
Place = tuple[int, int, str, bool]


@dataclass(frozen=True, slots=True)
class Value:
    """A value of a slot with the words that named it, or words that no slot knows; `op` is the filter's, or "share".

    `hint` is the dimension beside unknown words ("the Mobile team"), or "?" for an unknown grouping, "date" for a date.
    """

    value: Any
    said: str = ""
    hint: str = ""
    op: str = "in"


@dataclass(frozen=True, slots=True)
class Reading:
    """A question as understood; `explicit` where it names its intent itself."""

    text: str
    intent: Intent | None = None
    slots: Mapping[str, tuple[Value, ...]] = field(default_factory=dict)
    periods: tuple[Period, ...] = ()
    names: tuple[Value, ...] = ()
    explicit: bool = True

    def says(self, name: str) -> bool:
        """Tell whether the question has words of the intent's or else of the table's."""
        found = self.intent if self.intent and name in self.intent.more else load_table()[1]
        return bool(found.pattern(name).search(self.text.lower()))


def read(text: str, calendar: Calendar, known: Reading | None = None) -> Reading:
    """Read a message; one without an intent of its own, or that goes on from before, completes the known one."""
    intents, table = load_table()
    line = write_out(" ".join(text.translate(PLAIN).split()), calendar.today)
    if len(line) > MAX_QUESTION:
        return Reading(f"{line[:100]}…: a question has at most {MAX_QUESTION:,} characters")
    new = _Reader(line, calendar, None).read()
    points = bool(re.search(table.more["pronoun"], line.lower()))
    goes_on = points or bool(re.match(table.more["follow_up"], line.lower()))
    if known is None or known.intent is None:
        named = (new.slots or new.periods) and (goes_on or not new.names)
        return replace(new, intent=intents[-1], explicit=False) if named and not new.intent else new
    near = replace(calendar, near=known.periods[0] if known.periods else None)
    part = _Reader(line, near, new.intent or known.intent).read()
    # What changes data, or was only talked about, is never done by a later word, and takes over nothing.
    if {*known.intent.more, *(new.intent.more if new.intent else ())} & {"asks", "says"}:
        return new
    if known.intent.pattern("has").search(line.lower()):
        return replace(known, text=line)
    if new.intent is None:
        whole = (part.slots or part.periods) and not part.names
        return _merge(known, part) if goes_on or whole or any(name.hint for name in part.names) else new
    bare = not (new.slots or new.periods or new.names) and "now" not in new.intent.more
    if new.intent.agent == known.intent.agent:
        return _merge(known, part) if bare or goes_on else new
    # What "that" means to another agent is not known.
    that = re.search(r"\b(?:it|that|this|them|those|these)\b", line, re.IGNORECASE)
    return replace(new, names=(Value(None, that[0], "?"),)) if points and bare and that else new


def _merge(known: Reading, new: Reading) -> Reading:
    """Complete the new question by the known one."""
    slots, intent = dict(known.slots), new.intent or known.intent
    assert intent is not None
    for name, values in new.slots.items():
        # "How does that compare to Azure?"
        if name in known.slots and new.says("compare") and name in ("provider", "cost_type"):
            values = tuple({each.value: each for each in (*known.slots[name], *values)}.values())
        if name in intent.slots and (name not in known.slots or values[0].value == "*"):
            slots = {each: had for each, had in slots.items() if each not in intent.slots[name].more.get("clears", ())}
        slots[name] = values
    kept = {name: values for name, values in slots.items() if values[0].value != "*"}
    # A name beside another dimension narrows further; one of the same kind takes the place of the one before.
    hints = {name.hint for name in new.names}
    before = tuple(name for name in known.names if name.hint not in hints)
    # "Compare that with the month before" is about both.
    both = new.says("compare") and {each.kind for each in new.periods} <= {"before", "year_before"}
    periods = (*known.periods, *new.periods) if both else new.periods or known.periods
    return replace(new, intent=intent, slots=kept, periods=periods, names=before + new.names)


class _Reader:
    """Takes one part of a question's words after the other; what is left is a name, or not understood."""

    def __init__(self, text: str, calendar: Calendar, intent: Intent | None) -> None:
        self.words, self.calendar, self.intent = Words(text), calendar, intent
        self.intents, self.table = load_table()
        self.excluded: list[tuple[int, int]] = []

    def read(self) -> Reading:
        words, forecast, text = self.words, find_intent("cost_forecast"), self.words.text
        ahead = forecast == (self.intent or self._choose("cue"))
        comparing = self.table.pattern("compare").search(words.plain)
        periods = read_dates(words, replace(self.calendar, ahead=ahead), comparing=bool(comparing))
        own = self.intent or self._choose("cue", *["cue_dated"] * bool(periods))
        chosen = own or self.intents[-1]
        # A word such as "without" excludes what follows it, up to a comma or to what was taken before.
        excluding = re.compile(rf"\b{self.table.more['exclude']}(?: (?!in\b|for\b|last\b)[^\s,?!.;]+)+")
        excluded = list(excluding.finditer(words.free))
        self.excluded, self.meant = [match.span() for match in excluded], set[tuple[int, int]]()
        slots = {name: found for name, slot in chosen.slots.items() if name != "by" and (found := self._values(slot))}
        for match in excluded:
            words.blank(*match.span(1))
        compared = len(periods) == 1 and any(len(slots.get(name, ())) > 1 for name in ("provider", "cost_type"))
        if compared and (other := find_intent(chosen.more.get("several"))):
            own = chosen = other
        places = self._dimensions(chosen.slots["by"])
        for pattern in (chosen.pattern("words"), self.table.pattern("compare"), self.table.pattern("common")):
            words.take(pattern)
        names = self._names(places)
        # What is excluded and is no value of anything is not dropped: "without savings plans".
        names += [Value(None, text[slice(*each)], "?") for each in self.excluded if each not in self.meant]
        grouping = [place for place in places if place[3]] or places[-1:]
        names += [Value(None, text[each[0] : each[1]], "?") for each in places if each not in grouping]
        if by := {value: Value(value, text[start:end]) for start, end, value, _ in grouping}:
            slots["by"] = tuple(by.values())
        for key, slot in chosen.slots.items():
            if named := [name for name in names if (name.hint or "any") in slot.more.get("named", ())]:
                slots[key] = tuple(Value(name.said, name.said) for name in named)
                names = [name for name in names if name not in named]
        return Reading(text, own, slots, periods, tuple(names), own is not None)

    def _choose(self, *cues: str) -> Intent | None:
        found = (each for each in self.intents if any(each.pattern(cue).search(self.words.plain) for cue in cues))
        return next(found, None)

    def _values(self, slot: Slot) -> tuple[Value, ...]:
        """The values of a slot in the order of the text."""
        text = self.words.text
        found: list[tuple[int, Value]] = []
        forms = slot.more.get("as") or ["{}"] * len(slot.patterns)
        matches = ((form, each) for form, one in zip(forms, slot.patterns, strict=True) for each in one.finditer(text))
        for form, match in matches:
            if self.words.free[slice(*match.span(1))].strip():
                value = form.format(*(each.rstrip(".") for each in match.groups() if each))
                found.append((match.start(), Value(value, match[0], op=self._op(match.start()))))
                self.words.blank(*match.span())
        for value, pattern in slot.values.items():
            for match in self.words.take(pattern):
                counted = max(1, NUMBERS[match["a"] or match["b"]]) if value == "count" else value
                words = text[slice(*match.span())].strip()
                found.append((match.start(), Value(counted, words, op=self._op(match.start()))))
        return tuple({value.value: value for _, value in sorted(found, key=lambda each: each[0])}.values())

    def _op(self, start: int) -> str:
        """Return not_in for what stands after a word that excludes; "without a tag" is itself a value."""
        around = [each for each in self.excluded if each[0] <= start < each[1]]
        self.meant.update(around)
        return "not_in" if any(first < start for first, _ in around) else "in"

    def _dimensions(self, by: Slot) -> list[Place]:
        """The dimensions with their places, and whether "by", "per", "which" and the like mark them as the grouping."""
        plain, words = self.words.plain, self.words.free
        found = [(*match.span(), value) for value, each in by.values.items() for match in each.finditer(words)]
        tags = [match for each in by.patterns for match in each.finditer(self.words.text)]
        found += [(*match.span(), f"tag:{next(filter(None, match.groups()))}") for match in tags]
        places: list[Place] = []
        for start, end, value in sorted(found, key=lambda each: (each[0], -each[1])):
            # "The AI Products team" is a team's name.
            if re.match(r" (?:team|department)\b", plain[end:]):
                continue
            before = places[-1] if places else (0, 0, "", False)
            joined = before[3] and bool(re.fullmatch(self.table.more["also"], plain[before[1] : start]))
            itself = value.startswith(("time", "tag:")) or plain[start:end] in ("daily", "weekly", "monthly", "who")
            heading = re.match(r" (?:costs?|spend|spending)\b", plain[end:])
            marked = bool(joined or itself or heading or re.search(self.table.more["marked"], plain[:start]))
            if start >= before[1] and (marked or value not in TIMES):
                places.append((start, end, value, marked))
                self.words.blank(start, end)
        return places

    def _names(self, places: list[Place]) -> list[Value]:
        """Make names of the words that are left, each with the dimension beside it, which is then no grouping."""
        names: list[Value] = []
        for start, end in self.words.left(self.table.more["stop"]):
            said = self.words.text[start:end]
            # "The account aws-production": what is written like a name stands after its dimension, too.
            lower = said.isalpha() and said[0].islower()
            grouping = lower and re.search(self.table.more["grouping"], self.words.plain[:start])
            unknown = grouping or not re.search(r"[^\W\d]", said)
            hint = "date" if DATED.search(said.lower()) else "?" if unknown else ""
            for place in [each for each in places if not each[3]]:
                gap = self.words.plain[end : place[0]] if end <= place[0] else self.words.plain[place[1] : start]
                if not gap.strip(" \"'") and (end <= place[0] or not lower):
                    hint = place[2]
                    places.remove(place)
            names.append(Value(None, said, hint, self._op(start)))
        return names
