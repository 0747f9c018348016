"""The Firestore queries that the code makes, read from the calls themselves."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.infra.workspace import ROOT

_DEPLOYED = ROOT / "common"
_ASKING = {f"self.{name}.{how}" for name in ("documents", "_documents") for how in ("query", "count")}


@dataclass(frozen=True, slots=True)
class Query:
    """One query: the collection, what must be equal, and what is a range or an order, each with its direction."""

    place: str
    collection: str
    equal: frozenset[str]
    ordered: tuple[tuple[str, str], ...]

    @property
    def fields(self) -> set[str]:
        """Every field that the query asks an index for."""
        return {*self.equal, *(name for name, _ in self.ordered)} - {"__name__"}

    @property
    def needs_an_index(self) -> bool:
        """Whether the indexes that Firestore makes of single fields do not do."""
        return bool(self.ordered) and len(self.fields) > 1


def queries() -> list[Query]:
    """Return all queries of the deployed code; reads by id are none."""
    return [query for file in sorted(_DEPLOYED.rglob("*.py")) for query in _of(file)]


def _of(file: Path) -> Iterator[Query]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    names = {
        target.id: node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in _ASKING:
            collection = _collection(node.args[0])
            if collection is None:
                continue  # The caller names the collection: a purge, which asks for equality only.
            given = {keyword.arg: keyword.value for keyword in node.keywords}
            where = node.args[1] if len(node.args) > 1 else given.get("where")
            yield _query(
                f"{file.name}:{node.lineno}", collection, _calls(where, names), _calls(given.get("order"), names)
            )


def _query(place: str, collection: str, where: list[ast.Call], order: list[ast.Call]) -> Query:
    conditions = [(ast.literal_eval(each.args[0]), ast.literal_eval(each.args[1])) for each in where]
    sorts = [(ast.literal_eval(each.args[0]), "DESCENDING" if each.keywords else "ASCENDING") for each in order]
    ranges = [(name, "ASCENDING") for name, sign in conditions if sign != "==" and name not in dict(sorts)]
    return Query(place, collection, frozenset(name for name, sign in conditions if sign == "=="), (*ranges, *sorts))


def _calls(node: ast.expr | None, names: dict[str, ast.expr]) -> list[ast.Call]:
    node = names[node.id] if isinstance(node, ast.Name) else node
    return [each for each in getattr(node, "elts", ()) if isinstance(each, ast.Call)]


def _collection(node: ast.expr) -> str | None:
    if isinstance(node, ast.Call):
        return ast.unparse(node.func).removesuffix("_path")
    return node.id.lower() if isinstance(node, ast.Name) and node.id.isupper() else None
