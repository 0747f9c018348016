"""Random queries that try to reach another organisation: grown from a grammar, and bent from known ones."""

import random
import re
from collections.abc import Callable, Iterator, Sequence

_OWN = ("spend", "acme_prod.spend", "`acme_prod.spend`", "`acme-project.acme_prod.usage`", "usage", "org_profiles")
_SHARED = (
    "organizations.org_profiles",
    "`organizations.org_budgets`",
    "`acme-project.organizations.org_subscriptions`",
    "organizations.org_integration_credentials",
    "organizations.org_chat_conversations",
    "organizations.org_alert_history",
)
_FOREIGN = (
    "globex_prod.spend",
    "`globex_prod.spend`",
    "`globex_prod`.spend",
    "`acme-project.globex_prod.spend`",
    "organizations.org_api_keys",
    "`evil.acme_prod.spend`",
    "globex_prod.INFORMATION_SCHEMA.TABLES",
    "acme_prod.__TABLES__",
    "`globex\\x5fprod.spend`",
    "`organizations.org_*`",
)
_NAMES = ("a", "b", "c1", "spend", "globex_prod", "acme_prod", "organizations", "org_profiles", "g")
_COLUMNS = ("x", "y", "n", "tags", "items", "org_slug", "user_id", "provider", "encrypted_credential")
_CALLS = ("UPPER({})", "COALESCE({}, 'z')", "TO_JSON_STRING({})", "MAX({})", "ARRAY_AGG({})", "CAST({} AS STRING)")
_BAD_CALLS = ("SESSION_USER()", "globex_prod.f({})", "ML.PREDICT({})", "PG_SLEEP({})", "`f`({})")
_STRINGS = ("'v'", '"it\'s"', "'''a'b'''", "r'\\d'", "'a\\'b'", "'-- x'", "'`globex_prod.spend`'", "'globex'")
_NOISE = (" ", "\n", " /* ' */ ", " -- `\n", ' # "\n', "\t", "  ")
# What a mutation puts between or instead of tokens.
_SPLICES = (
    *_FOREIGN,
    *_OWN,
    *_SHARED,
    *_STRINGS,
    "AS globex_prod",
    ", globex_prod.spend AS s",
    ", `globex_prod.spend` AS s",
    "UNION ALL SELECT x FROM globex_prod.spend",
    "(SELECT MAX(x) FROM globex_prod.spend)",
    "(SELECT * FROM organizations.org_profiles)",
    "UNNEST(globex_prod.spend)",
    "CROSS JOIN",
    "LEFT JOIN",
    "USING (x)",
    "ON TRUE",
    "WITH globex_prod AS (SELECT 1 AS x)",
    "EXCEPT (x)",
    "EXCEPT DISTINCT",
    "AS STRUCT",
    "LIMIT 9",
    "LIMIT 999999",
    "INTO t",
    "FOR SYSTEM_TIME AS OF CURRENT_TIMESTAMP()",
    "PIVOT (COUNT(*) FOR x IN ('a'))",
    "TABLESAMPLE SYSTEM (5 PERCENT)",
    "LATERAL",
    "RECURSIVE",
    "WINDOW w AS (ORDER BY x)",
    "|>",
    ";",
    "@p",
    "--",
    "/*",
    "*/",
    "'",
    '"',
    "`",
    "'''",
    "\\",
    "(",
    ")",
    "[",
    "]",
    ".",
    ",",
    "*",
    "$1",
    "STRUCT(",
    "SAFE.",
    "\r",
    "\x00",
    "\u00a0",
)
_TOKEN = re.compile(r"'[^']*'|\"[^\"]*\"|`[^`]*`|\w+|\s+|.", re.DOTALL)


