"""The guard's verdict on a query: admitted as regenerated text, or denied with a reason."""

from dataclasses import dataclass
from typing import Literal, get_args

DenialCode = Literal[
    "too_long",
    "control_character",
    "not_a_query",
    "several_statements",
    "pipe_syntax",
    "parameter",
    "quoted_function",
    "function",
    "routine",
    "nesting",
    "type_nesting",
    "syntax",
    "construct",
    "argument",
    "recursive",
    "name",
    "table_name",
    "project",
    "dataset",
    "metadata",
    "shared_table",
    "wildcard",
    "time_travel",
    "sample",
    "column",
    "too_many_tables",
    "generator",
    "value_size",
    "limit",
    "unverified",
    "timeout",
    "busy",
    "failed",
    "unavailable",
]
CODES: tuple[DenialCode, ...] = get_args(DenialCode)


class Denied(Exception):
    """The query may not run. ``message`` is for the model that wrote it, and names what to change."""

    def __init__(self, code: DenialCode, message: str) -> None:
        super().__init__(message)
        self.code: DenialCode = code
        self.message = message

    def __reduce__(self) -> tuple[type["Denied"], tuple[DenialCode, str]]:
        return Denied, (self.code, self.message)


@dataclass(frozen=True, slots=True)
class Admitted:
    """A query that may run. ``sql`` is the regenerated text, the only one that may be sent; it takes no parameters.

    ``tables`` are the paths (project.dataset.table, a wildcard with its ``*``) that it may read, and no others.
    """

    sql: str
    tables: frozenset[str]
