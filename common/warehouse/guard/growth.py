"""The bytes that a query's values may grow to, from its text alone: REPEAT and its like, counted as they are nested."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sqlglot import exp

from common.warehouse.guard import amplifiers
from common.warehouse.guard.amplifiers import Sizes
from common.warehouse.guard.resolve import until_queries
from common.warehouse.guard.verdict import Denied

# A column of a table, and the rows of one: what the text makes of them is counted, not what the data is.
_COLUMN = 200
_TABLE_ROWS = 1_000
# Values up to this size may be on every row that a query makes.
_SMALL = 1_000
_ALL_VALUES = 100

# The columns of a FROM item by name, casefolded; those without a name of their own are under the star.
Row = Mapping[str, int]
_STAR = "*"


def check(tree: exp.Query, rows: Mapping[int, int], most: int) -> None:
    """Raise Denied where a value may grow past ``most`` bytes, or all values of one clause past a hundred times that.

    ``rows`` are the rows that each SELECT makes by itself, by the id of its node.
    """
    _Growth(rows, most).query(tree, {}, None)


@dataclass(slots=True)
class _Scope:
    """The FROM items that an expression sees, and the rows that it is computed for."""

    outer: "_Scope | None"
    rows: int = 1
    sources: dict[str, Row] = field(default_factory=dict)

    def size(self, parts: list[str]) -> int:
        """The bytes of a column path; of a whole row, where the path is the name of a FROM item."""
        names = [part.casefold() for part in parts]
        scope: _Scope | None = self
        while scope is not None:
            source = scope.sources.get(names[0])
            if source is not None:
                return _field(source, names[1]) if len(names) > 1 else sum(source.values())
            found = [row[names[0]] for row in scope.sources.values() if names[0] in row]
            unnamed = [row[_STAR] for row in scope.sources.values() if _STAR in row]
            if found or unnamed:
                return max(found or unnamed)
            scope = scope.outer
        return _COLUMN

    def add(self, name: str | None, row: Row) -> None:
        self.sources[name.casefold() if name else f" {len(self.sources)}"] = row


class _Growth:
    def __init__(self, rows: Mapping[int, int], most: int) -> None:
        self._rows = rows
        self._most = most

    def query(self, node: exp.Expr, outer_ctes: Mapping[str, Row], outer: _Scope | None) -> Row:
        """Return the sizes of the columns of a query."""
        ctes = dict(outer_ctes)
        clause = node.args.get("with_")
        for cte in clause.expressions if clause is not None else ():
            ctes[cte.alias.casefold()] = self.query(cte.this, ctes, None)
        if isinstance(node, exp.Select):
            return self._select(node, ctes, outer)
        if isinstance(node, exp.SetOperation):
            left, right = self.query(node.this, ctes, outer), self.query(node.expression, ctes, outer)
            # Columns of both sides match by their places, which a star hides.
            widest = max(right.values(), default=0)
            row = {name: max(size, widest) for name, size in left.items()}
        else:
            row = dict(self.query(node.this, ctes, outer)) if isinstance(node.this, exp.Query) else {}
        scope = _Scope(outer, sources={"": row})
        self._rest(node, scope, ctes, {"this", "expression", "with_", "alias", "joins", "pivots"})
        return row

    def _select(self, node: exp.Select, ctes: Mapping[str, Row], outer: _Scope | None) -> Row:
        scope = _Scope(outer, self._rows.get(id(node), 1))
        source = node.args.get("from_")
        if source is not None:
            self._source(source.this, scope, ctes)
            if any(isinstance(table, exp.Table) for table in (source.this, *_joined(node))):
                scope.rows = max(scope.rows, _TABLE_ROWS)
        self._joins(node, scope, ctes)
        row: dict[str, int] = {}
        for item in node.expressions:
            self._item(item, row, scope, ctes)
        # ORDER BY, HAVING and their like see the names of the select list too.
        scope.sources[" select"] = row
        self._rest(node, scope, ctes, {"with_", "from_", "joins", "expressions"})
        return row

    def _item(self, item: exp.Expr, row: dict[str, int], scope: _Scope, ctes: Mapping[str, Row]) -> None:
        size = self._value(item, scope, ctes)
        if isinstance(item, exp.Star) or (isinstance(item, exp.Column) and isinstance(item.this, exp.Star)):
            wanted = item.table.casefold() if isinstance(item, exp.Column) else None
            for name, source in scope.sources.items():
                if wanted in (None, name):
                    row.update({column: max(each, row.get(column, 0)) for column, each in source.items()})
        else:
            name = item.alias_or_name.casefold() or f" {len(row)}"
            row[name] = max(size, row.get(name, 0))

    def _joins(self, node: exp.Expr, scope: _Scope, ctes: Mapping[str, Row]) -> None:
        for join in node.args.get("joins") or []:
            self._source(join.this, scope, ctes)
            if join.args.get("on") is not None:
                self._value(join.args["on"], scope, ctes)

    def _source(self, node: exp.Expr, scope: _Scope, ctes: Mapping[str, Row]) -> None:
        row: Row = {_STAR: _COLUMN}
        if isinstance(node, exp.Table):
            parts = [part.name for part in node.parts]
            if len(parts) == 1:
                row = ctes.get(parts[0].casefold(), row)
            elif parts[0].casefold() in scope.sources:
                row = {_STAR: scope.size(parts[:2])}
        elif isinstance(node, exp.Unnest):
            row = {_STAR: max(self._element(array, scope, ctes) for array in node.expressions)}
        elif isinstance(node.this, exp.Table | exp.Subquery) and not node.alias:
            self._source(node.this, scope, ctes)
        else:
            row = self.query(node, ctes, scope.outer)
        for pivot in node.args.get("pivots") or []:
            inner = _Scope(scope.outer, scope.rows, {"": row})
            self._rest(pivot, inner, ctes, {"alias", "columns"})
            row = {_STAR: max(row.values(), default=_COLUMN)}
        scope.add(node.alias_or_name, row)
        self._joins(node, scope, ctes)

    def _element(self, array: exp.Expr, scope: _Scope, ctes: Mapping[str, Row]) -> int:
        if isinstance(array, amplifiers.GENERATORS):
            return amplifiers.PLAIN  # as many as they are, each is small
        size = self._value(array, scope, ctes)
        if isinstance(array, exp.Array) and array.expressions and not isinstance(array.expressions[0], exp.Query):
            return max(self._value(item, scope, ctes) for item in array.expressions)
        return size

    def _rest(self, node: exp.Expr, scope: _Scope, ctes: Mapping[str, Row], done: set[str]) -> None:
        for name, value in node.args.items():
            if name not in done:
                for child in value if isinstance(value, list) else (value,):
                    if isinstance(child, exp.Expr):
                        self._value(child, scope, ctes)

    def _value(self, root: exp.Expr, scope: _Scope, ctes: Mapping[str, Row]) -> int:
        """The bytes of an expression, its innermost parts first and without recursion: a text may chain thousands."""
        sizes: dict[int, int] = {}
        nodes = list(until_queries(root))
        # What an aggregate has gathered is on few rows; the values that it gathers are counted in it.
        rows = 1 if any(_gathers(node) for node in nodes) else scope.rows
        for node in reversed(nodes):
            size = self._node(node, sizes, scope, ctes)
            if size > self._most or (size > _SMALL and size * rows > self._most * _ALL_VALUES):
                raise Denied(
                    "value_size",
                    f"{amplifiers.named(node)} may build values of more than {self._most} bytes, or too many large "
                    "ones; use smaller counts, widths and arrays.",
                )
            sizes[id(node)] = size
        return sizes[id(root)]

    def _node(self, node: exp.Expr, sizes: dict[int, int], scope: _Scope, ctes: Mapping[str, Row]) -> int:
        if isinstance(node, exp.Column):
            return scope.size([part.name for part in node.parts])
        if isinstance(node, exp.Query) and not isinstance(node, exp.Table):
            size = max(self.query(node, ctes, scope).values(), default=0)
            return size * self._rows.get(id(node), 1) if isinstance(node.parent, exp.Array) else size
        rule: Callable[[exp.Expr, Sizes], int] = amplifiers.RULES.get(type(node), amplifiers.carried)
        return rule(node, Sizes(sizes, scope.rows if scope.rows != _TABLE_ROWS else 1))


def _gathers(node: exp.Expr) -> bool:
    if not isinstance(node, exp.ArrayAgg | exp.ArrayConcatAgg | exp.GroupConcat):
        return False
    around = node.parent
    while isinstance(around, exp.IgnoreNulls | exp.RespectNulls | exp.SafeFunc):
        around = around.parent
    return not isinstance(around, exp.Window)


def _joined(node: exp.Select) -> list[exp.Expr]:
    return [join.this for join in node.args.get("joins") or []]


def _field(row: Row, name: str) -> int:
    return row.get(name, row.get(_STAR, max(row.values(), default=_COLUMN)))
