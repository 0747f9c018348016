"""INSERT, UPDATE, DELETE and MERGE: their expressions are typed as a query over the same tables, then put back."""

from dataclasses import dataclass

from sqlglot import exp

from local.emulators.bigquery.analysis import analyze
from local.emulators.bigquery.checks import check, comparable
from local.emulators.bigquery.errors import invalid_query, unsupported
from local.emulators.bigquery.nodes import kind
from local.emulators.bigquery.rewrite import to_duckdb
from local.emulators.bigquery.statement import Statement
from local.emulators.bigquery.store import Store, Table, TableId
from local.emulators.bigquery.types import Field


@dataclass(frozen=True)
class Change:
    """A DML statement for DuckDB, run after ``first`` where there is one; each tells the number of rows it changed."""

    sql: str
    target: TableId
    columns: dict[TableId, set[str]]
    first: str | None = None


def compile_change(statement: Statement, store: Store) -> Change:
    """Translate a DML statement whose tables are resolved."""
    tree = statement.tree
    name = tree.this.this if isinstance(tree.this, exp.Schema) else tree.this
    if not isinstance(name, exp.Table):
        raise unsupported(f"this form of {statement.kind}")
    table = store.table(TableId(name.db, name.name))
    compiler = _Compiler(statement, store, table, name)
    if isinstance(tree, exp.Insert):
        sql = compiler.insert(tree)
    elif isinstance(tree, exp.Update):
        sql = compiler.update(tree)
    elif isinstance(tree, exp.Delete):
        sql = compiler.delete(tree)
    elif isinstance(tree, exp.Merge):
        sql = compiler.merge(tree)
    else:
        raise unsupported(f"{statement.kind} statements")
    return Change(sql, table.id, compiler.columns, compiler.first)


