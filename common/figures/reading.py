"""The figures of a text: its numbers with their units, without what is no figure (dates, ordinals, ids, code)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from common.focus.currencies import CURRENCIES

_MONTH = (
    r"(?:Jan(?:uar[yi]?)?|Feb(?:ruar[yi]?)?|Mar(?:ch)?|März|Apr(?:il)?|May|Mai|Ju(?:ne|ni|n|ly|li|l)|Aug(?:ust)?"
    r"|Sept?(?:ember)?|O[ck]t(?:ober)?|Nov(?:ember)?|De[cz](?:ember)?)\b\.?"
)
_DAY = r"\d{1,2}(?:st|nd|rd|th|\.)?"
_TO = r"\s{0,2}(?:[-–—/,&]|to|until|through|and|or|bis|und)\s{0,2}"
_YEAR = r"(?:,?\s{1,2}(?:19|20)\d\d\b)"

# Every repetition is bounded or cannot give back: a hostile text takes linear time. Longer forms stand first.
_NO_FIGURE = re.compile(
    rf"""
    ```.*?(?:```|\Z)
    | `(?!\s?[-+−]?(?:[A-Z]{{3}}\s?|[$€£¥])?\d[\d.,' ]{{0,30}}(?:%|\s?[A-Z]{{3}}|[kM])?\s?`)[^`\n]*`
    | \b[0-9a-fA-F]{{8}}-(?:[0-9a-fA-F]{{4}}-){{3}}[0-9a-fA-F]{{12}}\b
    | "[^"\n]{{1,200}}" | “[^”\n]{{1,200}}”
    | \b(?=\d)(?<!\d[.,])(?:
        \d{{4}}-\d\d(?:-\d\d)?(?:[T\s]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:\s?Z|[+-]\d\d:?\d\d)?)?(?![\d-])
      | \d{{1,2}}/\d{{1,2}}/\d{{2,4}}\b | \d{{1,2}}\.\d{{1,2}}\.(?:\d{{4}}|\d{{2}})\b
      | \d{{1,2}}:\d\d(?::\d\d(?:\.\d+)?)?(?:\s?[ap]\.?m\b\.?)? | \d{{1,2}}\s?[ap]\.?m\b\.?
      | {_DAY}(?:{_TO}{_DAY}){{0,9}}\s{{1,2}}(?:of\s|de\s)?{_MONTH}{_YEAR}?
      | \d{{1,5}}(?:\.\d{{1,5}}){{2,5}}+(?<!\.\d\d\d)
      | \d{{1,9}}(?:st|nd|rd|th)\b
      | \d{{1,9}}(?:[.,]\d{{1,9}})?[-‑][^\W\d_]\w{{0,40}}
    )
    | \b(?=[A-Z])(?:
        {_MONTH}\s{{1,2}}\d{{1,2}}(?:st|nd|rd|th)?(?![.,]?\d|\s?%)(?:{_TO}(?:{_MONTH}\s)?{_DAY}(?!\d)){{0,3}}{_YEAR}?
      | {_MONTH}{_YEAR}
      | (?:Q[1-4]|H[12]|FY|CW|KW)[\s/-]?\d{{0,4}}(?:\s?/?\s?(?:FY\s?)?(?:19|20)\d\d\b)?
      | (?:HTTP|ISO|RFC|FOCUS)\s?\d{{1,6}}+(?:\.\d{{1,4}}){{0,3}}\b
    )
    | (?:\#|\b(?=[NSOPVWnsopvw])(?:[Nn]o\.|[Nn]r\.|[Ss]teps?|[Oo]ptions?|[Pp]ages?|[Pp]arts?|[Ss]ections?|[Vv]ersions?
      |[Pp]hases?|[Ww]eeks?))\s?\d{{1,6}}+(?:\.\d{{1,4}}){{0,3}}\b
    | (?m:^)[ \t>]*+(?:[-*+•]\s)?[*_]{{0,3}}\(?\d{{1,3}}[.)][*_]{{0,3}}(?=\s)
    | https?://\S+
    | \bper\ (?:1[,.]?000(?:[,.]?000)?|100|1M|1k|1\ (?:million|thousand))\b(?![.,]\d|\s?%)
    """,
    re.VERBOSE | re.DOTALL,
)
_IN_NAMES = re.compile(
    r"(?<![\w.,$€£¥-])\d{1,3}+(?![.,]?\d|\s?(?:%|percent|[kMB]\b|million|billion|[A-Z]{3}\b|[$€£¥]))"
)
_SYMBOLS = {"$": "USD", "us$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY", "₹": "INR", "dollar": "USD", "euro": "EUR"}
_GROUPS = r"\d{1,3}(?:(?P<group>[,.'’\u00a0\u202f\u2009 ])\d{3})(?:(?P=group)\d{3}){0,6}(?:[.,]\d{1,12})?"
_FIGURE = re.compile(
    rf"""
    (?=[-+−$€£¥₹\dA-Z])
    (?: (?P<sign>(?<![\w)\]%.,])[-+−])?
        (?P<before>(?:US)?[$€£¥₹]|\b[A-Z]{{3}}(?![A-Z]))[\s*_]{{0,3}}(?P<sign2>[-+−])?
      | (?P<sign3>(?<![\w)\]%.,])[-+−])?(?<!\w)(?<!\d[.,])(?<![^\W\d_][-./_@])
    )
    (?P<number>
      (?:{_GROUPS} | \d{{1,2}}(?:,\d{{2}}){{1,5}},\d{{3}}(?:\.\d{{1,12}})? | \d{{1,18}}(?:[.,]\d{{1,18}})?)(?!\d)
    )
    [*_]{{0,3}}
    (?:\s?(?P<scale>k|K|M|B|T|m|mn|bn|tn|[Mm]io\.?|[Mm]rd\.?|[Tt]sd\.?|[Tt]housand|[MmBbTt](?:r?illion)s?)\b)?
    (?:\s?(?P<unit>%|‰|percent\b|per\ cent\b|percentage\ points?\b|pp\b|bps\b|[KMGTPE]i?B\b|ms\b|s\b|sec(?:ond)?s?\b
        |min(?:ute)?s?\b|h\b|hours?\b|days?\b|[A-Z]{{3}}\b|[$€£¥₹]|dollars?\b|euros?\b|cents?\b|ct\b))?
    (?![^\W\d_])
    """,
    re.VERBOSE,
)
_SCALES = {"k": 1e3, "t": 1e3, "m": 1e6, "b": 1e9}
_BYTES = "KMGTPE"
# The factors by which a source may hold the same quantity in another unit.
_UNITS: dict[str, tuple[float, ...]] = {
    "%": (1, 0.01), "‰": (1, 0.001), "bps": (1, 0.01, 0.0001), "ms": (1, 0.001), "s": (1, 1e3), "min": (1, 60, 6e4),
    "h": (1, 60, 3600, 3.6e6), "day": (1, 24, 86400), "cent": (1, 0.01), "": (1,),
}  # fmt: skip
_ROUGHLY = re.compile(
    r"(?:~|≈|\b(?:about|around|roughly|approximately|approx\.|some|nearly|almost|over|under|more than|less than"
    r"|at least|up to|just|ca\.|circa|etwa|rund|fast|knapp))\s?[*_]{0,3}\Z",
    re.IGNORECASE,
)
_ROUGHLY_CHARS = 16
_ROUGHLY_ENDS = ("~", "≈", ".")
_CLOSE_BEFORE = re.compile(r"[^\s*_]+\Z")
_CLOSE_AFTER = re.compile(r"[^\s*_]+")
_MARKS = re.compile(r"\D+")
_DECIMALS = re.compile(r"\d+")
_SMALL = 31
_TELLING_DIGITS = 4


@dataclass(slots=True)
class Figure:
    """A figure as it stands in a text. ``readings`` are what it may mean: values, each with its tolerance.

    ``unit`` is "%", a currency, "" for a plain number, or another unit. ``cell`` is its column in a table, -1 outside.
    ``count`` is a plain whole number, -1 for another one. ``source`` is the number that it was found at.
    """

    match: re.Match[str]
    number: str
    start: int
    line: int
    cell: int
    sign: int
    unit: str
    count: int
    readings: tuple[tuple[float, float], ...]
    parts: "tuple[Figure, ...]" = ()
    source: float | None = None

    @property
    def text(self) -> str:
        """The figure with its sign and the signs that stand close to it."""
        match, after = self.match, self.match.end("number")
        before = _CLOSE_BEFORE.search(match.string, match.start(), match.start("number"))
        close = _CLOSE_AFTER.match(match.string, after, match.end())
        return f"{before[0] if before else ''}{match['number']}{close[0] if close else ''}"

    @property
    def is_small(self) -> bool:
        """Return true for a whole number of things, as of rows or days."""
        return 0 <= self.count <= _SMALL

    @property
    def is_short(self) -> bool:
        """Return true for a figure of so few digits that another number may be the same by chance."""
        return len(_MARKS.sub("", self.number).lstrip("0")) < _TELLING_DIGITS

    @property
    def is_year(self) -> bool:
        """Return true for what may be a year."""
        return 1990 <= self.count < 2100

    @property
    def value(self) -> float:
        """The value that it was found at, or else its first reading."""
        return self.readings[0][0] if self.source is None else self.source


def read_figures(text: str) -> list[Figure]:
    """Return the figures of a text in order."""
    text = _NO_FIGURE.sub(_blank, text)
    return list(_read(text))


def _blank(match: re.Match[str]) -> str:
    """Spaces in the place of what is no figure; line breaks stay."""
    found = match[0]
    if found[0] in '"“':
        # A name, or words to ask with; an amount is one in quotes, too.
        return f" {_IN_NAMES.sub(_blank, _NO_FIGURE.sub(_blank, found[1:-1]))} "
    return "\n".join(" " * len(line) for line in found.split("\n")) if "\n" in found else " " * len(found)


def _read(text: str) -> Iterator[Figure]:
    for line, (begins, ends) in enumerate(_lines(text)):
        in_table = text[begins : begins + 4].lstrip().startswith("|")
        cell, at = 0 if in_table else -1, begins
        for match in _FIGURE.finditer(text, begins, ends):
            if in_table:
                cell, at = cell + text.count("|", at, match.start()), match.start()
            before = match["before"]
            # ENG-202611 is an id, and USD12 is not.
            if before is None or _unit(before) or match.string[match.end("before")].isspace():
                yield _figure(match, line, cell)


def _lines(text: str) -> Iterator[tuple[int, int]]:
    """The places where each line begins and ends."""
    begins = 0
    while begins <= len(text):
        ends = text.find("\n", begins)
        ends = len(text) if ends < 0 else ends
        yield begins, ends
        begins = ends + 1


def _figure(match: re.Match[str], line: int, cell: int) -> Figure:
    number, scale, after, before = match.group("number", "scale", "unit", "before")
    scale, written = scale or "", after or before or ""
    sign, unit = match["sign"] or match["sign2"] or match["sign3"] or "", _unit(written)
    rough = _is_rough(match.string, match.start())
    values, factors = _values(number, rough), _factors(scale, written, unit)
    figure = Figure(
        match=match,
        number=number,
        start=match.start("number"),
        line=line,
        cell=cell,
        sign=0 if not sign else 1 if sign == "+" else -1,
        unit=unit,
        count=int(number) if number.isdecimal() and not (unit or scale) else -1,
        readings=tuple([(value * factor, tolerance * factor) for value, tolerance in values for factor in factors]),
    )
    if match["group"] == " ":
        # Perhaps numbers beside each other.
        figure.parts = tuple(_part(each, figure) for each in number.split(" "))
    return figure


def _is_rough(text: str, start: int) -> bool:
    """Return true if a word before the figure says that it is about so much."""
    before = text[max(0, start - _ROUGHLY_CHARS) : start]
    word = before.rstrip(" \n\t*_")[-1:]
    return (word.isalpha() or word in _ROUGHLY_ENDS) and _ROUGHLY.search(
        text, max(0, start - _ROUGHLY_CHARS), start
    ) is not None


def _part(number: str, of: Figure) -> Figure:
    return replace(
        of,
        number=number,
        sign=0,
        count=int(number) if number.isdecimal() and not of.unit else -1,
        readings=tuple(_values(number, False)),
    )


def _unit(written: str) -> str:
    low = written.lower()
    if len(written) == 3 and written.isalpha() and written.isupper():
        return written if written in CURRENCIES else ""
    if low.rstrip("s") in _SYMBOLS:
        return _SYMBOLS[low.rstrip("s")]
    if low.startswith(("per", "pp")):
        return "%"
    if low.startswith(("sec", "min", "h", "day", "cent", "ct")):
        return {"s": "s", "m": "min", "h": "h", "d": "day", "c": "cent"}[low[0]]
    return written


def _factors(scale: str, written: str, unit: str) -> tuple[float, ...]:
    if written[-1:] == "B" and written[:1] in _BYTES and len(written) < 4:
        power = _BYTES.index(written[0]) + 1
        return 1, 1000.0**power, 1024.0**power
    factors = _UNITS.get(unit, (1,))
    if not scale:
        return factors
    by = _scale(scale)
    # "5m" may be minutes or meters, "5B" bytes.
    return tuple(each * by for each in factors) + (factors if scale in ("m", "B", "T") else ())


def _scale(scale: str) -> float:
    low = scale.lower()
    if low in ("bn", "mrd", "mrd.") or low.startswith("bil"):
        return 1e9
    if low == "tn" or scale == "T" or low.startswith("tril"):
        return 1e12
    return _SCALES[low[0]]


def _values(number: str, rough: bool) -> Iterator[tuple[float, float]]:
    """The meanings of the digits: a comma or a point may stand for thousands or for decimals."""
    if number.isdecimal():
        yield _valued(number, "", rough)
        return
    whole, _, decimals = number.rpartition(".")
    if len(decimals) != 3 and decimals.isdecimal() and (whole := whole.replace(",", "")).isdecimal():
        yield _valued(whole, decimals, rough)
        return
    digits, marks = _MARKS.sub("", number), _DECIMALS.sub("", number)
    last = marks[-1]
    after = len(number) - number.rfind(last) - 1
    decimals = digits[len(digits) - after :]
    can_group = after == 3 and (len(marks) == 1 or marks.count(last) == len(marks) or last == ",")
    if can_group and number[0] != "0":
        yield _valued(digits, "", rough)
    if last in ".," and marks.count(last) == 1 and not (len(marks) > 1 and can_group and last == ","):
        yield _valued(digits[: len(digits) - after], decimals, rough)


def _valued(whole: str, decimals: str, rough: bool) -> tuple[float, float]:
    value = float(f"{whole or 0}.{decimals or 0}")
    if rough:
        zeros = len(whole) - len(whole.rstrip("0")) if not decimals else -len(decimals)
        return value, float(10**zeros)
    return value, 0.5 * 10.0 ** -len(decimals)
