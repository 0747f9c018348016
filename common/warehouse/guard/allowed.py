"""The allow-lists: which nodes a parsed query may consist of, and which arguments each may carry."""

from collections.abc import Callable, Mapping
from functools import cache

from sqlglot import exp

from common.warehouse.guard.functions import callable_as
from common.warehouse.guard.verdict import Denied

# Node class -> the arguments it may carry. An argument that is absent, empty or False does not count.
_STRUCTURE = """
    Select: with_ kind distinct expressions from_ joins where group having qualify windows order limit offset
    Union: with_ this expression distinct by_name order limit offset
    Intersect: with_ this expression distinct order limit offset
    Except: with_ this expression distinct order limit offset
    Subquery: this alias with_ joins pivots order limit offset | With: expressions recursive | CTE: this alias
    Table: this db catalog alias joins pivots sample version | TableAlias: this columns
    Unnest: expressions alias offset explode_array | Join: this side kind on using | From: this | Where: this
    Having: this | Qualify: this | Distinct: expressions | Group: expressions all grouping_sets rollup cube
    GroupingSets: expressions | Rollup: expressions | Cube: expressions | Order: this expressions
    Ordered: this desc nulls_first | Limit: this expression | Offset: this expression
    Pivot: this expressions fields unpivot alias columns include_nulls pivot_column_naming value_columns_first
    Pivot: prefixed_pivot_columns
    PivotAlias: this alias | TableSample: method percent | Version: this expression kind
    Window: this partition_by order spec alias over first | WindowSpec: kind start start_side end end_side
    IgnoreNulls: this | RespectNulls: this | HavingMax: this expression max | Column: this table db catalog
    Identifier: this quoted | Dot: this expression | Star: except_ replace | Alias: this alias | Tuple: expressions
    Paren: this | Bracket: this expressions offset safe | Kwarg: this expression | Literal: this is_string
    RawString: this | ByteString: this is_bytes | HexString: this is_integer | Boolean: this | Null:
    IntDiv: this expression | Var: this | DataType: this expressions nested values | DataTypeParam: this
    ColumnDef: this kind | Interval: this unit | And: this expression | Or: this expression | Not: this | Neg: this
    BitwiseNot: this | Add: this expression | Sub: this expression | Mul: this expression
    Div: this expression typed safe | Mod: this expression | BitwiseAnd: this expression
    BitwiseOr: this expression | BitwiseXor: this expression | BitwiseLeftShift: this expression
    BitwiseRightShift: this expression | DPipe: this expression safe | EQ: this expression | NEQ: this expression
    GT: this expression | GTE: this expression | LT: this expression | LTE: this expression | Is: this expression negate
    NullSafeEQ: this expression | NullSafeNEQ: this expression | Like: this expression negate | Escape: this expression
    Between: this low high | In: this expressions query unnest | Any: this | All: this | Exists: this
    AtTimeZone: this zone | PropertyEQ: this expression | SafeFunc: this | Case: this ifs default
    If: this true false | Cast: this to format | TryCast: this to format safe
    Array: expressions struct_name_inheritance bracket_notation value_constructor | Struct: expressions
    Anonymous: this expressions
    JSONKeyValue: this expression | JSONPath: expressions | JSONPathRoot: | JSONPathKey: this
    JSONPathSubscript: this | JSONPathWildcard: | FormatJson: this
"""