class _Compiler:
    """One statement on its way to DuckDB; `columns` collects what it reads."""

    def __init__(self, statement: Statement, store: Store, table: Table, name: exp.Table) -> None:
        self.statement, self.store, self.table, self.name = statement, store, table, name
        self.columns: dict[TableId, set[str]] = {}
        self.first: str | None = None

    @property
    def _alias(self) -> str:
        return f'"{self.name.alias_or_name}"'

    def insert(self, tree: exp.Insert) -> str:
        named = [c.name for c in tree.this.expressions] if isinstance(tree.this, exp.Schema) else None
        fields = self._named(named) if named else list(self.table.fields)
        source = tree.expression
        if isinstance(source, exp.Values):
            rows = [self._values(row, fields) for row in source.expressions]
            body = " UNION ALL ".join(rows)
        elif isinstance(source, exp.Query):
            body = self._query(source, fields)
        else:
            raise unsupported("this form of INSERT")
        listed = ", ".join(f'"{f.name}"' for f in fields)
        return f"INSERT INTO {self.table.id.sql} ({listed}) {body}"

    def _values(self, row: exp.Expr, fields: list[Field]) -> str:
        items = list(row.expressions) if isinstance(row, exp.Tuple) else [row]
        if len(items) != len(fields):
            raise invalid_query(
                f"Inserted row has wrong column count; Has {len(items)}, expected {len(fields)} at [1:1]"
            )
        items = [self._default(item) for item in items]
        return self._query(exp.Select(expressions=[exp.alias_(i, f"c{n}") for n, i in enumerate(items)]), fields)

    def _default(self, item: exp.Expr) -> exp.Expr:
        default = isinstance(item, exp.Column | exp.Var) and item.name.upper() == "DEFAULT"
        return exp.null() if default else item

    def _query(self, source: exp.Query, fields: list[Field]) -> str:
        analysis = self._analyze(source)
        selects = analysis.selects
        if len(selects) != len(fields):
            raise invalid_query(
                f"Inserted row has wrong column count; Has {len(selects)}, expected {len(fields)} at [1:1]"
            )
        for select, field in zip(selects, fields, strict=True):
            self._assignable(select.unalias(), field)
        columns = ", ".join(f'CAST(_source.c{n} AS {f.duckdb}) AS "{f.name}"' for n, f in enumerate(fields))
        names = ", ".join(f"c{n}" for n in range(len(fields)))
        return f"SELECT {columns} FROM ({to_duckdb(analysis)}) AS _source({names})"

    def update(self, tree: exp.Update) -> str:
        assignments = tree.expressions
        where = tree.args.get("where")
        if where is None:
            raise invalid_query("UPDATE must have a WHERE clause at [1:1]")
        fields = [self._field(a.left) for a in assignments]
        source = tree.args.get("from_") or tree.args.get("from")
        expressions = [a.right for a in assignments]
        select = self._select(expressions, [where.this], source.this if source is not None else None)
        values, (condition,) = self._translated(select, len(expressions), fields)
        sets = ", ".join(f'"{f.name}" = CAST({v} AS {f.duckdb})' for f, v in zip(fields, values, strict=True))
        other = f" FROM {self._source(select)}" if source is not None else ""
        return f"UPDATE {self.table.id.sql} AS {self._alias} SET {sets}{other} WHERE {condition}"

    def delete(self, tree: exp.Delete) -> str:
        where = tree.args.get("where")
        if where is None:
            raise invalid_query("DELETE must have a WHERE clause at [1:1]")
        select = self._select([], [where.this], None)
        _, (condition,) = self._translated(select, 0, [])
        return f"DELETE FROM {self.table.id.sql} AS {self._alias} WHERE {condition}"

    def merge(self, tree: exp.Merge) -> str:
        whens = tree.args["whens"].expressions
        arms = [_Arm(when, self) for when in whens]
        source = tree.args["using"]
        values = [v for arm in arms for v in arm.values]
        conditions = [tree.args["on"], *(arm.condition for arm in arms if arm.condition is not None)]
        select = self._select(values, conditions, source)
        fields = [f for arm in arms for f in arm.fields]
        texts, checks = self._translated(select, len(values), fields)
        on, remaining = checks[0], list(checks[1:])
        if _is_exchange(tree, arms):
            return self._exchange(arms, texts, remaining, self._source(select))
        clauses = []
        for arm in arms:
            condition = remaining.pop(0) if arm.condition is not None else None
            mine, texts = texts[: len(arm.values)], texts[len(arm.values) :]
            clauses.append(arm.clause(condition, mine))
        using = self._source(select)
        return f"MERGE INTO {self.table.id.sql} AS {self._alias} USING {using} ON {on} " + " ".join(clauses)

    def _exchange(self, arms: "list[_Arm]", values: list[str], conditions: list[str], source: str) -> str:
        """A MERGE ON FALSE: DuckDB would compare every pair of rows, so the old go first and then the new come."""
        statements = {}
        for arm in arms:
            where = f" WHERE {conditions.pop(0)}" if arm.condition is not None else ""
            mine, values = values[: len(arm.values)], values[len(arm.values) :]
            statements[arm.action] = (
                f"DELETE FROM {self.table.id.sql} AS {self._alias}{where}"
                if arm.action == "DELETE"
                else arm.insertion(self.table.id.sql, mine, source) + where
            )
        self.first = statements["DELETE"]
        return statements["INSERT"]

    def _select(self, values: list[exp.Expr], conditions: list[exp.Expr], source: exp.Expr | None) -> exp.Query:
        """The query that reads what the statement reads: values and conditions over target and source."""
        items = [exp.alias_(v.copy(), f"v{n}") for n, v in enumerate(values)]
        items += [exp.alias_(c.copy(), f"w{n}") for n, c in enumerate(conditions)]
        query = exp.select(*items).from_(self.name.copy())
        if source is not None:
            query = query.join(source.copy(), join_type="CROSS")
        return self._analyze(query)

    def _analyze(self, query: exp.Query) -> exp.Query:
        analysis = analyze(query, self.store, self.statement.tables)
        check(analysis.tree)
        for table_id, names in analysis.columns.items():
            self.columns.setdefault(table_id, set()).update(names)
        return analysis.tree

    def _translated(self, select: exp.Query, count: int, fields: list[Field]) -> tuple[list[str], list[str]]:
        expressions = [item.unalias() for item in select.selects]
        for value, field in zip(expressions[:count], fields, strict=True):
            self._assignable(value, field)
        for condition in expressions[count:]:
            if kind(condition) not in ("BOOL", "UNKNOWN", "NULL"):
                raise invalid_query(f"Condition should return type BOOL, but returns {kind(condition)} at [1:1]")
        # The whole query is rewritten at once, so that every node keeps its surroundings.
        to_duckdb(select)
        texts = [_sql(item.unalias()) for item in select.selects]
        return texts[:count], texts[count:]

    def _source(self, select: exp.Query) -> str:
        joins = select.args.get("joins") or []
        return _sql(joins[0].this)

    def _assignable(self, value: exp.Expr, field: Field) -> None:
        wanted = exp.var("target")
        wanted.type = exp.DataType.build(field.standard, dialect="bigquery")
        numbers = {"INT64": 0, "NUMERIC": 1, "FLOAT64": 2}
        found, target = kind(value), kind(wanted)
        narrowing = (
            found in numbers
            and target in numbers
            and numbers[found] > numbers[target]
            and not (isinstance(value.unnest(), exp.Literal | exp.Neg) and target == "NUMERIC")
        )
        if narrowing or not comparable(value, wanted):
            raise invalid_query(
                f"Value of type {found} cannot be assigned to {field.name}, which has type {field.standard} at [1:1]"
            )

    def _field(self, column: exp.Expr) -> Field:
        nested = column.args.get("table")
        if not isinstance(column, exp.Column) or (nested is not None and nested.name != self.name.alias_or_name):
            raise unsupported("assignments to members of a STRUCT")
        return self._named([column.name])[0]

    def _named(self, names: list[str]) -> list[Field]:
        known = {f.name.lower(): f for f in self.table.fields}
        for name in names:
            if name.lower() not in known:
                raise invalid_query(f"Column {name} is not present in table {self.table.id.table} at [1:1]")
        return [known[name.lower()] for name in names]


