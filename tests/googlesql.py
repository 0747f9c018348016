"""GoogleSQL's own analyzer over the product's schemas: what it refuses, BigQuery refuses.

The analyzer is a WASM module that takes most of a minute to compile, so the compiled form is kept under
XDG_CACHE_HOME or ~/.cache and the next start takes seconds. Everything here is built on first use.
"""

import functools
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

SCHEMAS = Path(__file__).parents[1] / "common" / "warehouse" / "schemas"
Tables = Mapping[str, Sequence[Mapping[str, Any]]]

_LEGACY = {"INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL", "RECORD": "STRUCT"}
_KINDS = {"FLOAT64": "DOUBLE"}


class RefusedError(Exception):
    """GoogleSQL does not accept the statement; the message is the analyzer's first line."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the result: its name and its GoogleSQL type."""

    name: str
    type: str


@functools.cache
def product_tables(tenant_dataset: str = "acme_inc_prod", shared_dataset: str = "organizations") -> Tables:
    """The product's tables by `dataset.table`, from common/warehouse/schemas."""
    folders = {"organizations": shared_dataset, "tenant": tenant_dataset, "catalog": "catalog"}
    return {
        f"{dataset}.{path.stem}": json.loads(path.read_text())["schema"]
        for folder, dataset in folders.items()
        for path in sorted((SCHEMAS / folder).glob("*.json"))
    }


def analyze(sql: str, parameters: Mapping[str, str] | None = None, tables: Tables | None = None) -> tuple[Column, ...]:
    """Type-check one statement; `parameters` maps names to BigQuery types such as DATE or ARRAY<STRING>.

    `tables` maps `dataset.table` to BigQuery schema entries, by default the product's. Table paths in `sql` may carry
    a project and backticks. Raises RefusedError with the analyzer's sentence.
    """
    types = _zetasql()
    known = product_tables() if tables is None else tables
    catalog = _catalog(json.dumps({name: list(map(dict, fields)) for name, fields in known.items()}, sort_keys=True))
    options = types.AnalyzerOptions(language_options=_language(), default_timezone="UTC")
    options.query_parameters = [
        types.AnalyzerOptions.QueryParameter(name=name, type=_type(kind)) for name, kind in (parameters or {}).items()
    ]
    return _analyze(_single_names(sql, known), options, catalog)


def _analyze(sql: str, options: Any, catalog: int) -> tuple[Column, ...]:
    """Analyze over a registered catalog. Of the answer only the columns are read: the rest takes most of the time."""
    from zetasql.core.local_service import ZetaSqlLocalService
    from zetasql.types.proto_model.proto_model import parse_proto
    from zetasql.wasi._pb2.zetasql.local_service.local_service_pb2 import AnalyzeResponse

    request = _zetasql().AnalyzeRequest(sql_statement=sql, options=options, registered_catalog_id=catalog)
    client = ZetaSqlLocalService.get_instance().wasm_client
    try:
        answer = client.call_grpc_func("ZetaSqlLocalService_Analyze", request.to_proto(), AnalyzeResponse)
    except Exception as error:
        raise RefusedError(str(error).split("\n")[0]) from error
    statement = answer.resolved_statement
    columns = getattr(getattr(statement, statement.WhichOneof("node")), "output_column_list", ())
    return tuple(Column(c.name, _type_name(c.column.type)) for c in map(parse_proto, columns))


def _single_names(sql: str, tables: Tables) -> str:
    """The catalog is flat: write every known table's path as one quoted name."""
    for name in sorted(tables, key=len, reverse=True):
        dataset, table = name.split(".")
        path = rf"(?<![\w.`])`?(?:[\w-]+`?\.`?)?{re.escape(dataset)}`?\.`?{re.escape(table)}`?(?![\w`])"
        sql = re.sub(path, f"`{name}`", sql)
    return sql


