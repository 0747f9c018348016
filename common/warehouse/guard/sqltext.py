"""The only importer of sqlglot's parser and printer: text to tree and back, with the settings the guard relies on."""

from typing import Final

import sqlglot
from sqlglot import exp
from sqlglot.dialects.bigquery import BigQuery
from sqlglot.errors import ErrorLevel, SqlglotError
from sqlglot.generators.bigquery import BigQueryGenerator
from sqlglot.parsers.bigquery import BigQueryParser
from sqlglot.tokens import Token, TokenType

from common.warehouse.guard.verdict import Denied

# Every rule of this package was measured with exactly this release.
PINNED: Final = "30.30.0"


class _Parser(BigQueryParser):
    # A subclass, so that nothing else in the process that parses SQL changes its meaning.
    SUPPORTS_IMPLICIT_UNNEST = False


_DIALECT: Final = BigQuery()
# What sqlglot raises where the text is no SQL: its own errors, and slips of its own on the way to one.
_CONFUSED: Final = (SqlglotError, AttributeError, KeyError, IndexError, TypeError, ValueError, AssertionError)


def tokenize(sql: str) -> list[Token]:
    """Return sqlglot's tokens of a text, or raise Denied."""
    try:
        return list(_DIALECT.tokenize(sql))
    except SqlglotError as error:
        raise Denied("syntax", "The text cannot be read as SQL; check quotes and escapes.") from error


def parse(sql: str, tokens: list[Token]) -> exp.Query:
    """Parse exactly one query with the implicit unnest off, or raise Denied."""
    parser = _Parser(error_level=ErrorLevel.IMMEDIATE, dialect=_DIALECT)
    try:
        statements = parser.parse(tokens, sql)
    except _CONFUSED as error:
        details = getattr(error, "errors", None) or [{}]
        line, column = details[0].get("line"), details[0].get("col")
        place = f" near line {line}, column {column}" if line else ""
        raise Denied("syntax", f"The query has a syntax error{place}; write one BigQuery SELECT.") from error
    if len(statements) != 1:
        raise Denied("several_statements", "Send exactly one statement.")
    tree = statements[0]
    if not isinstance(tree, exp.Select | exp.SetOperation | exp.Subquery):
        raise Denied("not_a_query", "Only a query is allowed: SELECT, or WITH … SELECT.")
    return tree


def generate(tree: exp.Expr) -> str:
    """Print a tree, which is used up, as BigQuery SQL without comments; Denied where the printer cannot say it."""
    generator = BigQueryGenerator(
        dialect=_DIALECT, comments=False, unsupported_level=ErrorLevel.RAISE, identify=False, pretty=False
    )
    try:
        return str(generator.generate(tree, copy=False))
    except _CONFUSED as error:
        raise Denied(
            "construct", "A function is called with arguments it does not take; check its signature."
        ) from error


def type_tokens() -> frozenset[TokenType]:
    """Return the tokens that sqlglot reads as a type first and as a function second: each nesting doubles its work."""
    return frozenset(_Parser.TYPE_TOKENS) | {TokenType.UNION}


def version_is_pinned() -> bool:
    """Return true if the installed sqlglot is the pinned one."""
    return str(sqlglot.__version__) == PINNED