class _Arm:
    """One WHEN of a MERGE: what it needs computed, and its DuckDB clause."""

    def __init__(self, when: exp.When, compiler: _Compiler) -> None:
        self.matched = bool(when.args.get("matched"))
        self.by_source = bool(when.args.get("source"))
        self.condition: exp.Expr | None = when.args.get("condition")
        then = when.args["then"]
        self.action, self.fields, self.values = "DELETE", list[Field](), list[exp.Expr]()
        if isinstance(then, exp.Update):
            self.action = "UPDATE"
            self.fields = [compiler._field(a.left) for a in then.expressions]
            self.values = [a.right for a in then.expressions]
        elif isinstance(then, exp.Insert):
            self._read_insert(then, compiler)

    def _read_insert(self, then: exp.Insert, compiler: _Compiler) -> None:
        self.action = "INSERT"
        columns, values = then.this, then.expression
        if not isinstance(values, exp.Tuple | exp.Values | exp.Paren):
            raise unsupported("INSERT ROW in MERGE")
        items = values.expressions[0] if isinstance(values, exp.Values) else values
        self.values = list(items.expressions) if isinstance(items, exp.Tuple) else [items.unnest()]
        if isinstance(columns, exp.Tuple | exp.Paren | exp.Schema):
            names = [c.name for c in columns.expressions] if columns.expressions else [columns.this.name]
            self.fields = compiler._named(names)
        else:
            self.fields = list(compiler.table.fields)
        if len(self.fields) != len(self.values):
            raise invalid_query("Inserted row has wrong column count at [1:1]")

    def insertion(self, target: str, values: list[str], source: str) -> str:
        """The arm as a statement of its own, over every row of the source."""
        names = ", ".join(f'"{f.name}"' for f in self.fields)
        cast = ", ".join(f"CAST({v} AS {f.duckdb})" for f, v in zip(self.fields, values, strict=True))
        return f"INSERT INTO {target} ({names}) SELECT {cast} FROM {source}"

    def clause(self, condition: str | None, values: list[str]) -> str:
        head = "WHEN MATCHED" if self.matched else f"WHEN NOT MATCHED BY {'SOURCE' if self.by_source else 'TARGET'}"
        head += f" AND {condition}" if condition is not None else ""
        cast = [f"CAST({v} AS {f.duckdb})" for f, v in zip(self.fields, values, strict=True)]
        if self.action == "UPDATE":
            sets = ", ".join(f'"{f.name}" = {v}' for f, v in zip(self.fields, cast, strict=True))
            return f"{head} THEN UPDATE SET {sets}"
        if self.action == "INSERT":
            names = ", ".join(f'"{f.name}"' for f in self.fields)
            return f"{head} THEN INSERT ({names}) VALUES ({', '.join(cast)})"
        return f"{head} THEN DELETE"


def _is_exchange(tree: exp.Merge, arms: list[_Arm]) -> bool:
    """Say whether a MERGE joins nothing, removes rows of the target and inserts those of the source."""
    on = tree.args["on"].unnest()
    return (
        isinstance(on, exp.Boolean)
        and not on.this
        and sorted((arm.action, arm.by_source, arm.matched) for arm in arms)
        == [("DELETE", True, False), ("INSERT", False, False)]
    )


def _sql(node: exp.Expr) -> str:
    return str(node.sql(dialect="duckdb", identify=True))