@functools.cache
def _zetasql() -> Any:
    """Import the analyzer with its compiled module taken from the cache, or put there."""
    import wasmtime

    original = wasmtime.Module.from_file
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "googlesql-analyzer"
    compiled = root / f"zetasql-{version('zetasql')}-wasmtime-{version('wasmtime')}.cwasm"

    def from_file(engine: Any, path: Any) -> Any:
        if compiled.exists():
            return wasmtime.Module.deserialize_file(engine, str(compiled))
        module = original(engine, path)
        root.mkdir(parents=True, exist_ok=True)
        unfinished = root / f"{os.getpid()}.tmp"
        unfinished.write_bytes(module.serialize())
        unfinished.replace(compiled)
        return module

    setattr(wasmtime.Module, "from_file", staticmethod(from_file))  # noqa: B010
    try:
        import zetasql.types as types
        from zetasql.api import Analyzer

        plain = types.AnalyzerOptions(language_options=types.LanguageOptions.maximum_features())
        Analyzer(plain, _empty_catalog(types)).analyze_statement("SELECT 1")
    finally:
        setattr(wasmtime.Module, "from_file", original)  # noqa: B010
    return types


def _empty_catalog(types: Any) -> Any:
    from zetasql.api import CatalogBuilder

    language = types.LanguageOptions.maximum_features()
    builtins = types.ZetaSQLBuiltinFunctionOptions(language_options=language)
    return CatalogBuilder("empty").with_builtin_functions(builtins).build()


@functools.cache
def _language() -> Any:
    types = _zetasql()
    language = types.LanguageOptions.maximum_features()
    language.product_mode = types.ProductMode.PRODUCT_EXTERNAL
    language.reserved_keywords = ["QUALIFY"]
    kinds = ("QUERY", "INSERT", "UPDATE", "DELETE", "MERGE")
    language.supported_statement_kinds = [getattr(types.ResolvedNodeKind, f"RESOLVED_{kind}_STMT") for kind in kinds]
    return language


@functools.cache
def _catalog(tables: str) -> int:
    """Register a catalog of these tables, once, and return its id."""
    from zetasql.api import CatalogBuilder, TableBuilder
    from zetasql.core.local_service import ZetaSqlLocalService

    types = _zetasql()
    builder = CatalogBuilder("bigquery")
    for name, fields in json.loads(tables).items():
        table = TableBuilder(name)
        for field in fields:
            table.add_column(field["name"], _field_type(field))
        builder.add_table(table.build())
    builtins = types.ZetaSQLBuiltinFunctionOptions(language_options=_language())
    catalog = builder.with_builtin_functions(builtins).build()
    registered: int = ZetaSqlLocalService.get_instance().register_catalog(simple_catalog=catalog).registered_id
    return registered


def _type(name: str) -> Any:
    types = _zetasql()
    kind = _LEGACY.get(name.upper(), name.upper())
    if kind.startswith("ARRAY<"):
        return _array(_type(kind[6:-1]))
    return types.Type(type_kind=getattr(types.TypeKind, f"TYPE_{_KINDS.get(kind, kind)}"))


def _array(element: Any) -> Any:
    types = _zetasql()
    return types.Type(type_kind=types.TypeKind.TYPE_ARRAY, array_type=types.ArrayType(element_type=element))


def _field_type(field: Mapping[str, Any]) -> Any:
    types = _zetasql()
    if _LEGACY.get(field["type"], field["type"]) == "STRUCT":
        members = [types.StructField(field_name=f["name"], field_type=_field_type(f)) for f in field["fields"]]
        one = types.Type(type_kind=types.TypeKind.TYPE_STRUCT, struct_type=types.StructType(field=members))
    else:
        one = _type(field["type"])
    return _array(one) if field.get("mode") == "REPEATED" else one


def _type_name(found: Any) -> str:
    name = str(found.type_kind.name).removeprefix("TYPE_")
    if name == "ARRAY":
        return f"ARRAY<{_type_name(found.array_type.element_type)}>"
    return {"DOUBLE": "FLOAT64"}.get(name, name)
