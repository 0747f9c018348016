"""Numbers of a bill as people and programs write them: one decimal mark per file, and nothing guessed."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal

from local.data.focus.cells import ValueProblem, shown

# BigQuery's NUMERIC: 29 digits before the point, 9 after it, rounded half away from zero.
NUMERIC_DIGITS = 29
NUMERIC_STEP = Decimal("0.000000001")
# DuckDB reads these itself, and as exactly; longer ones are read here.
CANONICAL = r"[+-]?[0-9]{1,25}([.][0-9]{0,40})?|[+-]?[0-9]{1,2}([.][0-9]{0,17})?[eE][+-]?[0-9]{1,2}"
CANONICAL_WITHOUT_POINT = r"[+-]?[0-9]{1,25}"
# A number whose point may part thousands: 1.234.
POINT_IN_DOUBT = r"[+-]?[1-9][0-9]{0,2}([.][0-9]{3})+"

_EXACT = Context(prec=200)
_PLAIN = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)
_COMMA_PLAIN = re.compile(r"[+-]?(\d+,?\d*|,\d+)([eE][+-]?\d{1,4})?", re.ASCII)
_SPACES = " '\u00a0\u202f\u2019"
_GROUPED_BY_COMMA = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?", re.ASCII)
_GROUPED_BY_POINT = re.compile(r"[+-]?[1-9]\d{0,2}(\.\d{3})+(,\d*)?", re.ASCII)
_ONE_GROUP = re.compile(r"[+-]?[1-9]\d{0,2}[.,]\d{3}", re.ASCII)
_BRACKETS = re.compile(r"\((.+)\)")
_CURRENCY_SIGN = re.compile(r"[$€£¥₹]|^[+-]?[A-Z]{3}\s|\s[A-Z]{3}$")
_SPACED_GROUPS = re.compile(rf"(?<=\d)[{_SPACES}](?=\d{{3}}(\D|$))")


@dataclass(frozen=True, slots=True)
class Notation:
    """The form of one file's numbers: its decimal mark, and whether it clearly parts thousands by the other."""

    decimal_comma: bool = False
    grouped: bool = False
    mixed: bool = False


POINTS = Notation()


def tell_notation(texts: Iterable[str], *, has_points: bool) -> Notation:
    """Tell a file's notation from its numbers that are not canonical; ``has_points`` where others have a point."""
    stripped = [_stripped(text) for text in texts]
    commas = any(_is_decimal_comma(text) for text in stripped)
    points = has_points or any(_is_decimal_point(text) for text in stripped)
    if commas and points:
        return Notation(mixed=True)
    return Notation(commas, any(_is_grouped_beyond_doubt(text, "." if commas else ",") for text in stripped))


def numeric(text: str, notation: Notation = POINTS) -> str:
    """Read a NUMERIC and return it as plain digits, rounded to nine decimals. Raises ValueProblem."""
    value = _exact(text, notation)
    if value.adjusted() < -NUMERIC_DIGITS:
        return "0"
    # A huge exponent must not be rounded before it is refused.
    rounded = value if value.adjusted() >= NUMERIC_DIGITS else value.quantize(NUMERIC_STEP, ROUND_HALF_UP, _EXACT)
    if rounded.adjusted() >= NUMERIC_DIGITS:
        raise ValueProblem(f"{shown(text)} is too large: at most {NUMERIC_DIGITS} digits before the decimal point")
    return f"{rounded:f}" if rounded else "0"


def floating(text: str, notation: Notation = POINTS) -> str:
    """Read a FLOAT: a finite number. Raises ValueProblem."""
    value = float(_exact(text, notation))
    if value in (float("inf"), float("-inf")):
        raise ValueProblem(f"{shown(text)} is too large")
    return repr(value)


def _exact(text: str, notation: Notation) -> Decimal:
    bare = _stripped(text)
    if _CURRENCY_SIGN.search(bare):
        raise ValueProblem(f"{shown(text)} has a currency sign; export plain numbers like -1234.56")
    if notation.mixed and "," in bare:
        raise ValueProblem(f"{shown(text)} has a decimal comma, other numbers of the file have a decimal point")
    if "," in bare or notation.decimal_comma:
        bare = _without_groups(text, bare, notation)
    if not _PLAIN.fullmatch(bare):
        raise ValueProblem(f"{shown(text)} is not a number (write it like -1234.56 or 1.2e-7)")
    value = Decimal(bare)
    return -value if _BRACKETS.fullmatch(text.strip()) else value


def _without_groups(text: str, bare: str, notation: Notation) -> str:
    """Return a number with the file's groups and decimal mark as one with a point only."""
    group = "." if notation.decimal_comma else ","
    grouped = _GROUPED_BY_POINT if notation.decimal_comma else _GROUPED_BY_COMMA
    if grouped.fullmatch(bare):
        if _ONE_GROUP.fullmatch(bare) and group in bare and not notation.grouped:
            raise ValueProblem(f"{shown(text)} may be a thousand or a decimal; export it without separators")
        bare = bare.replace(group, "")
    elif group in bare:
        raise ValueProblem(f"{shown(text)} is not a number (write it like -1234.56 or 1.2e-7)")
    return bare.replace(",", ".") if notation.decimal_comma else bare


def _stripped(text: str) -> str:
    bare = text.strip()
    inner = _BRACKETS.fullmatch(bare)
    bare = inner[1].strip() if inner and not inner[1].strip().startswith(("-", "+")) else bare
    return _SPACED_GROUPS.sub("", bare)


def _is_decimal_comma(text: str) -> bool:
    if _COMMA_PLAIN.fullmatch(text) and "," in text:
        return not _ONE_GROUP.fullmatch(text)
    return bool(_GROUPED_BY_POINT.fullmatch(text)) and "," in text


def _is_decimal_point(text: str) -> bool:
    if _PLAIN.fullmatch(text) and "." in text:
        return not _ONE_GROUP.fullmatch(text)
    return bool(_GROUPED_BY_COMMA.fullmatch(text)) and not _ONE_GROUP.fullmatch(text)


def _is_grouped_beyond_doubt(text: str, mark: str) -> bool:
    grouped = _GROUPED_BY_COMMA if mark == "," else _GROUPED_BY_POINT
    return bool(grouped.fullmatch(text)) and mark in text and not _ONE_GROUP.fullmatch(text)
