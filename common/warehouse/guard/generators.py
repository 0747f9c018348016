"""The rows that a query generates: generators and array literals, multiplied as joins multiply."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

from sqlglot import exp

from common.warehouse.guard.verdict import Denied

# What a generator is counted as where its bounds come from the data, or from an expression that is not folded here.
_FROM_DATA = 1_000
_UNFOLDED = 10_000
_MOST = 10**15

_SECONDS = {
    "MICROSECOND": 1e-6,
    "MILLISECOND": 1e-3,
    "SECOND": 1.0,
    "MINUTE": 60.0,
    "HOUR": 3_600.0,
    "DAY": 86_400.0,
    "WEEK": 604_800.0,
    "ISOWEEK": 604_800.0,
    "MONTH": 28 * 86_400.0,
    "QUARTER": 90 * 86_400.0,
    "YEAR": 365 * 86_400.0,
    "ISOYEAR": 364 * 86_400.0,
}
GENERATORS = (exp.GenerateSeries, exp.GenerateDateArray, exp.GenerateTimestampArray)


def check(tree: exp.Query, most: int) -> Mapping[int, int]:
    """Raise Denied when the query may make more than ``most`` rows without reading any.

    Returns the rows that each query in it makes, by the id of its node.
    """
    loose = 1
    for call in tree.find_all(*GENERATORS, exp.Array):
        if not isinstance(call.parent, exp.Unnest):
            loose = max(loose, array_length(call))
    sizes = _Sizes(loose, most)
    sizes.query(tree, {})
    return sizes.made


class _Sizes:
    def __init__(self, loose: int, most: int) -> None:
        self._loose = loose
        self._most = most
        self.made: dict[int, int] = {}

    def query(self, node: exp.Expr, outer: Mapping[str, int]) -> int:
        ctes = dict(outer)
        clause = node.args.get("with_")
        for cte in clause.expressions if clause is not None else ():
            ctes[cte.alias.casefold()] = self.query(cte.this, ctes)
        if isinstance(node, exp.Select):
            size = self._select(node, ctes)
        elif isinstance(node, exp.SetOperation):
            size = self.query(node.this, ctes) + self.query(node.expression, ctes)
        elif isinstance(node, exp.Subquery):
            size = self.query(node.this, ctes)
        else:
            size = 1
        if size > self._most:
            raise Denied("generator", f"The query makes more than {self._most} rows by itself; use smaller arrays.")
        self.made[id(node)] = max(size, self.made.get(id(node), 1))
        return size

    def _select(self, node: exp.Select, ctes: Mapping[str, int]) -> int:
        source = node.args.get("from_")
        rows = self._source(source.this, ctes) if source is not None else 1
        rows = self._joined(node, rows, ctes)
        inner = 1
        for name, value in node.args.items():
            if name not in ("with_", "from_", "joins"):
                for child in value if isinstance(value, list) else (value,):
                    if isinstance(child, exp.Expr):
                        inner = max(inner, self._inside(child, ctes))
        return min(rows * inner, _MOST)

    def _joined(self, node: exp.Expr, rows: int, ctes: Mapping[str, int]) -> int:
        for join in node.args.get("joins") or []:
            other = self._source(join.this, ctes)
            rows = max(rows, other) if _equi(join) else min(rows * other, _MOST)
        return rows

    def _source(self, node: exp.Expr, ctes: Mapping[str, int]) -> int:
        if isinstance(node, exp.Table):
            # A path of several parts may be an array; where it is a table, no generator made its rows.
            size = self._loose if node.db else ctes.get(node.name.casefold(), 1)
        elif isinstance(node, exp.Unnest):
            size = _product(self._unnested(array, ctes) for array in node.expressions)
        elif isinstance(node, exp.Subquery) and isinstance(node.this, exp.Table | exp.Subquery):
            size = self._source(node.this, ctes)
        else:
            size = self.query(node, ctes)
        return self._joined(node, size, ctes)

    def _unnested(self, node: exp.Expr, ctes: Mapping[str, int]) -> int:
        if isinstance(node, exp.Column | exp.Dot | exp.Bracket):
            return self._loose
        return self._inside(node, ctes)

    def _inside(self, root: exp.Expr, ctes: Mapping[str, int]) -> int:
        """The largest array or subquery in an expression."""
        most, stack = 1, [root]
        while stack:
            node = stack.pop()
            if isinstance(node, exp.Query):
                most = max(most, self.query(node, ctes))
                continue
            if isinstance(node, (*GENERATORS, exp.Array)):
                most = max(most, array_length(node))
            elif isinstance(node, exp.Unnest):
                most = max(most, *(self._unnested(array, ctes) for array in node.expressions))
            stack.extend(node.iter_expressions())
        return most


def _equi(join: exp.Join) -> bool:
    """Return true if a join matches rows by a column of each side, so that it does not multiply them."""
    if join.args.get("using"):
        return True
    condition = join.args.get("on")
    while isinstance(condition, exp.And | exp.Paren):
        if isinstance(condition, exp.And) and _matches(condition.expression):
            return True
        condition = condition.this
    return condition is not None and _matches(condition)


def _matches(node: exp.Expr) -> bool:
    if not isinstance(node, exp.EQ):
        return False
    left = {column.table.casefold() for column in node.this.find_all(exp.Column)}
    right = {column.table.casefold() for column in node.expression.find_all(exp.Column)}
    return bool(left and right) and left != right


def _product(sizes: Iterable[int]) -> int:
    result = 1
    for size in sizes:
        result = min(result * size, _MOST)
    return result


def array_length(node: exp.Expr) -> int:
    """Return the elements that an array literal or a generator makes at most; raise Denied where that is open."""
    if isinstance(node, exp.Array):
        return max(1, len(node.expressions))
    bounds = [node.args.get("start"), node.args.get("end")]
    if isinstance(node, exp.GenerateSeries):
        step = node.args.get("step")
        each = 1.0 if step is None else number(step)
        start, end = (number(bound) for bound in bounds)
    else:
        each = _step(node.args.get("step"))
        start, end = (_moment(bound) for bound in bounds)
    if start is None or end is None or not each:
        if any(node.find_all(exp.Column, exp.Query)):
            return _FROM_DATA
        if isinstance(node, exp.GenerateSeries):
            raise Denied("generator", "GENERATE_ARRAY takes plain numbers or values from your tables as bounds.")
        return _UNFOLDED
    return int(min(max(1.0, (end - start) / each + 1), _MOST))


def number(node: exp.Expr | None) -> float | None:
    """Return the number that the text alone determines, or None."""
    if isinstance(node, exp.Paren | exp.Cast):
        return number(node.this)
    if isinstance(node, exp.Neg):
        value = number(node.this)
        return None if value is None else -value
    if isinstance(node, exp.Add | exp.Sub | exp.Mul | exp.Div):
        left, right = number(node.this), number(node.expression)
        if left is None or right is None:
            return None
        if isinstance(node, exp.Div):
            return left / right if right else None
        return (
            left + right if isinstance(node, exp.Add) else left - right if isinstance(node, exp.Sub) else left * right
        )
    if isinstance(node, exp.HexString):
        return float(int(node.this, 16))
    try:
        return float(node.this) if isinstance(node, exp.Literal) else None
    except ValueError:
        return None


def _moment(node: exp.Expr | None) -> float | None:
    """Seconds since 1970 of a date or a time that the text alone determines."""
    if isinstance(node, exp.CurrentDate | exp.CurrentTimestamp | exp.CurrentDatetime):
        return datetime.now(UTC).timestamp()
    if isinstance(
        node, exp.Cast | exp.Paren | exp.DateTrunc | exp.TimestampTrunc | exp.LastDay | exp.Date | exp.Timestamp
    ):
        return None if node.args.get("expressions") else _moment(node.this)
    if isinstance(node, exp.DateAdd | exp.DateSub | exp.TimestampAdd | exp.TimestampSub):
        start, count = _moment(node.this), number(node.expression)
        unit = _SECONDS.get(str(node.text("unit")).upper())
        if start is None or count is None or unit is None:
            return None
        # A month is counted long here, where it makes a range longer.
        seconds = count * unit * (1.12 if unit >= _SECONDS["MONTH"] else 1.0)
        return start + seconds if isinstance(node, exp.DateAdd | exp.TimestampAdd) else start - seconds
    if isinstance(node, exp.DateFromParts):
        parts = [number(node.args.get(name)) for name in ("year", "month", "day")]
        if None in parts:
            return None
        return _civil("-".join(f"{int(part or 0):02d}" for part in parts).rjust(10, "0"))
    if isinstance(node, exp.Literal) and node.is_string:
        return _civil(node.this)
    return None


def _civil(text: str) -> float | None:
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(seconds=1)


def _step(node: exp.Expr | None) -> float | None:
    if node is None:
        return _SECONDS["DAY"]
    if not isinstance(node, exp.Interval):
        return None
    count, unit = number(node.this), _SECONDS.get(str(node.text("unit")).upper())
    return None if count is None or unit is None else count * unit
