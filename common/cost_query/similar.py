"""Names that a filter's word is part of, too, and that were not counted: told, so that none is left out in silence."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from common.cost_query.filters import Filter, Filters

# Within a word, fewer characters than these are a coincidence.
_WORD_PART = 4
_NAMED = 8
# A whole name of these may still be meant for a kind of them: there are often several of nearly one name.
_PLACES = frozenset({"billing_account", "sub_account", "team", "entity", "department"})

Figures = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Similar:
    """One value of a filter: the names that it was read as, and others that hold it and are not counted.

    ``figures`` are those of the other names, one entry for each currency.
    """

    dimension: str
    value: str
    matched: tuple[str, ...]
    also: tuple[str, ...]
    excludes: bool = False
    figures: tuple[Mapping[str, Any], ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return {
            "dimension": self.dimension,
            "value": self.value,
            "matched": list(self.matched[:_NAMED]),
            "also": list(self.also[:_NAMED]),
            **({"figures": list(self.figures)} if self.figures else {}),
        }

    def describe(self) -> str:
        """The sentence that says how the value was read."""
        read = f"{self.value!r} was read as {_listed(self.matched)}"
        if not self.also:
            return f"{read}."
        verb = "has" if len(self.also) == 1 else "have"
        left = ("is" if len(self.also) == 1 else "are") + (" not left out" if self.excludes else " not counted")
        return f"{read} only; {_listed(self.also)} {verb} the word too and {left}."


def find_similar(
    filters: Filters, matched: Mapping[int, Sequence[str]], holding: Mapping[int, Mapping[str, Figures]]
) -> tuple[Similar, ...]:
    """Find the values that were read as other names than they are, or that other names hold as well."""
    found = []
    for number, each in enumerate(filters.all):
        if each.op == "contains" or not each.takes_values or each.dimension.is_time:
            continue
        names, others = matched.get(number, ()), holding.get(number, {})
        found += [told for value in each.values if (told := _read(each, value, names, others))]
    return tuple(found)


def _read(each: Filter, value: str, names: Sequence[str], others: Mapping[str, Figures]) -> Similar | None:
    own = tuple(name for name in names if _is(each, value, name) or _holds(value, name))
    if not own and len(each.values) == 1:
        own = tuple(names)  # It was met by an id that is not shown.
    if not own:
        return None
    exact = any(_is(each, value, name) for name in own)
    whole = any(name.strip().casefold() == value.strip().casefold() for name in own)
    is_place = each.dimension.name in _PLACES or each.dimension.name.startswith("level:")
    also = () if whole and not is_place else tuple(name for name in others if _holds(value, name, whole_words=exact))
    if not also and (exact or len(own) > 1):
        return None
    figures = ({each.dimension.name: name} | dict(one) for name in also[:_NAMED] for one in others[name])
    return Similar(each.dimension.name, value, own, also, each.op == "not_in", tuple(figures))


def _is(each: Filter, value: str, name: str) -> bool:
    """Return true for a name that is the value itself, one of its short names, or the name or id of an account."""
    text, plain = name.strip().casefold(), value.strip().casefold()
    return text in each.names(value) or text.startswith(f"{plain} (") or text.endswith(f" ({plain})")


def _holds(value: str, name: str, *, whole_words: bool = False) -> bool:
    text, plain = name.casefold(), value.strip().casefold()
    if whole_words or len(plain) < _WORD_PART:
        return re.search(rf"(?<!\w){re.escape(plain)}(?!\w)", text) is not None
    return plain in text


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def similar_notes(similar: Iterable[Similar]) -> list[str]:
    """The sentences that say how values were read."""
    return [each.describe() for each in similar]
