"""Google's own evaluator of GoogleSQL over made rows: what a statement with bound parameters answers."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from common.warehouse.query import GuardedQuery
from tests import googlesql

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# NUMERIC is written as a whole number of billionths.
_NUMERIC_SCALE = 9

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Made:
    """A table's columns, in BigQuery's words, and its rows as Python values."""

    fields: Sequence[Mapping[str, Any]]
    rows: Sequence[Row]


@dataclass(frozen=True, slots=True)
class Answer:
    """The columns of a result with their GoogleSQL types, and its rows in the order they came in."""

    columns: tuple[googlesql.Column, ...]
    rows: tuple[dict[str, Any], ...]


class Evaluator:
    """A catalog of tables by ``dataset.table``, registered with their rows."""

    def __init__(self, tables: Mapping[str, Made]) -> None:
        types = googlesql._zetasql()
        from zetasql.api import CatalogBuilder, TableBuilder
        from zetasql.core import ZetaSqlLocalService

        self._tables = {name: table.fields for name, table in tables.items()}
        builder, content = CatalogBuilder("made"), {}
        for name, made in tables.items():
            table = TableBuilder(name)
            for field in made.fields:
                table.add_column(field["name"], googlesql._field_type(field))
            builder.add_table(table.build())
            content[name] = types.TableContent(table_data=types.TableData(row=_rows(made)))
        builtins = types.ZetaSQLBuiltinFunctionOptions(language_options=googlesql._language())
        catalog = builder.with_builtin_functions(builtins).build()
        self._service = ZetaSqlLocalService.get_instance()
        self._catalog = self._service.register_catalog(simple_catalog=catalog, table_content=content).registered_id
        self._prepared: dict[tuple[str, tuple[tuple[str, str], ...]], Any] = {}

    def close(self) -> None:
        """Forget the catalog and its rows, and the statements over them."""
        for prepared in self._prepared.values():
            prepared.close()
        self._service.unregister_catalog(registered_id=self._catalog)

    def run(self, query: GuardedQuery) -> Answer:
        """Execute a query with its parameters. Raises RefusedError with the evaluator's sentence."""
        from zetasql.core.exceptions import ZetaSQLError

        try:
            prepared = self._statement(query)
            columns = [(column.name, column.type) for column in prepared.columns]
            found = self._evaluated(prepared.prepared_query_id, query)
        except ZetaSQLError as error:
            raise googlesql.RefusedError(str(error).split("\n")[0]) from error
        rows = tuple(
            {name: _value(kind, cell) for (name, kind), cell in zip(columns, row.cell, strict=True)} for row in found
        )
        return Answer(tuple(googlesql.Column(name, googlesql._type_name(kind)) for name, kind in columns), rows)

    def _statement(self, query: GuardedQuery) -> Any:
        """A query prepared, once for all the values of its parameters: preparing takes far longer than running."""
        kinds = tuple(
            (name, f"ARRAY<{given.type}>" if isinstance(given.value, tuple) else given.type)
            for name, given in query.parameters.items()
        )
        if (query.sql, kinds) not in self._prepared:
            self._prepared[query.sql, kinds] = self._prepare(googlesql._single_names(query.sql, self._tables), kinds)
        return self._prepared[query.sql, kinds]

    def _prepare(self, sql: str, kinds: Sequence[tuple[str, str]]) -> Any:
        from zetasql.api import PreparedQuery

        types = googlesql._zetasql()
        options = types.AnalyzerOptions(language_options=googlesql._language(), default_timezone="UTC")
        options.query_parameters = [
            types.AnalyzerOptions.QueryParameter(name=name, type=googlesql._type(kind)) for name, kind in kinds
        ]
        builder = PreparedQuery.builder().set_sql(sql).set_analyzer_options(options)
        return builder.set_registered_catalog_id(self._catalog).prepare()

    def _evaluated(self, prepared: int, query: GuardedQuery) -> Any:
        from zetasql.core import local_service

        # The package's own execute() cannot carry parameters: it takes them for those of another request.
        messages = local_service.local_service_pb2
        request = messages.EvaluateQueryRequest(prepared_query_id=prepared)
        for name, given in query.parameters.items():
            request.params.add(name=name, value=_cell(given.value).to_proto())
        call = self._service.wasm_client.call_grpc_func
        reply = call("ZetaSqlLocalService_EvaluateQuery", request, messages.EvaluateQueryResponse)
        return reply.content.table_data.row


def _rows(made: Made) -> list[Any]:
    types = googlesql._zetasql()
    return [types.TableData.Row(cell=[_of_field(field, row) for field in made.fields]) for row in made.rows]


def _of_field(field: Mapping[str, Any], row: Row) -> Any:
    value = row.get(field["name"])
    if field.get("mode") == "REPEATED":
        return _cell(tuple(value or ()))
    if field["type"] == "JSON" and value is not None:
        return googlesql._zetasql().Value(json_value=json.dumps(value))
    return _cell(value)


def _cell(value: object) -> Any:
    """A Python value as one of GoogleSQL's, of the type that BigQuery's client would take it for."""
    types = googlesql._zetasql()
    match value:
        case None:
            return types.Value()
        case bool():
            return types.Value(bool_value=value)
        case int():
            return types.Value(int64_value=value)
        case float():
            return types.Value(double_value=value)
        case str():
            return types.Value(string_value=value)
        case Decimal():
            return types.Value(numeric_value=_billionths(value))
        case datetime():
            return types.Value(timestamp_value=_instant(value))
        case date():
            return types.Value(date_value=(value - EPOCH.date()).days)
        case tuple():
            return types.Value(array_value=types.Value.Array(element=[_cell(each) for each in value]))
    raise TypeError(f"no GoogleSQL value for {value!r}")


def _billionths(value: Decimal) -> bytes:
    """The shortest little-endian two's complement."""
    scaled = int(value.scaleb(_NUMERIC_SCALE))
    magnitude = scaled if scaled >= 0 else ~scaled
    return scaled.to_bytes(magnitude.bit_length() // 8 + 1, "little", signed=True)


def _instant(value: datetime) -> Any:
    from google.protobuf.timestamp_pb2 import Timestamp

    instant = Timestamp()
    instant.FromDatetime(value)
    return instant


def _value(kind: Any, cell: Any) -> Any:
    """One of GoogleSQL's values as BigQuery's client would give it."""
    held = cell.WhichOneof("value")
    if held is None:
        # A result of BigQuery's holds no NULL arrays: they come as empty ones.
        return [] if kind.array_type else None
    value = getattr(cell, held)
    match held:
        case "numeric_value":
            return Decimal(int.from_bytes(value, "little", signed=True)).scaleb(-_NUMERIC_SCALE)
        case "timestamp_value":
            return EPOCH + timedelta(seconds=value.seconds, microseconds=value.nanos // 1000)
        case "date_value":
            return EPOCH.date() + timedelta(days=value)
        case "json_value":
            return json.loads(value)
        case "array_value":
            return [_value(kind.array_type.element_type, element) for element in value.element]
        case "struct_value":
            members = zip(kind.struct_type.field, value.field, strict=True)
            return {member.field_name: _value(member.field_type, each) for member, each in members}
    return value