# The classes that sqlglot makes of the allowed functions; a test derives them again from the functions' names.
_CALLS = """
    Abs: this | Acos: this | Acosh: this | AnyValue: this | ApproxDistinct: this
    ApproxQuantiles: expression this | ApproxTopK: counters expression this
    ApproxTopSum: count expression this | ArgMax: expression this | ArgMin: expression this | ArrayAgg: this
    ArrayConcat: expressions this | ArrayConcatAgg: this | ArrayFirst: expression this | ArrayLast: this
    ArrayReverse: this | ArraySize: this | ArraySlice: end start this
    ArrayToString: expression null null_is_empty this | Ascii: this | Asin: this | Asinh: this
    Atan: expression this | Atan2: expression this | Atanh: this | Avg: this | BitwiseAndAgg: this
    BitwiseCount: this | BitwiseOrAgg: this | BitwiseXorAgg: this | ByteLength: this | Cbrt: this
    Ceil: this | Chr: expressions | Coalesce: expressions this | CodePointsToBytes: this
    CodePointsToString: this | Collate: expression this | Concat: expressions safe
    Contains: expression json_scope this | Corr: expression null_on_zero_variance this | Cos: this
    Cosh: this | CosineDistance: expression this | Cot: this | Coth: this | Count: big_int expressions this
    CountIf: this zero_on_all_null | CovarPop: expression this | CovarSamp: expression this | Csc: this
    Csch: this | CumeDist: expressions | CurrentDate: this | CurrentDatetime: this | CurrentTime: this
    CurrentTimestamp: this | Date: expressions this zone | DateAdd: expression this unit
    DateDiff: date_part_boundary expression this unit | DateFromParts: day month year
    DateFromUnixDate: this | DateSub: expression this unit | DateTrunc: this unit zone
    Datetime: expression this | DatetimeAdd: expression this unit
    DatetimeDiff: date_part_boundary expression this unit | DatetimeSub: expression this unit
    DatetimeTrunc: this unit zone | DenseRank: expressions | EndsWith: expression this
    EuclideanDistance: expression this | Exp: this | Extract: expression this | FarmFingerprint: expressions
    FirstValue: this | Flatten: this | Float64: expression this | Floor: decimals this
    Format: expressions this | FromBase32: this | FromBase64: this | GenerateDateArray: end start step
    GenerateSeries: end is_end_exclusive start step | GenerateTimestampArray: end start step
    Greatest: expressions this | GroupConcat: separator this | Grouping: expressions
    Initcap: expression this | Int64: this | IsInf: this | IsNan: this | JSONArray: expressions
    JSONArrayAppend: expressions this | JSONArrayInsert: expressions this | JSONBool: this
    JSONExtract: expression expressions this | JSONExtractArray: expression this
    JSONExtractScalar: expression scalar_only this | JSONFormat: is_json options this to_json
    JSONKeysAtDepth: expression mode this | JSONObject: expressions | JSONRemove: expressions this
    JSONSet: expressions this | JSONStripNulls: expression include_arrays remove_empty this | JSONType: this
    JSONValueArray: expression this | JustifyDays: this | JustifyHours: this | JustifyInterval: this
    Lag: default offset this | LastDay: this unit | LastValue: this | LaxBool: this | LaxFloat64: this
    LaxInt64: this | LaxString: this | Lead: default offset this | Least: expressions this
    Left: expression negative_length_returns_empty this | Length: binary this
    Levenshtein: expression max_dist this | Ln: this | Log: expression this | LogicalAnd: this
    LogicalOr: this | Lower: this | LowerHex: this | MD5Digest: this
    MakeInterval: day hour minute month second year | Max: this | Min: this
    Normalize: form is_casefold this | NthValue: from_first offset this | Ntile: this
    Nullif: expression this | Pad: expression fill_pattern is_left this | ParseBignumeric: this
    ParseDatetime: default_year format this | ParseJSON: expression is_literal this | ParseNumeric: this
    ParseTime: format this | PercentRank: expressions | PercentileCont: expression this
    PercentileDisc: expression this | Pow: expression this | Rand:  | RangeBucket: expression this
    Rank: expressions
    RegexpExtract: expression group null_if_no_match null_if_pos_overflow occurrence position this
    RegexpExtractAll: expression group occurrence position this
    RegexpInstr: expression occurrence position this | RegexpLike: expression this
    RegexpReplace: expression replacement this | Repeat: this times | Replace: expression replacement this
    Reverse: this | Right: expression negative_length_returns_empty this
    Round: casts_non_integer_decimals decimals this truncate | RowNumber:  | SHA1Digest: this
    SHA2Digest: length this | SafeAdd: expression this | SafeConvertBytesToString: this
    SafeDivide: expression this | SafeMultiply: expression this | SafeNegate: this
    SafeSubtract: expression this | Sec: this | Sech: this | Sign: this | Sin: this | Sinh: this
    Soundex: this | Split: expression this | Sqrt: this | StartsWith: expression this | Stddev: this
    StddevPop: this | StddevSamp: this | StrPosition: occurrence position substr this
    StrToDate: default_year format safe this | StrToTime: default_year format this zone | String: this zone
    Substring: length start this zero_start | Sum: this | Tan: this | Tanh: this | Time: this zone
    TimeAdd: expression this unit | TimeDiff: expression this unit | TimeFromParts: hour min nano sec
    TimeSub: expression this unit | TimeToStr: format this zone | TimeTrunc: this unit zone
    Timestamp: this with_tz zone | TimestampAdd: expression this unit | TimestampDiff: expression this unit
    TimestampFromParts: day hour min month sec year | TimestampSub: expression this unit
    TimestampTrunc: input_type_preserved this unit zone | ToBase32: this | ToBase64: this
    ToCodePoints: this | Translate: from_ this to | Trim: expression position this
    Trunc: decimals fractions_supported this | TsOrDsToDate: this | TsOrDsToDatetime: this
    TsOrDsToTime: this | TsOrDsToTimestamp: this | Unhex: this | Unicode: empty_is_zero this | UnixDate: this
    UnixMicros: this | UnixMillis: this | UnixSeconds: this | UnixToTime: scale this | Upper: this | Uuid: is_string
    Variance: this | VariancePop: this | WeekStart: this
"""