class Grammar:
    """Grows queries whose names collide on purpose: aliases like datasets, CTEs like tables, arrays like paths."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def query(self, depth: int = 0, outer: Sequence[str] = ()) -> str:
        """Return one query; ``outer`` are the aliases around it."""
        with_clause = ""
        if self._chance(0.2):
            ctes = ", ".join(
                f"{self._pick(_NAMES)} AS ({self.query(depth + 1)})" for _ in range(self._rng.randint(1, 2))
            )
            with_clause = f"WITH {ctes} "
        body = self._select(depth, outer)
        if depth < 2 and self._chance(0.12):
            operator = self._pick(("UNION ALL", "UNION DISTINCT", "EXCEPT DISTINCT", "INTERSECT DISTINCT"))
            body = f"{body} {operator} {self._select(depth + 1, outer)}"
        tail = f" LIMIT {self._rng.choice((1, 10, 500, 501, 10**6))}" if self._chance(0.15) else ""
        return with_clause + body + tail

    def _select(self, depth: int, outer: Sequence[str]) -> str:
        sources, aliases = self._sources(depth, outer)
        scope = [*outer, *aliases]
        items = ", ".join(self._item(depth, scope) for _ in range(self._rng.randint(1, 2)))
        where = f" WHERE {self._condition(depth, scope)}" if self._chance(0.3) else ""
        order = f" ORDER BY {self._value(2, scope)}" if self._chance(0.1) else ""
        kind = "SELECT AS STRUCT" if depth and self._chance(0.05) else "SELECT"
        return f"{kind}{self._pick(_NOISE)}{items} FROM{self._pick(_NOISE)}{sources}{where}{order}"

    def _sources(self, depth: int, outer: Sequence[str]) -> tuple[str, list[str]]:
        text = ""
        aliases: list[str] = []
        for index in range(self._rng.choice((1, 1, 1, 2, 2, 3))):
            source = self._source(depth, [*outer, *aliases])
            alias = self._pick(_NAMES) if self._chance(0.7) else None
            if alias is not None:
                source += self._pick((" AS ", " ")) + alias
                aliases.append(alias)
            if index == 0:
                text = source
            else:
                joint = self._pick((", ", " CROSS JOIN ", " JOIN ", " LEFT JOIN "))
                text += joint + source + (" ON TRUE" if joint.endswith((" JOIN ",)) and "CROSS" not in joint else "")
        return text, aliases

    def _source(self, depth: int, scope: Sequence[str]) -> str:
        roll = self._rng.random()
        if roll < 0.08:
            return self._pick(_FOREIGN)
        if roll < 0.24:
            return self._pick(_SHARED)
        if roll < 0.36 and depth < 3:
            return f"({self.query(depth + 1)})"
        if roll < 0.46 and scope:
            path = f"{self._pick(scope)}.{self._pick(('tags', 'items', 'spend', 'org_profiles'))}"
            return self._pick((path, f"UNNEST({path})", f"`{path}`"))
        if roll < 0.54:
            return self._pick(_NAMES)
        if roll < 0.58:
            return "UNNEST(['a', 'b'])"
        return self._pick(_OWN)

    def _item(self, depth: int, scope: Sequence[str]) -> str:
        if self._chance(0.25):
            star = self._pick(("*", f"{self._pick(scope)}.*" if scope else "*"))
            return star + (f" EXCEPT ({self._pick(_COLUMNS)})" if self._chance(0.1) else "")
        return f"{self._value(depth, scope)} AS {self._pick(('v', 'w', 'x', 'org_slug', '`a b`'))}"

    def _value(self, depth: int, scope: Sequence[str]) -> str:
        roll = self._rng.random()
        if roll < 0.04:
            return self._pick(_BAD_CALLS).format("1")
        if roll < 0.12 and depth < 3:
            return f"({self._subquery(depth, scope)})"
        if roll < 0.18 and depth < 3:
            return f"ARRAY({self._subquery(depth, scope)})"
        if roll < 0.3:
            return self._pick(_CALLS).format(self._value(depth + 1, scope))
        if roll < 0.4:
            return self._pick(_STRINGS)
        if roll < 0.55 and scope:
            return f"{self._pick(scope)}.{self._pick(_COLUMNS)}"
        if roll < 0.65 and scope:
            return self._pick(scope)
        return self._pick(_COLUMNS)

    def _subquery(self, depth: int, scope: Sequence[str]) -> str:
        return self.query(depth + 1, scope)

    def _condition(self, depth: int, scope: Sequence[str]) -> str:
        value = self._value(depth + 1, scope)
        forms = ["{} IS NOT NULL", "{} = 'globex'", "{} LIKE '%g%'", "NOT {} = 'acme' OR TRUE"]
        if depth < 3:
            forms += [f"{{}} IN ({self._subquery(depth, scope)})", f"EXISTS ({self._subquery(depth, scope)})"]
        return self._pick(forms).format(value)

    def _pick(self, choices: Sequence[str]) -> str:
        return self._rng.choice(choices)

    def _chance(self, probability: float) -> bool:
        return self._rng.random() < probability


def mutate(sql: str, others: Sequence[str], rng: random.Random) -> str:
    """Bend a query in one to three places: drop, double, swap, splice, quote or graft from another one."""
    tokens = _TOKEN.findall(sql) or [sql]
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(tokens) + 1)
        _MUTATIONS[rng.randrange(len(_MUTATIONS))](tokens, min(at, len(tokens) - 1), others, rng)
        if not tokens:
            tokens = ["SELECT 1"]
    return "".join(tokens)


def _splice(tokens: list[str], at: int, _: Sequence[str], rng: random.Random) -> None:
    tokens[at:at] = [" ", rng.choice(_SPLICES), " "]


def _replace(tokens: list[str], at: int, _: Sequence[str], rng: random.Random) -> None:
    names = [index for index, token in enumerate(tokens) if re.fullmatch(r"[\w.]+|`.*`", token)]
    tokens[rng.choice(names) if names else at] = rng.choice((*_SPLICES, *_NAMES))


def _drop(tokens: list[str], at: int, _: Sequence[str], rng: random.Random) -> None:
    del tokens[at : at + rng.randint(1, 3)]


def _double(tokens: list[str], at: int, _: Sequence[str], rng: random.Random) -> None:
    tokens[at:at] = tokens[at : at + rng.randint(1, 4)]


def _swap(tokens: list[str], at: int, _: Sequence[str], rng: random.Random) -> None:
    other = rng.randrange(len(tokens))
    tokens[at], tokens[other] = tokens[other], tokens[at]


def _graft(tokens: list[str], at: int, others: Sequence[str], rng: random.Random) -> None:
    donor = _TOKEN.findall(rng.choice(others)) or ["x"]
    start = rng.randrange(len(donor))
    tokens[at:at] = donor[start : start + rng.randint(1, 12)]


def _rename(tokens: list[str], at: int, _: Sequence[str], rng: random.Random) -> None:
    word = tokens[at]
    names = rng.choice(("globex_prod", "`globex_prod`", "acme_prod", "organizations"))
    tokens[:] = [names if token == word and word.isidentifier() else token for token in tokens]


_MUTATIONS: Sequence[Callable[[list[str], int, Sequence[str], random.Random], None]] = (
    _splice,
    _replace,
    _drop,
    _double,
    _swap,
    _graft,
    _rename,
)


def queries(seed: int, count: int, known: Sequence[str]) -> Iterator[str]:
    """Yield ``count`` queries, half grown and half bent, the same ones for the same seed."""
    rng = random.Random(seed)
    grammar = Grammar(rng)
    for index in range(count):
        yield grammar.query() if index % 2 else mutate(rng.choice(known), known, rng)
