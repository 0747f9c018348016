"""Pipe syntax as the SELECTs it stands for: ``FROM t |> WHERE a |> AGGREGATE b GROUP BY c`` and the like.

What comes out is text like any other and passes the whole guard. An operator that has no plain SELECT is refused.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlglot.tokens import Token, TokenType

from common.warehouse.guard import sqltext
from common.warehouse.guard.verdict import Denied

_OPEN = frozenset({TokenType.L_PAREN, TokenType.L_BRACKET})
_CLOSE = frozenset({TokenType.R_PAREN, TokenType.R_BRACKET})
_JOINS = ("JOIN", "INNER", "CROSS", "LEFT", "RIGHT", "FULL")
_SETS = ("UNION", "INTERSECT", "EXCEPT")


def unfold(sql: str) -> str:
    """Return the text without pipes; raise Denied where an operator has no SELECT that means the same."""
    tokens = sqltext.tokenize(sql)
    while tokens and tokens[-1].token_type is TokenType.SEMICOLON:
        tokens.pop()
    pipes = any(token.token_type is TokenType.PIPE_GT for token in tokens)
    if not tokens or not (pipes or tokens[0].token_type is TokenType.FROM):
        return sql
    first, *stages = _stages(sql, tokens)
    begin = _body(first)
    written = _Written()
    written.begin(first.after(begin))
    for stage in stages:
        operator = _OPERATORS.get(stage.word(0))
        if operator is None:
            raise _refusal(f"|> {stage.word(0)} may not be used; write a plain SELECT with a subquery instead")
        operator(written, stage)
    return f"{first.before(begin)} {written.end()}".strip()


@dataclass(frozen=True, slots=True)
class _Stage:
    """The tokens between two pipes."""

    sql: str
    tokens: Sequence[Token]

    def word(self, index: int) -> str:
        """The word at a place, in capitals; empty where there is none."""
        return self.tokens[index].text.upper() if index < len(self.tokens) else ""

    def before(self, index: int) -> str:
        return self.sql[self.tokens[0].start : self.tokens[index - 1].end + 1] if index else ""

    def text(self, start: int = 0) -> str:
        """The text from a token on, with the comments that are inside it."""
        if start >= len(self.tokens):
            raise _refusal(f"|> {self.word(0)} lacks what it works on; write it out")
        return self.sql[self.tokens[start].start : self.tokens[-1].end + 1]

    def after(self, index: int) -> "_Stage":
        return _Stage(self.sql, self.tokens[index:])

    def split(self, at: TokenType) -> list["_Stage"]:
        """The parts between tokens of a kind that stand in no parentheses."""
        parts: list[list[Token]] = [[]]
        for depth, token in _depths(self.tokens):
            if depth == 0 and token.token_type is at:
                parts.append([])
            else:
                parts[-1].append(token)
        return [_Stage(self.sql, part) for part in parts if part]


@dataclass(slots=True)
class _Written:
    """The query so far: what it reads, and what of it is not yet in a SELECT of its own."""

    source: str = ""
    alias: str | None = None
    whole: str | None = None
    conditions: list[str] = field(default_factory=list)
    order: str = ""

    def begin(self, stage: _Stage) -> None:
        if stage.tokens[0].token_type is TokenType.FROM:
            self.source, self.alias = stage.text(1), _alias(stage.after(1))
        else:
            self._close(stage.text(), None)

    def end(self) -> str:
        """The whole query."""
        if self.whole is not None and not self.conditions and not self.order.strip():
            return self.whole
        return self._select("*")

    def select(self, columns: str, alias: str | None = None, rest: str = "") -> None:
        """Put what there is into a SELECT of these columns."""
        self._unordered()
        self._close(self._select(columns) + rest, alias)

    def limit(self, text: str) -> None:
        if self.order == " ":
            self._unordered()
        ordered = bool(self.order)
        self._close(f"{self._select('*')} {text}", self.alias)
        # The order of a subquery's rows is nobody's: only the last SELECT may have one.
        self.order = " " if ordered else ""

    def join(self, text: str, kind: str) -> None:
        self._unordered()
        if self.conditions and self.alias:
            self._close(self._select("*"), self.alias)
        if self.conditions and kind in ("RIGHT", "FULL"):
            raise _refusal("|> RIGHT and FULL JOIN may not follow |> WHERE; write a SELECT with a subquery")
        self.source, self.alias, self.whole = f"{self.source} {text}", None, None

    def filter(self, condition: str) -> None:
        self._unordered()
        self.conditions.append(f"({condition})")

    def sort(self, text: str) -> None:
        if self.order == " ":
            self._unordered()
        self.order = f" {text}"

    def _select(self, columns: str) -> str:
        where = f" WHERE {' AND '.join(self.conditions)}" if self.conditions else ""
        # Not sent: the guard reads it as it reads any text.
        return f"SELECT {columns} FROM {self.source}{where}{self.order.rstrip()}"  # noqa: S608

    def _close(self, query: str, alias: str | None) -> None:
        self.source = f"({query}) AS {alias}" if alias else f"({query})"
        self.alias, self.whole, self.conditions, self.order = alias, query, [], ""

    def _unordered(self) -> None:
        if self.order:
            raise _refusal("|> ORDER BY and the |> LIMIT of its rows come last; write other operators before them")


def _stages(sql: str, tokens: Sequence[Token]) -> list[_Stage]:
    for depth, token in _depths(tokens):
        if depth and token.token_type is TokenType.PIPE_GT:
            raise _refusal("Pipe syntax may not stand in parentheses; write SELECT … FROM … there")
    stages = _Stage(sql, tokens).split(TokenType.PIPE_GT)
    if sum(token.token_type is TokenType.PIPE_GT for token in tokens) != len(stages) - 1:
        raise _refusal("A pipe operator is missing behind |>; write one")
    return stages


def _depths(tokens: Sequence[Token]) -> list[tuple[int, Token]]:
    depth, found = 0, []
    for token in tokens:
        depth -= token.token_type in _CLOSE
        found.append((depth, token))
        depth += token.token_type in _OPEN
    return found


def _body(stage: _Stage) -> int:
    """The place of the FROM or SELECT behind the CTEs."""
    for index, (depth, token) in enumerate(_depths(stage.tokens)):
        if depth == 0 and token.token_type in (TokenType.FROM, TokenType.SELECT):
            return index
    return 0


def _alias(stage: _Stage) -> str | None:
    """The name of the one table of a FROM, as later operators may still say it."""
    tokens = [token for depth, token in _depths(stage.tokens) if depth == 0]
    if any(token.token_type in (TokenType.COMMA, TokenType.JOIN, TokenType.L_PAREN) for token in tokens):
        return None
    name = tokens[-1].text.strip("`").rsplit(".", 1)[-1] if tokens else ""
    return name if name.isidentifier() else None


def _aggregate(written: _Written, stage: _Stage) -> None:
    depths = _depths(stage.tokens)
    at = next((i for i, (depth, token) in enumerate(depths) if not depth and token.text.upper().startswith("GROUP")), 0)
    values = _Stage(stage.sql, stage.tokens[1:at] if at else stage.tokens[1:])
    columns = [values.text()] if values.tokens else []
    keys: list[_Stage] = []
    if at:
        if stage.tokens[at].token_type is not TokenType.GROUP_BY:
            raise _refusal("|> AGGREGATE takes GROUP BY; write |> ORDER BY after it")
        keys = stage.after(at + 1).split(TokenType.COMMA)
    for key in keys:
        if key.word(0) in ("ROLLUP", "CUBE", "GROUPING", "ALL") or key.word(len(key.tokens) - 1) in ("ASC", "DESC"):
            raise _refusal("|> AGGREGATE takes plain GROUP BY columns; write |> ORDER BY after it, or a SELECT")
        if key.tokens[0].token_type is TokenType.NUMBER:
            raise _refusal("|> AGGREGATE groups by columns, not by their numbers; write their names")
    listed = ", ".join([*(key.text() for key in keys), *columns])
    if not listed:
        raise _refusal("|> AGGREGATE lacks what it works on; write it out")
    rest = f" GROUP BY {', '.join(str(number) for number in range(1, len(keys) + 1))}" if keys else ""
    written.select(listed, rest=rest)


def _set(written: _Written, stage: _Stage) -> None:
    changed = []
    for part in stage.after(1).split(TokenType.COMMA):
        if len(part.tokens) < 3 or part.tokens[1].token_type is not TokenType.EQ:
            raise _refusal("|> SET takes column = value; write that, or a SELECT")
        changed.append(f"{part.text(2)} AS {part.tokens[0].text}")
    written.select(f"* REPLACE ({', '.join(changed)})", written.alias)


def _join_sets(written: _Written, stage: _Stage) -> None:
    if len(stage.split(TokenType.COMMA)) > 1:
        raise _refusal(f"|> {stage.word(0)} takes one query in parentheses here; write one such operator for each")
    written.select("*", rest=f" {stage.text()}")


def _name(written: _Written, stage: _Stage) -> None:
    if len(stage.tokens) != 2:
        raise _refusal("|> AS takes one name; write that")
    written.select("*", stage.tokens[1].text)


def _refusal(reason: str) -> Denied:
    return Denied("pipe_syntax", f"{reason}.")


_OPERATORS: Mapping[str, Callable[[_Written, _Stage], None]] = {
    "WHERE": lambda written, stage: written.filter(stage.text(1)),
    "SELECT": lambda written, stage: written.select(stage.text(1)),
    "EXTEND": lambda written, stage: written.select(f"*, {stage.text(1)}", written.alias),
    "DISTINCT": lambda written, _: written.select("DISTINCT *", written.alias),
    "DROP": lambda written, stage: written.select(f"* EXCEPT ({stage.text(1)})", written.alias),
    "SET": _set,
    "AS": _name,
    "AGGREGATE": _aggregate,
    "ORDER BY": lambda written, stage: written.sort(stage.text()),
    "LIMIT": lambda written, stage: written.limit(stage.text()),
    **dict.fromkeys(_JOINS, lambda written, stage: written.join(stage.text(), stage.word(0))),
    **dict.fromkeys(_SETS, _join_sets),
}