# The values of the arguments that are bare words.
_WORDS: Mapping[tuple[str, str], frozenset[str]] = {
    ("Select", "kind"): frozenset({"STRUCT", "VALUE"}),
    ("Join", "side"): frozenset({"LEFT", "RIGHT", "FULL"}),
    ("Join", "kind"): frozenset({"INNER", "CROSS", "OUTER"}),
    ("Window", "over"): frozenset({"OVER"}),
    ("WindowSpec", "kind"): frozenset({"ROWS", "RANGE"}),
    ("Version", "this"): frozenset({"TIMESTAMP"}),
    ("Version", "kind"): frozenset({"AS OF"}),
}

_TYPE_NAMES = """
    TEXT VARCHAR BINARY VARBINARY BIGINT INT DOUBLE DECIMAL BIGDECIMAL BOOLEAN DATE TIMESTAMP TIMESTAMPTZ DATETIME
    TIME INTERVAL JSON ARRAY STRUCT
"""
_TYPES = frozenset(_TYPE_NAMES.split())

# How to say a construct in the words of SQL, where the class name does not.
_NAMES = {
    "Parameter": "a query parameter",
    "SessionParameter": "a system variable",
    "Placeholder": "a query parameter",
    "Lateral": "LATERAL",
    "Into": "SELECT INTO",
    "Lock": "FOR UPDATE",
    "Hint": "a hint",
    "Command": "this statement",
    "RecursiveWithSearch": "a recursive CTE",
    "MatchRecognize": "MATCH_RECOGNIZE",
    "Values": "VALUES",
}


def _table(text: str) -> dict[type[exp.Expr], frozenset[str]]:
    rows = (row.partition(":") for line in text.strip().splitlines() for row in line.split("|"))
    table: dict[type[exp.Expr], frozenset[str]] = {}
    for name, _, arguments in rows:
        node = getattr(exp, name.strip())
        table[node] = table.get(node, frozenset()) | frozenset(arguments.split())
    return table


@cache
def nodes() -> Mapping[type[exp.Expr], frozenset[str]]:
    """Return the allowed node classes and the arguments each may carry."""
    return _table(_STRUCTURE) | _table(_CALLS)


def check(tree: exp.Expr, functions: frozenset[str]) -> None:
    """Raise Denied at the first node, argument, bare word, type or call that is not allowed."""
    allowed = nodes()
    stack: list[exp.Expr] = [tree]
    while stack:
        node = stack.pop()
        arguments = allowed.get(type(node))
        if arguments is None:
            raise Denied("construct", f"{construct(node)} is not allowed; use plain SELECT syntax without it.")
        for name, value in node.args.items():
            if value is None or value is False or (value == [] and isinstance(value, list)):
                continue
            if name not in arguments:
                raise Denied("argument", f"{construct(node)} may not carry {_argument(name)}; leave it out.")
            _word(node, name, value)
            stack += [child for child in _listed(value) if isinstance(child, exp.Expr)]
        special = _SPECIAL.get(type(node))
        if special is not None:
            special(node, functions)


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def construct(node: exp.Expr) -> str:
    """The name of a construct for a message."""
    name = type(node).__name__
    return _NAMES.get(name) or (node.sql_name() if isinstance(node, exp.Func) else name.upper())


def _argument(name: str) -> str:
    return name.rstrip("_").replace("_", " ").upper()


def _word(node: exp.Expr, name: str, value: object) -> None:
    words = _WORDS.get((type(node).__name__, name))
    if words is not None and (not isinstance(value, str) or value.upper() not in words):
        raise Denied(
            "argument", f"{construct(node)} may not be written with {value}; use one of {', '.join(sorted(words))}."
        )


def _anonymous(node: exp.Expr, functions: frozenset[str]) -> None:
    parent = node.parent
    prefix = parent.this.name if isinstance(parent, exp.Dot) and parent.expression is node else None
    if not isinstance(node.this, str) or not callable_as(node.this, prefix, functions):
        raise Denied(
            "function", f"The function {node.name} is not allowed; use BigQuery's built-in analytic functions."
        )


def _dot(node: exp.Expr, _: frozenset[str]) -> None:
    if not isinstance(node.expression, exp.Identifier | exp.Star | exp.Anonymous):
        raise Denied("routine", "A function may not be called through a dataset or a namespace.")


def _data_type(node: exp.Expr, _: frozenset[str]) -> None:
    kind = node.this
    if not isinstance(kind, exp.DType) or kind.name not in _TYPES:
        raise Denied(
            "construct", "This type is not one of BigQuery's; use STRING, INT64, NUMERIC, FLOAT64, DATE and so on."
        )


_SPECIAL: Mapping[type[exp.Expr], Callable[[exp.Expr, frozenset[str]], None]] = {
    exp.Anonymous: _anonymous,
    exp.Dot: _dot,
    exp.DataType: _data_type,
}
