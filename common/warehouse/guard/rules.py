"""The bounds and switches of the guard as one value: the default is the whole guard, the only one served."""

from dataclasses import dataclass

from common.limits import MAX_RESULT_BYTES, MAX_RESULT_ROWS
from common.warehouse.guard.functions import FUNCTIONS

MAX_SQL_BYTES = 16 * 1024
MAX_NESTING = 40
MAX_TYPE_NESTING = 6
MAX_TABLES = 20
MAX_GENERATED = 1_000_000
# No single value may be larger than a whole result.
MAX_VALUE_BYTES = MAX_RESULT_BYTES


@dataclass(frozen=True, slots=True)
class Rules:
    """The bounds and switches that are enforced. Tests
    weaken one rule at a time to prove that their corpus would notice."""

    max_bytes: int = MAX_SQL_BYTES
    max_nesting: int = MAX_NESTING
    max_type_nesting: int = MAX_TYPE_NESTING
    max_tables: int = MAX_TABLES
    max_generated: int = MAX_GENERATED
    max_value_bytes: int = MAX_VALUE_BYTES
    max_rows: int = MAX_RESULT_ROWS
    functions: frozenset[str] = FUNCTIONS
    match_project: bool = True
    match_dataset: bool = True
    only_listed_tables: bool = True
    filter_rows: bool = True
    restrict_columns: bool = True
    only_allowed_nodes: bool = True
    verify: bool = True


COMPLETE = Rules()
