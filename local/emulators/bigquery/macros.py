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
    """bq_json_scalar(j) AS json_extract_string(j, '$')""",
    """bq_json_double(j) AS CASE WHEN json_type(j) IN ('BIGINT', 'UBIGINT', 'DOUBLE')
       THEN TRY_CAST(bq_json_scalar(j) AS DOUBLE) END""",
    """bq_whole(x) AS CASE WHEN x = trunc(x) AND abs(x) < 9.2e18 THEN TRY_CAST(x AS BIGINT) END""",
    """bq_safe_json_text(j) AS CASE WHEN json_type(j) = 'VARCHAR' THEN bq_json_scalar(j) END""",
    """bq_safe_json_integer(j) AS CASE WHEN json_type(j) = 'DOUBLE' THEN bq_whole(bq_json_double(j))
       WHEN json_type(j) IN ('BIGINT', 'UBIGINT') THEN TRY_CAST(bq_json_scalar(j) AS BIGINT) END""",
    """bq_safe_json_float(j) AS bq_json_double(j)""",
    """bq_safe_json_boolean(j) AS CASE WHEN json_type(j) = 'BOOLEAN' THEN bq_json_scalar(j) = 'true' END""",
    """bq_json_text(j) AS CASE WHEN j IS NULL OR bq_safe_json_text(j) IS NOT NULL THEN bq_safe_json_text(j)
       ELSE error('The provided JSON input is not a string') END""",
    """bq_json_integer(j) AS CASE WHEN j IS NULL OR bq_safe_json_integer(j) IS NOT NULL THEN bq_safe_json_integer(j)
       ELSE error('The provided JSON input is not an integer') END""",
    """bq_json_float(j) AS CASE WHEN j IS NULL OR bq_json_double(j) IS NOT NULL THEN bq_json_double(j)
       ELSE error('The provided JSON input is not a number') END""",
    """bq_json_boolean(j) AS CASE WHEN j IS NULL OR bq_safe_json_boolean(j) IS NOT NULL THEN bq_safe_json_boolean(j)
       ELSE error('The provided JSON input is not a boolean') END""",
    """bq_lax_string(j) AS CASE WHEN json_type(j) = 'DOUBLE' THEN bq_float_text(bq_json_double(j))
       WHEN json_type(j) IN ('VARCHAR', 'BOOLEAN', 'BIGINT', 'UBIGINT') THEN bq_json_scalar(j) END""",
    """bq_rounded(x) AS CASE WHEN abs(x) < 9.2e18 THEN TRY_CAST(round(x) AS BIGINT) END""",
    """bq_lax_integer(j) AS CASE json_type(j) WHEN 'BOOLEAN' THEN CAST(bq_json_scalar(j) = 'true' AS BIGINT)
       WHEN 'DOUBLE' THEN bq_rounded(bq_json_double(j))
       WHEN 'BIGINT' THEN TRY_CAST(bq_json_scalar(j) AS BIGINT)
       WHEN 'UBIGINT' THEN TRY_CAST(bq_json_scalar(j) AS BIGINT)
       WHEN 'VARCHAR' THEN coalesce(bq_safe_integer(bq_json_scalar(j)),
       bq_rounded(TRY_CAST(bq_json_scalar(j) AS DOUBLE))) END""",
    """bq_lax_float(j) AS CASE WHEN json_type(j) = 'VARCHAR' THEN TRY_CAST(bq_json_scalar(j) AS DOUBLE)
       ELSE bq_json_double(j) END""",
    """bq_lax_boolean(j) AS CASE json_type(j) WHEN 'BOOLEAN' THEN bq_json_scalar(j) = 'true'
       WHEN 'VARCHAR' THEN bq_safe_boolean(bq_json_scalar(j)) ELSE bq_json_double(j) <> 0 END""",
    """bq_json_keys(j, depth) AS CASE WHEN j IS NOT NULL THEN coalesce((
       SELECT list(DISTINCT name ORDER BY name) FROM (
       SELECT substr(regexp_replace(fullkey, '"([^".]*)"', '\\1', 'g'), 3) AS name,
       regexp_replace(fullkey, '"[^"]*"', 'q', 'g') AS shape FROM json_tree(j) WHERE key IS NOT NULL)
       WHERE NOT contains(shape, '[') AND length(shape) - length(replace(shape, '.', '')) <= depth), []) END""",
    """bq_json_query_array(j, p) AS CASE WHEN json_type(j, p) = 'ARRAY' THEN CAST(json_extract(j, p) AS JSON[]) END""",
    """bq_json_value_array(j, p) AS CASE WHEN len(list_filter(bq_json_query_array(j, p),
       lambda e: json_type(e) IN ('OBJECT', 'ARRAY'))) = 0
       THEN list_transform(bq_json_query_array(j, p), lambda e: json_extract_string(e, '$')) END""",
    """bq_same_length(a, b) AS CASE WHEN len(a) <> len(b)
       THEN error('Array length mismatch: ' || len(a) || ' and ' || len(b))
       WHEN len(list_filter(a, lambda e: e IS NULL)) + len(list_filter(b, lambda e: e IS NULL)) > 0
       THEN error('NULL array element') ELSE a IS NOT NULL AND b IS NOT NULL END""",
    """bq_euclidean_distance(a, b) AS CASE WHEN bq_same_length(a, b)
       THEN list_distance(CAST(a AS DOUBLE[]), CAST(b AS DOUBLE[])) END""",
    """bq_cosine_distance(a, b) AS CASE WHEN NOT bq_same_length(a, b) THEN NULL
       WHEN list_sum(list_transform(a, lambda e: abs(e))) = 0 OR list_sum(list_transform(b, lambda e: abs(e))) = 0
       THEN error('Cannot compute cosine distance against zero vector')
       ELSE list_cosine_distance(CAST(a AS DOUBLE[]), CAST(b AS DOUBLE[])) END""",
    # The text is read once, for what stands at the path: reading it costs many times its size in memory.
    """bq_json_value(j, p) AS list_transform([TRY(json_extract(j, p))], lambda v:
       CASE WHEN json_type(v) IN ('OBJECT', 'ARRAY') THEN NULL ELSE json_extract_string(v, '$') END)[1]""",
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
