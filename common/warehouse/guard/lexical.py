"""A strict reader of the text about to be sent, written from GoogleSQL's lexical rules and not from sqlglot's."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from common.warehouse.guard.functions import callable_as
from common.warehouse.guard.verdict import Denied

LexicalKind = Literal["string", "name", "number", "word", "symbol"]

# One quote style, the escapes GoogleSQL knows, no line breaks: nothing here can be read in two ways.
_TOKEN = re.compile(
    r"""
    (?P<space>[ \n]+)
    | (?P<string>[bB]?'(?:[^'\\\x00-\x1f\x7f]|\\[abfnrtv\\?"'`]|\\[0-3][0-7]{2}|\\[xX][0-9a-fA-F]{2}
        |\\u[0-9a-fA-F]{4}|\\U[0-9a-fA-F]{8})*'(?!'))
    | (?P<name>`[^`\\\x00-\x1f\x7f]+`)
    | (?P<number>0[xX][0-9a-fA-F]+|(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)(?![A-Za-z_])
    | (?P<word>[A-Za-z_][A-Za-z0-9_]*)(?!['"])
    | (?P<symbol><>|<=|>=|!=|<<|>>|\|\||=>|[-+*/~^&|=<>(),.\[\]])
    """,
    re.VERBOSE,
)
_COMMENT = re.compile(r"--|/\*|\*/|//")


@dataclass(frozen=True, slots=True)
class Lexeme:
    """One token of the emitted text."""

    kind: LexicalKind
    text: str


def read(sql: str) -> list[Lexeme]:
    """Return the tokens of emitted SQL; Denied at anything that GoogleSQL might read otherwise."""
    return list(_lexemes(sql))


def check(lexemes: list[Lexeme], functions: frozenset[str]) -> None:
    """Refuse a call of anything but an allowed function, independently of the parser."""
    for index, lexeme in enumerate(lexemes):
        if lexeme.text != "(" or lexeme.kind != "symbol" or index == 0:
            continue
        name = lexemes[index - 1]
        dotted = index > 2 and lexemes[index - 2].text == "." and lexemes[index - 2].kind == "symbol"
        prefix = lexemes[index - 3].text if dotted else None
        # `WITH x AS (` and `PIVOT(` have a keyword here; a quoted name never stands before a parenthesis.
        if name.kind == "name" or (name.kind == "word" and not callable_as(name.text, prefix, functions)):
            raise Denied("function", f"The function {name.text} is not allowed; use BigQuery's built-in functions.")


def paths(lexemes: list[Lexeme]) -> list[str]:
    """Return every quoted name that has a dot: the whole paths of tables, in order."""
    return [lexeme.text[1:-1] for lexeme in lexemes if lexeme.kind == "name" and "." in lexeme.text]


def _lexemes(sql: str) -> Iterator[Lexeme]:
    position = 0
    while position < len(sql):
        match = _TOKEN.match(sql, position)
        if match is None or _COMMENT.match(sql, position):
            raise Denied("unverified", "The query cannot be written without ambiguity; use simpler literals and names.")
        position = match.end()
        kind = match.lastgroup
        if kind in ("string", "name", "number", "word", "symbol"):
            yield Lexeme(kind, match[0])  # type: ignore[arg-type]
