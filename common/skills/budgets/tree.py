"""The tree of budgets and those below them, as rows, with its problems in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any


@dataclass(slots=True)
class Tree:
    """The rows of a tree, parents before their children, and sentences about what does not add up."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def grow(nodes: Sequence[Mapping[str, Any]], edges: Sequence[Mapping[str, Any]]) -> Tree:
    """Grow the tree of budgets from who shares what out to whom. A cycle and an orphan are shown once, and named."""
    tree = Tree()
    known = {node["budget_id"]: node for node in nodes}
    children: dict[str, list[tuple[str, Decimal]]] = {}
    parents: dict[str, str] = {}
    for edge in edges:
        parent, child = edge["parent_budget_id"], edge["child_budget_id"]
        if child not in known and parent not in known:
            continue  # Shares of other periods.
        if child not in known or parent not in known:
            there, gone = (parent, child) if parent in known else (child, parent)
            tree.problems.append(f"{_name(known[there])} has an allocation with {gone}, which is no current budget.")
        elif child in parents:
            tree.problems.append(f"{_name(known[child])} is allocated from more than one budget; the first is shown.")
        else:
            parents[child] = parent
            children.setdefault(parent, []).append((child, Decimal(str(edge["allocated_amount"]))))
    seen: set[str] = set()
    for root in (node["budget_id"] for node in nodes if node["budget_id"] not in parents):
        _walk(tree, root, known, children, seen)
    circle = [budget_id for budget_id in known if budget_id not in seen]
    if circle:
        tree.problems.append(f"Allocations run in a circle: {', '.join(_name(known[each]) for each in circle[:10])}.")
        for each in circle:
            _walk(tree, each, known, children, seen)
    return tree


def _walk(
    tree: Tree,
    root: str,
    known: Mapping[str, Mapping[str, Any]],
    children: Mapping[str, Sequence[tuple[str, Decimal]]],
    seen: set[str],
) -> None:
    """Add a budget and all below it, each once; no recursion, so that no depth is too deep."""
    waiting: list[tuple[str, int, str | None, Decimal | None]] = [(root, 0, None, None)]
    while waiting:
        budget_id, depth, parent, share = waiting.pop()
        if budget_id in seen:
            continue
        seen.add(budget_id)
        node = known[budget_id]
        amount = Decimal(str(node["budget_amount"]))
        shares = children.get(budget_id, ())
        allocated = sum((each for _, each in shares), Decimal())
        tree.rows.append(
            {
                "depth": depth,
                "budget": node["hierarchy_entity_name"],
                "category": node["category"],
                "amount": amount,
                "allocated_from_parent": share,
                "allocated_to_children": allocated if shares else None,
                "unallocated": amount - allocated if shares else None,
                "currency": node["currency"],
                "parent": known[parent]["hierarchy_entity_name"] if parent else None,
                "budget_id": budget_id,
            }
        )
        if allocated > amount:
            tree.problems.append(
                f"{_name(node)} shares out {allocated} {node['currency']}, more than its {amount} {node['currency']}."
            )
        for child, each in reversed(shares):
            if known[child]["currency"] != node["currency"]:
                tree.problems.append(f"{_name(known[child])} is not in {node['currency']}, its parent's currency.")
            waiting.append((child, depth + 1, budget_id, each))


def _name(node: Mapping[str, Any]) -> str:
    return f"{node['hierarchy_entity_name']} ({node['category']})"
