"""The cases: our own corpus, the shared one where it is present, and what makes a verdict wrong."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from common.tenant import Tenant
from common.warehouse import readable_tables
from common.warehouse.guard.decision import decide
from common.warehouse.guard.rules import COMPLETE, Rules
from common.warehouse.guard.verdict import Admitted, Denied
from tests.warehouse.guard.planted import TENANT, USER

OWN = Path(__file__).with_name("corpus.jsonl")
SHARED = Path(__file__).parents[4] / "shared" / "reference" / "sqlguard_cases.jsonl"

_LIMIT = re.compile(r" LIMIT ([0-9]+)(?: OFFSET [0-9]+)?$")
_STRING = re.compile(r"'(?:[^'\\]|\\.)*'")
_QUOTED = re.compile(r"`([^`]+)`")


@dataclass(frozen=True, slots=True)
class Case:
    """One query and its expected verdict; ``code`` where it is known."""

    id: str
    sql: str
    expect: Literal["allow", "allow_filtered", "deny"]
    why: str
    code: str | None = None


def cases(path: Path) -> Sequence[Case]:
    """Read the cases of a file."""
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return [Case(row["id"], row["sql"], row["expect"], row["why"], row.get("code")) for row in rows]


def verdict(case: Case, rules: Rules = COMPLETE) -> Admitted | Denied:
    """Decide one case for the planted tenant."""
    try:
        return decide(case.sql, TENANT, USER, rules)
    except Denied as denied:
        return denied


def wrong(case: Case, rules: Rules = COMPLETE) -> str | None:
    """Return what is wrong with the verdict on a case, or None; read from the text alone, not from the guard's tree."""
    decided = verdict(case, rules)
    if isinstance(decided, Denied):
        if case.expect != "deny":
            return f"denied: {decided.code}"
        return f"code {decided.code}" if case.code not in (None, decided.code) else None
    if case.expect == "deny":
        return "admitted"
    return unsafe(decided, TENANT)


def unsafe(admitted: Admitted, tenant: Tenant) -> str | None:
    """Return which promise an admitted text breaks, or None."""
    paths = {name for name in _QUOTED.findall(_STRING.sub("''", admitted.sql)) if "." in name}
    if paths != admitted.tables:
        return f"tables {paths ^ admitted.tables}"
    for path in paths:
        prefix = f"{tenant.project_id}.{tenant.dataset}."
        if not path.startswith((prefix, f"{tenant.project_id}.{tenant.organizations_dataset}.")):
            return f"path {path}"
    limit = _LIMIT.search(admitted.sql)
    if limit is None or int(limit[1]) > 500:
        return "no LIMIT"
    return next((problem for path in sorted(paths) if (problem := _unfiltered(admitted.sql, path, tenant))), None)


def _unfiltered(sql: str, path: str, tenant: Tenant) -> str | None:
    name = path.rsplit(".", 1)[1]
    if not path.startswith(f"{tenant.project_id}.{tenant.organizations_dataset}."):
        return None
    table = readable_tables.shared_tables().get(name)
    if table is None:
        return f"closed table {name}"
    columns = ", ".join(f"`{column}`" for column in table.columns)
    condition = f"`org_slug` = '{tenant.org_slug}'"
    if "user_id" in table.filters:
        condition += f" AND `user_id` = '{USER}'"
    whole = f"(SELECT {columns} FROM `{path}` WHERE {condition})"
    return None if sql.count(whole) == _STRING.sub("''", sql).count(f"`{path}`") else f"{name} is not filtered"
