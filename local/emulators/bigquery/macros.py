"""DuckDB macros for the GoogleSQL functions whose DuckDB namesakes answer differently."""

import duckdb

# bq_quotient divides two NUMERICs exactly: nine decimals, half away from zero, as scaled integers.
_MACROS = (
    """bq_divide(a, b) AS CASE WHEN b = 0 THEN error('division by zero: ' || a::VARCHAR || ' / ' || b::VARCHAR)
       ELSE a::DOUBLE / b::DOUBLE END""",
    "bq_units(a) AS CAST(a::DECIMAL(38,9) * 1000000000 AS HUGEINT)",
    """bq_quotient(n, d) AS CAST(
       ((abs(n) * 1000000000::HUGEINT * 2 + abs(d)) // (abs(d) * 2))
       * (CASE WHEN (n < 0) <> (d < 0) THEN -1 ELSE 1 END) AS DECIMAL(38,0)) * 0.000000001::DECIMAL(10,9)""",
    """bq_numeric_divide(a, b) AS CASE
       WHEN b = 0 THEN error('division by zero: ' || a::VARCHAR || ' / ' || b::VARCHAR)
       ELSE CAST(bq_quotient(bq_units(a), bq_units(b)) AS DECIMAL(38,9)) END""",
    """bq_average(total, items) AS CASE WHEN items = 0 THEN NULL
       ELSE CAST(bq_quotient(bq_units(total), bq_units(items)) AS DECIMAL(38,9)) END""",
    """bq_float_text(x) AS CASE WHEN isnan(x) THEN 'nan' WHEN isinf(x) THEN (CASE WHEN x > 0 THEN 'inf' ELSE '-inf' END)
       WHEN x = trunc(x) AND abs(x) < 1e15 THEN CAST(CAST(x AS BIGINT) AS VARCHAR) ELSE CAST(x AS VARCHAR) END""",
    """bq_numeric_text(x) AS CASE WHEN x = trunc(x) THEN CAST(CAST(x AS DECIMAL(38,0)) AS VARCHAR)
       ELSE rtrim(CAST(x AS VARCHAR), '0') END""",
    """bq_json_text(j) AS CASE WHEN json_type(j) = 'VARCHAR' THEN json_extract_string(j, '$')
       ELSE error('The provided JSON input is not a string') END""",
    """bq_json_value(j, p) AS CASE WHEN json_valid(j) THEN
       (CASE WHEN json_type(j, p) IN ('OBJECT', 'ARRAY') THEN NULL ELSE json_extract_string(j, p) END) END""",
    """bq_substr(s, p) AS substring(s, CASE WHEN p = 0 OR p < -length(s) THEN 1 ELSE p END)""",
    """bq_substr_length(s, p, n) AS CASE WHEN n < 0 THEN error('Third argument in SUBSTR() cannot be negative')
       ELSE substring(s, CASE WHEN p = 0 OR p < -length(s) THEN 1 ELSE p END, n) END""",
    """bq_top_count(counts, k) AS list_transform(list_slice(list_sort(list_transform(map_entries(counts),
       lambda e: {'n': -e.value::BIGINT, 'v': e.key})), 1, k), lambda e: {'value': e.v, 'count': -e.n})""",
    """bq_element(a, i, base) AS CASE WHEN a IS NULL OR i IS NULL THEN NULL
       WHEN i < base OR i - base >= len(a) THEN error('Array index ' || i || ' is out of bounds')
       ELSE list_extract(a, i - base + 1) END""",
    """bq_safe_element(a, i, base) AS CASE WHEN i < base THEN NULL ELSE list_extract(a, i - base + 1) END""",
    """bq_integer(s) AS CASE WHEN s IS NULL THEN NULL
       WHEN regexp_full_match(trim(s), '[+-]?[0-9]+') THEN CAST(s AS BIGINT)
       ELSE error('Bad int64 value: ' || s) END""",
    """bq_safe_integer(s) AS CASE WHEN regexp_full_match(trim(s), '[+-]?[0-9]+') THEN TRY_CAST(s AS BIGINT) END""",
    """bq_boolean(s) AS CASE WHEN s IS NULL THEN NULL WHEN lower(s) = 'true' THEN TRUE
       WHEN lower(s) = 'false' THEN FALSE ELSE error('Bad bool value: ' || s) END""",
    """bq_safe_boolean(s) AS CASE lower(s) WHEN 'true' THEN TRUE WHEN 'false' THEN FALSE END""",
    """bq_timestamp_text(t) AS CAST(t AS VARCHAR)""",
    """bq_safe_substr_length(s, p, n) AS CASE WHEN n < 0 THEN NULL
       ELSE substring(s, CASE WHEN p = 0 OR p < -length(s) THEN 1 ELSE p END, n) END""",
    """bq_safe_divide(a, b) AS CASE WHEN b = 0 THEN NULL ELSE a::DOUBLE / b::DOUBLE END""",
    """bq_numeric_safe_divide(a, b) AS CASE WHEN b = 0 THEN NULL
       ELSE CAST(bq_quotient(bq_units(a), bq_units(b)) AS DECIMAL(38,9)) END""",
)


def install(connection: duckdb.DuckDBPyConnection) -> None:
    """Define the macros in the connection's own database, beside the store, not in it."""
    for macro in _MACROS:
        connection.execute(f"CREATE OR REPLACE MACRO {macro}")
