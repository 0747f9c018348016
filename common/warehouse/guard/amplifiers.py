"""The bytes of one call's result, from those of its arguments: what builds large values from small ones."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlglot import exp

from common.warehouse.guard.generators import GENERATORS, array_length, number
from common.warehouse.guard.verdict import Denied

__all__ = ["GENERATORS", "PLAIN", "RULES", "Sizes", "carried", "named"]

# A number, a date, a truth value, and what surrounds an element of an array.
PLAIN = 16
# The longest text of one conversion of FORMAT or of one element of a date's format.
_CONVERSION = 350
_DATE_ELEMENT = 20
_MOST = 10**15
_WIDTH = re.compile(r"%[-+ #0']*(\d+|\*)?(?:\.(\d+|\*))?")
_SUBSCRIPT = re.compile(r"\[\s*(\d+)\s*\]")
_JSON_NULL = 5


@dataclass(frozen=True, slots=True)
class Sizes:
    """The sizes of the nodes below one, by id, and the rows that an aggregate gathers."""

    known: Mapping[int, int]
    rows: int

    def of(self, node: object) -> int:
        """The bytes of a child; of several together, where it is a list."""
        if isinstance(node, list):
            return sum(self.of(each) for each in node)
        return self.known.get(id(node), 0)

    def all(self, node: exp.Expr) -> list[int]:
        """The bytes of every child."""
        return [self.of(child) for child in node.iter_expressions()]


Rule = Callable[[exp.Expr, Sizes], int]


def carried(node: exp.Expr, sizes: Sizes) -> int:
    """The most that an ordinary function gives: all its arguments together."""
    return min(sum(sizes.all(node)) + PLAIN, _MOST)


def named(node: exp.Expr) -> str:
    """The name of what builds a value, for a message."""
    return node.sql_name() if isinstance(node, exp.Func) else "The query"


def _plain(_: exp.Expr, __: Sizes) -> int:
    return PLAIN


def _largest(node: exp.Expr, sizes: Sizes) -> int:
    return max(sizes.all(node), default=PLAIN)


def _text(node: exp.Expr, _: Sizes) -> int:
    return len(str(node.this).encode("utf-8", "surrogatepass")) if node.args.get("is_string", True) else PLAIN


def _times(factor: int) -> Rule:
    return lambda node, sizes: min(sum(sizes.all(node)) * factor + PLAIN, _MOST)


def _cast(node: exp.Expr, sizes: Sizes) -> int:
    if node.args["to"].this.name in ("TEXT", "VARCHAR", "BINARY", "VARBINARY", "JSON", "ARRAY", "STRUCT"):
        written = node.args.get("format")
        return sizes.of(node.this) + sizes.of(written) * _DATE_ELEMENT + PLAIN
    return PLAIN


def _counted(node: exp.Expr, count: exp.Expr | None, what: str) -> int:
    value = _most_of(count)
    if value is None:
        raise Denied("value_size", f"{named(node)} takes a plain number as its {what}: 10, or LEAST(n, 10).")
    return int(min(max(value, 0), _MOST))


def _most_of(node: exp.Expr | None) -> float | None:
    """The largest number that an expression can be, as far as the text says it."""
    if isinstance(node, exp.Paren | exp.Cast):
        return _most_of(node.this)
    if isinstance(node, exp.Mod):
        return _most_of(node.expression)
    if isinstance(node, exp.Least):
        return min(
            (most for each in (node.this, *node.expressions) if (most := _most_of(each)) is not None), default=None
        )
    return number(node)


def _repeat(node: exp.Expr, sizes: Sizes) -> int:
    return min(sizes.of(node.this) * _counted(node, node.args.get("times"), "count"), _MOST)


def _pad(node: exp.Expr, sizes: Sizes) -> int:
    return max(_counted(node, node.expression, "length"), min(sizes.of(node.this), PLAIN))


def _replace(node: exp.Expr, sizes: Sizes) -> int:
    found = node.expression
    length = len(found.this) if isinstance(found, exp.Literal) and found.is_string else 1
    grown = sizes.of(node.this) * sizes.of(node.args.get("replacement")) // max(1, length)
    return min(max(sizes.of(node.this), grown), _MOST)


def _regexp_replace(node: exp.Expr, sizes: Sizes) -> int:
    # It may match between any two characters, and put in the whole text for each group.
    return min(sizes.of(node.this) * (1 + sizes.of(node.args.get("replacement"))), _MOST)


def _format(node: exp.Expr, sizes: Sizes) -> int:
    template = node.this
    if not isinstance(template, exp.RawString) and not (isinstance(template, exp.Literal) and template.is_string):
        raise Denied("value_size", "FORMAT takes a literal as its format; write it as one string.")
    size = len(template.this) + 4 * sizes.of(node.expressions)
    for width, precision in _WIDTH.findall(template.this.replace("%%", "")):
        if "*" in (width, precision):
            raise Denied("value_size", "FORMAT takes plain numbers as widths, not *; write the number.")
        size += _CONVERSION + int(width or 0) + int(precision or 0)
    return min(size, _MOST)


def _format_time(node: exp.Expr, sizes: Sizes) -> int:
    return sizes.of(node.args.get("format")) * _DATE_ELEMENT + PLAIN


def _joined(node: exp.Expr, sizes: Sizes) -> int:
    return min(sizes.of(node.this) * (1 + sizes.of(node.expression)) + sizes.of(node.args.get("null")), _MOST)


def _gathered(node: exp.Expr, sizes: Sizes) -> int:
    rows, inner = sizes.rows, node.this
    if isinstance(inner, exp.Limit):
        most = number(inner.expression)
        rows = rows if most is None else min(rows, int(max(most, 0)))
    return min(rows * (sizes.of(node.this) + sizes.of(node.args.get("separator")) + PLAIN), _MOST)


def _generated(node: exp.Expr, _: Sizes) -> int:
    return min(array_length(node) * PLAIN, _MOST)


def _json_path(node: exp.Expr, sizes: Sizes) -> int:
    """Setting an element far beyond the end of an array fills what is between with nulls."""
    size = sum(sizes.all(node)) + PLAIN
    for position, argument in enumerate(node.expressions):
        if isinstance(argument, exp.Literal | exp.RawString):
            size += sum(int(found) * _JSON_NULL for found in _SUBSCRIPT.findall(argument.this))
        elif position % 2 == 0:
            raise Denied("value_size", f"{named(node)} takes literals as its JSON paths; write them as strings.")
    return min(size, _MOST)


_PLAIN = (
    exp.Add, exp.Sub, exp.Mul, exp.Div, exp.IntDiv, exp.Mod, exp.Neg, exp.BitwiseAnd, exp.BitwiseOr, exp.BitwiseXor,
    exp.And, exp.Or, exp.Not, exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Is, exp.Like, exp.In, exp.Between,
    exp.Exists, exp.Null, exp.Boolean, exp.HexString, exp.Interval, exp.Identifier, exp.Var, exp.DataType, exp.Star,
    exp.Sum, exp.Avg, exp.Count, exp.CountIf, exp.ApproxDistinct, exp.Stddev, exp.StddevPop, exp.StddevSamp,
    exp.Variance, exp.VariancePop, exp.Corr, exp.CovarPop, exp.CovarSamp, exp.LogicalAnd, exp.LogicalOr,
    exp.Length, exp.ByteLength, exp.ArraySize, exp.StrPosition, exp.StartsWith, exp.EndsWith, exp.RegexpLike,
    exp.Round, exp.Ceil, exp.Floor, exp.Trunc, exp.Abs, exp.Sign, exp.Sqrt, exp.Pow, exp.Exp, exp.Ln, exp.Log,
    exp.SafeDivide, exp.SafeAdd, exp.SafeSubtract, exp.SafeMultiply, exp.SafeNegate, exp.Extract,
    exp.Date, exp.DateAdd, exp.DateSub, exp.DateDiff, exp.DateTrunc, exp.DateFromParts, exp.LastDay,
    exp.Timestamp, exp.TimestampAdd, exp.TimestampSub, exp.TimestampDiff, exp.TimestampTrunc,
    exp.Datetime, exp.DatetimeAdd, exp.DatetimeSub, exp.DatetimeDiff, exp.DatetimeTrunc,
    exp.CurrentDate, exp.CurrentTimestamp, exp.CurrentDatetime, exp.Rank, exp.DenseRank, exp.RowNumber, exp.Ntile,
    exp.PercentRank, exp.CumeDist, exp.PercentileCont, exp.FarmFingerprint, exp.Grouping,
    exp.UnixDate, exp.UnixSeconds, exp.UnixMillis, exp.UnixMicros, exp.JSONType, exp.Int64, exp.Float64, exp.JSONBool,
    exp.LaxInt64, exp.LaxFloat64, exp.LaxBool,
)  # fmt: skip
_LARGEST = (
    exp.If, exp.Case, exp.Coalesce, exp.Nullif, exp.Greatest, exp.Least, exp.Max, exp.Min, exp.AnyValue, exp.ArgMax,
    exp.ArgMin, exp.FirstValue, exp.LastValue, exp.NthValue, exp.Lag, exp.Lead, exp.Paren, exp.Alias, exp.Window,
    exp.Distinct, exp.Order, exp.Ordered, exp.Limit, exp.IgnoreNulls, exp.RespectNulls, exp.HavingMax, exp.Bracket,
    exp.Dot, exp.Substring, exp.Left, exp.Right, exp.Trim, exp.Upper, exp.Lower, exp.Reverse, exp.SafeFunc,
    exp.Where, exp.Having, exp.Group, exp.Qualify, exp.JSONExtract, exp.JSONExtractScalar, exp.RegexpExtract,
)  # fmt: skip
_DOUBLED = (exp.LowerHex, exp.ToBase64, exp.ToBase32, exp.JSONFormat, exp.Split, exp.RegexpExtractAll)
RULES: Mapping[type[exp.Expr], Rule] = {
    **dict.fromkeys(_PLAIN, _plain),
    **dict.fromkeys(_LARGEST, _largest),
    **dict.fromkeys((exp.Literal, exp.RawString, exp.ByteString), _text),
    **dict.fromkeys((exp.Cast, exp.TryCast), _cast),
    **dict.fromkeys(GENERATORS, _generated),
    **dict.fromkeys((exp.ArrayAgg, exp.ArrayConcatAgg, exp.GroupConcat), _gathered),
    **dict.fromkeys((exp.JSONSet, exp.JSONArrayInsert), _json_path),
    # Digits for bytes, escapes for quotes, numbers for characters.
    **dict.fromkeys(_DOUBLED, _times(2)),
    **dict.fromkeys((exp.Translate, exp.Normalize, exp.Initcap), _times(4)),
    exp.ToCodePoints: _times(8),
    exp.ArrayToString: _joined,
    exp.Format: _format,
    exp.Pad: _pad,
    exp.RegexpReplace: _regexp_replace,
    exp.Repeat: _repeat,
    exp.Replace: _replace,
    exp.TimeToStr: _format_time,
}  # fmt: skip
