"""``python -m local guard``: why the SQL guard admits or denies a query, as JSON."""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from common.errors import BadSlug
from common.tenant import Tenant, parse_org_slug
from common.warehouse.guard import Admitted, Denied, Pool

_AHEAD = 32


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument("--org", default="acme", help="the organisation that asks (acme); a line's own org wins")
    parser.add_argument("--project", default="acme-project", help="the project of the warehouse (acme-project)")
    parser.add_argument("--organizations", default="organizations", help="the shared dataset (organizations)")
    parser.add_argument("--user", default="u1", help="the person who asks (u1)")
    parser.add_argument(
        "--jsonl", metavar="FILE", help="decide every line {id, sql, org?, user?} of a file, - is stdin"
    )


def run(args: argparse.Namespace) -> int:
    """Print one verdict, or one a line; 0 when all could be decided, 2 when the input is of no use."""
    try:
        if args.jsonl is None:
            return _one(args, sys.stdin.read())
        lines = sys.stdin if args.jsonl == "-" else Path(args.jsonl).read_text("utf-8").splitlines()
        return _many(args, lines)
    except (BadSlug, OSError, ValueError) as error:
        print(f"guard: {error or type(error).__name__}", file=sys.stderr)
        return 2


def _one(args: argparse.Namespace, sql: str) -> int:
    with Pool(workers=1) as pool:
        print(json.dumps(_verdict(_decided(pool, args, {"sql": sql})), ensure_ascii=False))
    return 0


def _many(args: argparse.Namespace, lines: Iterable[str]) -> int:
    cases = [_case(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    with Pool() as pool:
        for case, decided in _in_order(pool, args, cases):
            print(json.dumps({"id": case.get("id"), **_verdict(decided)}, ensure_ascii=False))
    return 0


def _in_order(
    pool: Pool, args: argparse.Namespace, cases: list[dict[str, Any]]
) -> Iterator[tuple[dict[str, Any], Admitted | Denied]]:
    """Decide the cases with a few in flight, and yield them in their order."""
    running: list[tuple[dict[str, Any], Future[Admitted] | Denied]] = []
    for case in cases:
        running.append((case, _submitted(pool, args, case)))
        if len(running) >= _AHEAD:
            first, decision = running.pop(0)
            yield first, _result(decision)
    for first, decision in running:
        yield first, _result(decision)


def _case(number: int, line: str) -> dict[str, Any]:
    case = json.loads(line)
    if not isinstance(case, dict) or not isinstance(case.get("sql"), str):
        raise ValueError(f"line {number} is not an object with a text in sql")
    return case


def _submitted(pool: Pool, args: argparse.Namespace, case: dict[str, Any]) -> Future[Admitted] | Denied:
    tenant = Tenant(parse_org_slug(str(case.get("org") or args.org)), args.project, args.organizations)
    try:
        return pool.submit(case["sql"], tenant, str(case.get("user") or args.user))
    except Denied as denied:
        return denied


def _decided(pool: Pool, args: argparse.Namespace, case: dict[str, Any]) -> Admitted | Denied:
    return _result(_submitted(pool, args, case))


def _result(decision: Future[Admitted] | Denied) -> Admitted | Denied:
    if isinstance(decision, Denied):
        return decision
    try:
        return decision.result()
    except Denied as denied:
        return denied


def _verdict(decided: Admitted | Denied) -> dict[str, Any]:
    if isinstance(decided, Denied):
        return {"admitted": False, "code": decided.code, "message": decided.message, "sql": None, "tables": []}
    return {"admitted": True, "code": None, "message": None, "sql": decided.sql, "tables": sorted(decided.tables)}
