"""The guard's own resolver: every FROM item ends as a CTE, an array or a real table, by GoogleSQL's lexical scoping."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from sqlglot import exp

from common.tenant import Tenant
from common.warehouse.guard import names
from common.warehouse.guard.names import RealTable
from common.warehouse.guard.rules import Rules
from common.warehouse.guard.scope import Scope, Source, check_column, refused_column
from common.warehouse.guard.verdict import Denied

_NEED_PARENTHESES = ("order", "limit", "offset", "with_")


@dataclass(frozen=True, slots=True)
class Reference:
    """The meaning of one Table node. ``table`` is set for a real table."""

    node: exp.Table
    kind: Literal["cte", "array", "real"]
    table: RealTable | None = None


@dataclass(slots=True)
class Resolver:
    """Walks one query and collects its references; raises Denied at what it cannot place."""

    tenant: Tenant
    rules: Rules
    columns: bool = True
    references: list[Reference] = field(default_factory=list)

    def resolve(self, tree: exp.Query) -> list[Reference]:
        """Return what every Table node of the tree means, or raise Denied."""
        self._query(tree, Scope({}))
        visited = {id(reference.node) for reference in self.references}
        for node in tree.find_all(exp.Table):
            if id(node) not in visited:
                raise Denied("construct", "A table is named outside FROM and JOIN; read it in a FROM clause.")
        if sum(reference.table is not None for reference in self.references) > self.rules.max_tables:
            raise Denied("too_many_tables", f"At most {self.rules.max_tables} tables may be read by one query.")
        if self.columns and self.rules.restrict_columns:
            self._hidden_anywhere(tree)
        return self.references

    def _hidden_anywhere(self, tree: exp.Query) -> None:
        """Refuse a secret column by name even where it is reached through a CTE, a struct or a join key."""
        tables = [reference.table.shared for reference in self.references if reference.table is not None]
        hidden = {column: table for table in tables if table is not None for column in table.secrets}
        if not hidden:
            return
        for node in tree.find_all(exp.Identifier):
            name = node.name.casefold()
            if name in hidden and not isinstance(node.parent, exp.TableAlias):
                raise refused_column(node.name, hidden[name])

    def _query(self, node: exp.Expr, outer: Scope) -> None:
        ctes = self._with(node, outer)
        scope = Scope(ctes, outer)
        if isinstance(node, exp.Select):
            self._select(node, scope)
        elif isinstance(node, exp.SetOperation):
            for arm in (node.this, node.expression):
                if not isinstance(arm, exp.Subquery) and any(arm.args.get(name) for name in _NEED_PARENTHESES):
                    raise Denied("construct", "ORDER BY, LIMIT or WITH in one side of a UNION needs parentheses.")
            self._query(node.this, scope)
            self._query(node.expression, scope)
            self._rest(node, scope, {"this", "expression", "with_"})
        elif isinstance(node, exp.Subquery) and isinstance(node.this, exp.Query):
            if node.args.get("alias") or node.args.get("pivots") or node.args.get("joins"):
                raise Denied("construct", "A parenthesised query here may not carry an alias, a join or a PIVOT.")
            self._query(node.this, scope)
            self._rest(node, scope, {"this", "with_"})
        else:
            raise Denied("construct", "A SELECT is expected in the parentheses.")

    def _with(self, node: exp.Expr, outer: Scope) -> dict[str, exp.CTE]:
        ctes = dict(outer.ctes)
        clause = node.args.get("with_")
        if clause is None:
            return ctes
        if clause.args.get("recursive"):
            raise Denied("recursive", "Recursive CTEs are not allowed; use GENERATE_ARRAY or GENERATE_DATE_ARRAY.")
        declared: set[str] = set()
        for cte in clause.expressions:
            alias = cte.args["alias"]
            if alias.args.get("columns"):
                raise Denied("construct", "A CTE may not list its columns; name them in its SELECT.")
            names.check_alias(alias.name, self.tenant)
            name = alias.name.casefold()
            if name in declared:
                raise Denied("name", f"The CTE {alias.name} is defined twice.")
            # A CTE does not see itself, later ones, or columns of the query around it.
            self._query(cte.this, Scope(dict(ctes)))
            declared.add(name)
            ctes[name] = cte
        return ctes

    def _select(self, node: exp.Select, scope: Scope) -> None:
        source = node.args.get("from_")
        if source is not None:
            self._source(source.this, scope)
        self._joins(node, scope)
        scope.aliases |= {item.alias.casefold() for item in node.expressions if isinstance(item, exp.Alias)}
        self._rest(node, scope, {"with_", "from_", "joins"})

    def _joins(self, node: exp.Expr, scope: Scope) -> None:
        for join in node.args.get("joins") or []:
            self._source(join.this, scope)
            for using in join.args.get("using") or []:
                self._expression(using, scope)
                self._column([using.name], scope)
            if join.args.get("on") is not None:
                self._expression(join.args["on"], scope)

    def _source(self, node: exp.Expr, scope: Scope) -> None:
        if isinstance(node, exp.Table):
            source = self._table(node, scope)
        elif isinstance(node, exp.Unnest):
            source = self._unnest(node, scope)
        elif isinstance(node, exp.Select | exp.SetOperation):
            # The first item of a parenthesised join: its parentheses are the node around it.
            raise Denied("construct", "A query in FROM needs its own parentheses.")
        elif isinstance(node, exp.Subquery):
            source = self._parenthesised(node, scope)
        else:
            raise Denied("construct", "FROM reads tables, subqueries, CTEs and UNNEST only.")
        for pivot in node.args.get("pivots") or []:
            inner = Scope(scope.ctes, scope.outer)
            inner.add(None, source)
            self._rest(pivot, inner, {"alias", "columns"})
            if pivot.args.get("alias") is not None:
                names.check_alias(pivot.args["alias"].name, self.tenant)
                scope.add(pivot.args["alias"].name, Source("derived"))
        self._joins(node, scope)

    def _parenthesised(self, node: exp.Subquery, scope: Scope) -> Source:
        alias = node.args.get("alias")
        if isinstance(node.this, exp.Table | exp.Subquery) and not (
            isinstance(node.this, exp.Subquery) and alias is not None
        ):
            if alias is not None:
                raise Denied("construct", "A parenthesised join may not carry an alias.")
            if any(node.args.get(name) for name in ("with_", "order", "limit", "offset")):
                raise Denied("construct", "Write ORDER BY and LIMIT inside the parentheses.")
            self._source(node.this, scope)
            return Source("derived")
        if isinstance(node.this, exp.Select | exp.SetOperation | exp.Subquery):
            # A subquery in FROM sees the query around this one, not its neighbours in FROM.
            around = Scope(scope.ctes, scope.outer)
            inner = Scope(self._with(node, around), scope.outer)
            self._query(node.this, inner)
            self._rest(node, inner, {"this", "with_", "alias", "pivots", "joins"})
            source = Source("derived")
            self._name(alias, scope, source)
            return source
        raise Denied("construct", "FROM reads tables, subqueries, CTEs and UNNEST only.")

    def _name(self, alias: exp.Expr | None, scope: Scope, source: Source, default: str | None = None) -> None:
        if alias is None:
            scope.add(default, source)
            return
        if alias.args.get("columns"):
            raise Denied("construct", "A table alias may not list columns; name them in a SELECT.")
        names.check_alias(alias.name, self.tenant)
        scope.add(alias.name, source)

    def _unnest(self, node: exp.Unnest, scope: Scope) -> Source:
        for array in node.expressions:
            self._expression(array, scope)
        source = Source("array")
        alias = node.args.get("alias")
        if alias is None:
            scope.add(None, source)
        else:
            for name in [alias.args.get("this"), *(alias.args.get("columns") or [])]:
                if name is not None:
                    names.check_alias(name.name, self.tenant)
                    scope.add(name.name, source)
        offset = node.args.get("offset")
        if isinstance(offset, exp.Expr):
            names.check_alias(offset.name, self.tenant)
            scope.add(offset.name, Source("array"))
        return source

    def _table(self, node: exp.Table, scope: Scope) -> Source:
        parts = names.path_parts(node)
        for part in parts:
            names.check_identifier(part)
        sample = node.args.get("sample")
        version = node.args.get("version")
        for clause in (sample, version):
            if clause is not None:
                self._rest(clause, Scope(scope.ctes), set())
        if not parts:
            raise Denied("table_name", "A table name is missing after FROM or JOIN.")
        quoted_whole = bool(node.meta.get("quoted_table"))
        if len(parts) == 1 and parts[0].casefold() in scope.ctes:
            source = Source("cte")
            self._plain(node, "a CTE")
            self.references.append(Reference(node, "cte"))
            self._name(node.args.get("alias"), scope, source, parts[0])
        elif len(parts) > 1 and not quoted_whole and scope.find(parts[0]) is not None:
            self._plain(node, "an array")
            self._column(parts, scope)
            source = Source("array")
            self.references.append(Reference(node, "array"))
            self._name(node.args.get("alias"), scope, source, parts[-1])
        else:
            table = names.real_table(parts, self.tenant, self.rules)
            if table.shared is not None:
                if version is not None:
                    raise Denied("time_travel", f"FOR SYSTEM_TIME may not be used on shared table {table.name}.")
                if sample is not None:
                    raise Denied("sample", f"TABLESAMPLE may not be used on shared table {table.name}.")
            if table.metadata:
                self._described(node, parts)
            source = Source("shared" if table.shared else "own", table.shared, table.path)
            self.references.append(Reference(node, "real", table))
            self._name(node.args.get("alias"), scope, source, table.alias)
        return source

    def _described(self, node: exp.Table, parts: list[str]) -> None:
        self._plain(node, "a metadata view")
        alias = node.args.get("alias")
        # The parser gives these views an alias of its own: a name that no query can write.
        if alias is not None and alias.name == ".".join(parts) and "." in alias.name:
            node.set("alias", None)

    def _plain(self, node: exp.Table, what: str) -> None:
        if node.args.get("version") is not None or node.args.get("sample") is not None:
            raise Denied("construct", f"TABLESAMPLE and FOR SYSTEM_TIME may not be used on {what}.")

    def _rest(self, node: exp.Expr, scope: Scope, done: set[str]) -> None:
        for name, value in node.args.items():
            if name in done:
                continue
            for child in value if isinstance(value, list) else (value,):
                if isinstance(child, exp.Expr):
                    self._expression(child, scope)

    def _expression(self, node: exp.Expr, scope: Scope) -> None:
        for child in until_queries(node):
            if isinstance(child, exp.Query) and not isinstance(child, exp.Table):
                self._query(child, scope)
            elif isinstance(child, exp.Identifier):
                names.check_identifier(child.name)
            elif isinstance(child, exp.Column):
                self._shorten(child, scope)
                star = isinstance(child.this, exp.Star)
                parts = [part.name for part in child.parts if not isinstance(part, exp.Star)]
                if parts and not (star and len(parts) == 1):
                    self._column(parts, scope)
            elif isinstance(child, exp.Star):
                qualifier = child.parent.args.get("table") if isinstance(child.parent, exp.Column) else None
                for item in child.args.get("except_") or []:
                    self._column([qualifier.name, item.name] if qualifier is not None else [item.name], scope)

    def _shorten(self, column: exp.Column, scope: Scope) -> None:
        """Name the table of ``dataset.table.column`` as BigQuery does: by the last part of its path."""
        parts: list[exp.Expr] = list(column.parts)
        # Before a subscript the parser keeps a quoted path as one name.
        parts[:1] = [exp.to_identifier(name, quoted=True) for name in parts[0].name.split(".")]
        path = [part.name for part in parts]
        if len(parts) < 3 or scope.find(path[0]) is not None:
            return
        for length, whole in ((3, path[:3]), (2, [self.tenant.project_id, *path[:2]])):
            found = scope.names_of(".".join(whole))
            # The parser takes the star behind a quoted path for a name, and forgets its EXCEPT.
            if len(found) == 1 and len(parts) > length and (path[-1] != "*" or isinstance(parts[-1], exp.Star)):
                rest = [*reversed(parts[length:]), exp.to_identifier(found[0]), None, None, None]
                for key, part in zip(("this", "table", "db", "catalog"), rest, strict=False):
                    column.set(key, part)
                return
        if path[0] in (self.tenant.project_id, self.tenant.dataset, self.tenant.organizations_dataset):
            raise Denied("name", f"Write alias.column instead of {'.'.join(path)}, with the alias of a table in FROM.")

    def _column(self, parts: list[str], scope: Scope) -> None:
        if self.columns and self.rules.restrict_columns:
            check_column(parts, scope)


def until_queries(root: exp.Expr) -> Iterator[exp.Expr]:
    """Yield the nodes of an expression, and the queries inside it without what is in them."""
    stack = [root]
    while stack:
        node = stack.pop()
        yield node
        if not isinstance(node, exp.Query) or isinstance(node, exp.Table):
            stack.extend(node.iter_expressions())
