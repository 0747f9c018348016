"""What the guard lets through."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Admitted:
    """``sql`` is the regenerated text, the only one that may be sent; it takes no parameters.

    ``tables`` are the paths (project.dataset.table, a wildcard with its ``*``) that it may read, and no others.
    """

    sql: str
    tables: frozenset[str]
