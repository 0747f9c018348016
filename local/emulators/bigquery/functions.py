"""The GoogleSQL functions the emulator runs as BigQuery does; every other name is refused, DuckDB's own above all."""

import json
from pathlib import Path

from sqlglot import exp
from sqlglot.dialects.bigquery import BigQuery
from sqlglot.tokenizer_core import Token, TokenType

from local.emulators.bigquery.errors import invalid_query, unsupported

_NAMES: dict[str, list[str]] = json.loads(Path(__file__).with_name("functions.json").read_text())
SUPPORTED = frozenset(_NAMES["supported"])
# GoogleSQL has these; the emulator says so and refuses.
KNOWN = frozenset(_NAMES["known"])
# Words that stand before a parenthesis without being a function.
_STRUCTURE = frozenset(_NAMES["structure"])
# Operators of other dialects that the parser would read.
_FOREIGN = (TokenType.DCOLON, TokenType.ILIKE, TokenType.MOD, TokenType.FETCH, TokenType.RLIKE, TokenType.GLOB)
_PREFIXES = ("SAFE", "NET", "HLL_COUNT", "AEAD", "KEYS", "ML", "AI", "ST", "OBJ")
_TOKENIZER = BigQuery()


def check(sql: str, tree: exp.Expr) -> None:
    """Refuse calls of functions that BigQuery does not have or that the emulator does not run."""
    tokens = _TOKENIZER.tokenize(sql)
    for token in tokens:
        if token.token_type in _FOREIGN or (token.text == "==" and token.token_type == TokenType.EQ):
            raise invalid_query(f'Syntax error: Unexpected "{token.text}" at [{token.line}:{token.col}]')
    for position in range(len(tokens) - 1):
        if tokens[position + 1].token_type == TokenType.L_PAREN and _may_call(tokens, position):
            _check_name(_name(tokens, position), tokens[position])
    for call in tree.find_all(exp.Anonymous):
        if str(call.this).upper() not in SUPPORTED:
            raise invalid_query(f"Function not found: {call.this}")


def _may_call(tokens: list[Token], position: int) -> bool:
    token = tokens[position]
    if not token.text or not (token.text[0].isalpha() or token.text[0] == "_"):
        return False
    if token.token_type in (TokenType.STRING, TokenType.IDENTIFIER) or token.text.upper() in _STRUCTURE:
        return False
    before = tokens[position - 1].text.upper() if position else ""
    if before == "INTO" or before == "INSERT":
        return False
    return before != "." or tokens[position - 2].text.upper() in _PREFIXES


def _name(tokens: list[Token], position: int) -> str:
    name = tokens[position].text.upper()
    prefix = tokens[position - 2].text.upper() if position >= 2 and tokens[position - 1].text == "." else "SAFE"
    return name if prefix == "SAFE" else f"{prefix}.{name}"


def _check_name(name: str, token: Token) -> None:
    if name in SUPPORTED:
        return
    if name in KNOWN or "." in name or name.startswith("ST_"):
        raise unsupported(f"the function {name}")
    raise invalid_query(f"Function not found: {token.text} at [{token.line}:{token.col}]")
