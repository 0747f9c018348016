"""The token gate: what can be refused before parsing, above all what makes parsing itself dangerous."""

from sqlglot.tokens import Token, TokenType

from common.warehouse.guard import sqltext
from common.warehouse.guard.functions import callable_as
from common.warehouse.guard.rules import Rules
from common.warehouse.guard.verdict import Denied

_FIRST = frozenset({TokenType.SELECT, TokenType.WITH, TokenType.L_PAREN})
_OPEN = {TokenType.L_PAREN: TokenType.R_PAREN, TokenType.L_BRACKET: TokenType.R_BRACKET}
_CLOSE = frozenset(_OPEN.values())
_PARAMETERS = frozenset({TokenType.PARAMETER, TokenType.SESSION_PARAMETER, TokenType.PLACEHOLDER})
_TYPE_TOKENS = sqltext.type_tokens()
_LITERALS = frozenset(
    {
        TokenType.STRING,
        TokenType.RAW_STRING,
        TokenType.BYTE_STRING,
        TokenType.NUMBER,
        TokenType.HEX_STRING,
        TokenType.IDENTIFIER,
    }
)


def check_text(sql: str, rules: Rules) -> None:
    """Raise Denied at a text that is too long to be read, or has control characters."""
    if len(sql.encode("utf-8", "surrogatepass")) > rules.max_bytes:
        raise Denied("too_long", f"The query is longer than {rules.max_bytes} bytes; shorten it.")
    _characters(sql)


def gate(sql: str, rules: Rules) -> list[Token]:
    """Return the tokens of a text that is worth parsing, without a trailing semicolon; otherwise raise Denied."""
    tokens = sqltext.tokenize(sql)
    while tokens and tokens[-1].token_type is TokenType.SEMICOLON:
        tokens.pop()
    if not tokens or tokens[0].token_type not in _FIRST:
        raise Denied("not_a_query", "Only a query is allowed: begin with SELECT or WITH.")
    _nesting(tokens, rules)
    for index, token in enumerate(tokens):
        _symbol(token)
        if token.token_type is TokenType.L_PAREN and index:
            _call(tokens, index, rules)
    return tokens


def _characters(sql: str) -> None:
    text = sql.replace("\r\n", "\n")
    for character in text:
        if character in "\t\n" or character.isprintable():
            continue
        # GoogleSQL ends a line comment at a lone carriage return; sqlglot does not.
        raise Denied("control_character", "Remove control characters from the query.")


def _symbol(token: Token) -> None:
    kind = token.token_type
    if kind is TokenType.SEMICOLON:
        raise Denied("several_statements", "Send exactly one statement, without ';' inside.")
    if kind is TokenType.PIPE_GT:
        raise Denied("pipe_syntax", "Pipe syntax (|>) is not allowed; write SELECT … FROM … WHERE.")
    if kind in _PARAMETERS or (kind not in _LITERALS and token.text[:1] in ("@", "?", "$")):
        raise Denied("parameter", "Parameters, system variables and hints (@, @@, ?) are not allowed; write the value.")


def _nesting(tokens: list[Token], rules: Rules) -> None:
    """Bound what sqlglot recurses on, and what it parses twice per level: calls named like a type, and SAFE. calls."""
    doubling: list[bool] = []
    for index, token in enumerate(tokens):
        if token.token_type in _OPEN:
            doubling.append(token.token_type is TokenType.L_PAREN and _doubles(tokens, index))
            if len(doubling) > rules.max_nesting:
                raise Denied("nesting", f"Parentheses are nested deeper than {rules.max_nesting}; flatten the query.")
            if sum(doubling) > rules.max_type_nesting:
                raise Denied(
                    "type_nesting",
                    f"STRUCT, SAFE. and type-named calls are nested deeper than {rules.max_type_nesting}; use a CTE.",
                )
        elif token.token_type in _CLOSE and doubling:
            doubling.pop()


def _doubles(tokens: list[Token], index: int) -> bool:
    if index == 0:
        return False
    before = tokens[index - 1]
    if before.token_type in _TYPE_TOKENS or before.token_type is TokenType.GT:
        return True  # STRUCT<…>( too
    return index > 1 and tokens[index - 2].token_type is TokenType.DOT and before.token_type not in _LITERALS


def _call(tokens: list[Token], index: int, rules: Rules) -> None:
    """Refuse ``name(`` unless BigQuery's function of that name is allowed."""
    name = tokens[index - 1]
    after_dot = index > 1 and tokens[index - 2].token_type is TokenType.DOT
    if name.token_type is TokenType.IDENTIFIER:
        raise Denied("quoted_function", f"{name.text} is quoted and called; write function names without backticks.")
    if not _is_word(name.text) or name.token_type in _LITERALS:
        return
    if not after_dot:
        # The last word of `GROUP BY`, which is one token, is what stands before the parenthesis.
        if not callable_as(name.text.split()[-1], None, rules.functions):
            raise Denied("function", f"The function {name.text} is not allowed; use BigQuery's built-in functions.")
        return
    prefix = tokens[index - 3].text if index > 2 else ""
    deeper = index > 4 and tokens[index - 4].token_type is TokenType.DOT
    if deeper or not callable_as(name.text, prefix, rules.functions):
        raise Denied(
            "routine",
            f"{prefix}.{name.text} is not allowed: only built-in functions, optionally with SAFE., may be called.",
        )


def _is_word(text: str) -> bool:
    return bool(text) and (text[0].isalpha() or text[0] == "_")
