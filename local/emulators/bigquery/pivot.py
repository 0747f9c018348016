"""The columns of a PIVOT: BigQuery names them aggregate_value, DuckDB value_aggregate."""

from sqlglot import exp

from local.emulators.bigquery.errors import unsupported


def rename(tree: exp.Expr) -> None:
    """Let a resolved tree name the columns of its PIVOTs as DuckDB does; their aliases keep BigQuery's names."""
    for pivot in list(tree.find_all(exp.Pivot)):
        aggregates = [item.alias for item in pivot.expressions if isinstance(item, exp.Alias)]
        if not aggregates:
            continue
        if len(pivot.args["fields"]) != 1:
            raise unsupported("PIVOT over several columns")
        values = [_label(item) for item in pivot.args["fields"][0].expressions]
        names = {f"{a}_{v}".lower(): f"{v}_{a}" for a in aggregates for v in values}
        for column in list(tree.find_all(exp.Column)):
            wanted = names.get(column.name.lower())
            if wanted is not None and column.table.lower() == pivot.alias.lower():
                if isinstance(column.parent, exp.Select):
                    column.replace(exp.alias_(exp.column(wanted, table=column.table), column.name))
                else:
                    column.set("this", exp.to_identifier(wanted))
        if pivot.args.get("alias") is not None:
            pivot.args["alias"].set("columns", None)


def _label(item: exp.Expr) -> str:
    return item.alias if isinstance(item, exp.PivotAlias | exp.Alias) else item.name
