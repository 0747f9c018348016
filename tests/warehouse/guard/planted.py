"""Two organisations' rows in Google's own evaluator: what an admitted query really reads, and whose values come out."""

import functools
import json
from collections.abc import Sequence
from typing import Any

from common.tenant import Tenant, parse_org_slug
from tests import googlesql

TENANT = Tenant(parse_org_slug("acme"), "acme-project", "organizations")
USER = "u1"
# In every string of the other organisation, and of the other person of the same one.
OTHER = "globex"
OTHER_PERSON = "somebody-else"

_STRINGS = ("x", "y", "z", "org_slug", "user_id", "provider", "encrypted_credential")
_OWN: list[dict[str, Any]] = [
    *({"name": name, "type": "STRING"} for name in _STRINGS),
    {"name": "n", "type": "INTEGER"},
    {"name": "d", "type": "DATE"},
    {"name": "tags", "type": "STRING", "mode": "REPEATED"},
    {
        "name": "items",
        "type": "RECORD",
        "mode": "REPEATED",
        "fields": [{"name": "sku", "type": "STRING"}, {"name": "q", "type": "INTEGER"}],
    },
]
_OWN_TABLES = ("spend", "usage", "org_profiles", "a", "b", "c1", "g")


def tables_seen(sql: str) -> list[tuple[str, ...]]:
    """Return the table paths that GoogleSQL's parser finds in a statement, each as its segments as written.

    Raises RefusedError where it cannot read the statement.
    """
    googlesql._zetasql()
    from zetasql.api import Analyzer

    # This parser takes no options and knows no QUALIFY; as a HAVING it names the same tables.
    readable = sql if " HAVING " in sql else sql.replace(" QUALIFY ", " HAVING ")
    try:
        return [tuple(name.table_name_segment) for name in Analyzer.extract_table_names(readable)]
    except Exception as error:
        raise googlesql.RefusedError(str(error).split("\n")[0]) from error


def whole_path(segments: Sequence[str]) -> str:
    """Return the whole path that segments mean for the planted tenant, whose own dataset is the default one."""
    parts = ".".join(segments).split(".")
    if "INFORMATION_SCHEMA" in (upper := [part.upper() for part in parts]):
        start = upper.index("INFORMATION_SCHEMA")
        parts = [*parts[:start], ".".join(upper[start:])]
    return ".".join([*[TENANT.project_id, TENANT.dataset][: 3 - len(parts)], *parts])


def run(sql: str) -> str:
    """Execute a statement over the planted rows and return everything that came out, as text.

    Raises RefusedError where GoogleSQL does not accept it or it fails at run time.
    """
    try:
        with _prepared(sql) as query:
            return str(query.execute().content)
    except Exception as error:
        raise googlesql.RefusedError(str(error).split("\n")[0]) from error


def check(sql: str) -> None:
    """Raise RefusedError where GoogleSQL's analysis does not accept a statement over the planted tables."""
    try:
        _prepared(sql).close()
    except Exception as error:
        if "[UNIMPLEMENTED]" in str(error):
            return  # analysed, and then not executable: the evaluator lacks some aggregates
        raise googlesql.RefusedError(str(error).split("\n")[0]) from error


def _prepared(sql: str) -> Any:
    googlesql._zetasql()
    from zetasql.api import PreparedQuery

    options, catalog = _world()
    builder = PreparedQuery.builder().set_sql(sql).set_analyzer_options(options).set_registered_catalog_id(catalog)
    return builder.prepare()


@functools.cache
def _world() -> tuple[Any, int]:
    """The options, and the catalog registered with its rows."""
    from zetasql.api import CatalogBuilder, TableBuilder
    from zetasql.core import ZetaSqlLocalService

    types = googlesql._zetasql()
    language = googlesql._language()
    options = types.AnalyzerOptions(language_options=language, default_timezone="UTC")
    builder = CatalogBuilder("planted")
    content = {}
    for path, fields, rows in _tables():
        table = TableBuilder(path)
        for field in fields:
            table.add_column(field["name"], googlesql._field_type(field))
        builder.add_table(table.build())
        content[path] = types.TableContent(table_data=types.TableData(row=rows))
    builtins = types.ZetaSQLBuiltinFunctionOptions(language_options=language)
    catalog = builder.with_builtin_functions(builtins).build()
    service = ZetaSqlLocalService.get_instance()
    registered = service.register_catalog(simple_catalog=catalog, table_content=content)
    return options, registered.registered_id


def _tables() -> list[tuple[str, list[dict[str, Any]], list[Any]]]:
    found: list[tuple[str, list[dict[str, Any]], list[Any]]] = []
    for org in (TENANT.org_slug, OTHER):
        for name in _OWN_TABLES:
            rows = [_row(_OWN, org, "u1"), _row(_OWN, org, "u2")]
            found += [(f"{project}{org}_prod.{name}", _OWN, rows) for project in ("acme-project.", "")]
    for name, fields in googlesql.product_tables("acme_prod").items():
        dataset = name.split(".")[0]
        columns = [dict(field) for field in fields]
        owners: list[tuple[str, str]] = [(TENANT.org_slug, USER)]
        if dataset == "organizations":
            owners += [(OTHER, USER)]
            owners += [(TENANT.org_slug, OTHER_PERSON)] if name.endswith("org_chat_conversations") else []
        found.append((f"acme-project.{name}", columns, [_row(columns, *owner) for owner in owners]))
    return found


def _row(fields: Sequence[dict[str, Any]], org: str, person: str) -> Any:
    types = googlesql._zetasql()
    return types.TableData.Row(cell=[_cell(field, org, person) for field in fields])


def _cell(field: dict[str, Any], org: str, person: str) -> Any:
    types = googlesql._zetasql()
    text = types.Value(string_value=f"{org} {person} {field['name']}")
    if field.get("mode") == "REPEATED":
        element = text
        if field["type"] == "RECORD":
            element = types.Value(struct_value=types.Value.Struct(field=[text, types.Value(int64_value=1)]))
        elif field["type"] != "STRING":
            return types.Value(array_value=types.Value.Array(element=[]))
        return types.Value(array_value=types.Value.Array(element=[element]))
    if field["name"] == "org_slug":
        return types.Value(string_value=org)
    if field["name"] == "user_id":
        return types.Value(string_value=person)
    if field["type"] == "STRING":
        return text
    if field["type"] == "JSON":
        return types.Value(json_value=json.dumps({"k": f"{org} {person}"}))
    if field["type"] in ("INTEGER", "INT64"):
        return types.Value(int64_value=7)
    if field["type"] == "BOOLEAN":
        return types.Value(bool_value=True)
    return types.Value()
