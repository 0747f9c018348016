"""Alert rules: a round over 1,000 organisations of 20 rules each, its time, its statements and the bytes that it reads.

The emulators share the machine, and that of BigQuery takes longer for a large text than BigQuery does. So what it
answered is played back as well, each answer after as long as BigQuery takes for one.
"""

import asyncio
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery
from rich.console import Console

from common.alerting.round import RoundReport
from common.services import Services
from common.settings import load_settings
from common.warehouse import schema
from common.warehouse.query import GuardedQuery
from local.data import warehouse
from local.emulators.process import EmulatorProcess
from tests.alerting import generated
from tests.bench.results import Results, Table, Verdict, shown
from tests.bench.stage import PROJECT, Stage

ORGANIZATIONS, QUICK = 1_000, 100
RULES_EACH = 20
ROUND_SECONDS = 600.0
# What a statement over a small table takes of BigQuery, with its dry run and the way there.
STATEMENT_SECONDS = 3.0
NOON = datetime(2026, 3, 31, 12, tzinfo=UTC)


async def run(console: Console, stage: Stage, results: Results) -> None:
    """A first round, in which everything is read, and one in which no costs have changed."""
    count = QUICK if stage.quick else ORGANIZATIONS
    orgs = [f"bench_{number:04}" for number in range(count)]
    with _emulated() as environment, EnvironmentOf(environment):
        lines = [line for line in generated.bill(0) if line.arrives <= NOON]
        _load(environment, orgs, lines)
        services = Services(load_settings(), clock=lambda: NOON)
        answers = _kept(services)
        first, seconds = await _round(services)
        again, unchanged_seconds = await _round(services)
        await _forget(services, orgs)
        replayed = Services(load_settings(), clock=lambda: NOON)
        _replay(replayed, answers)
        played, whole_seconds = await _round(replayed)
        for each in (services, replayed):
            await each.close()
    rows = (
        _row("emulated, everything is new", first, seconds),
        _row("emulated, no costs changed", again, unchanged_seconds),
        _row(f"played back, {STATEMENT_SECONDS:g} s a statement", played, whole_seconds),
    )
    table = Table(
        f"A round over {count:,} organisations of {RULES_EACH} rules",
        ("", "seconds", "ms an organisation", "KB an organisation", "alerts", "failed"),
        rows,
        f"A bill has {len(lines):,} lines. One statement an organisation reads the columns that its rules' filters "
        "name, of the days that they look at, and one more its budgets: BigQuery bills at least 10 MB a table.",
    )
    table.show(console)
    whole = whole_seconds / count * ORGANIZATIONS
    results.add("alerts", table, verdicts=[Verdict("A round over 1,000 organisations", whole, ROUND_SECONDS, "s")])


def _kept(services: Services) -> dict[str, Any]:
    """What BigQuery answers to the services from now on, by what it was asked."""
    answers: dict[str, Any] = {}
    ask = services.warehouse.run

    async def keeping(query: GuardedQuery, **more: Any) -> Any:
        answer = answers[_key(query)] = await ask(query, **more)
        return answer

    services.warehouse.run = keeping  # type: ignore[method-assign]
    return answers


def _replay(services: Services, answers: dict[str, Any]) -> None:
    async def answering(query: GuardedQuery, **more: Any) -> Any:
        await asyncio.sleep(STATEMENT_SECONDS)
        return answers[_key(query)] if not query.writes else next(iter(answers.values()))

    services.warehouse.run = answering  # type: ignore[method-assign]


def _key(query: GuardedQuery) -> str:
    return repr((query.sql, sorted((name, each.value) for name, each in query.parameters.items())))


async def _forget(services: Services, orgs: list[str]) -> None:
    for org in orgs:
        await services.documents.delete_below(f"orgs/{org}", 200)


async def _round(services: Services) -> tuple[RoundReport, float]:
    """Rounds until nothing is left, as the scheduler calls them."""
    began, total = time.perf_counter(), None
    while True:
        report = await services.alert_round.run()
        if total is None:
            total = report
        else:
            for name in ("organizations", "rules", "fired", "failed", "bytes_processed"):
                total[name] += report[name]
        if report["status"] == "ok":
            return total, time.perf_counter() - began


def _row(name: str, report: RoundReport, seconds: float) -> tuple[str, ...]:
    count = max(1, report["organizations"])
    per = (shown(seconds), shown(1000 * seconds / count), shown(report["bytes_processed"] / count / 1000))
    return (name, *per, f"{report['fired']:,}", f"{report['failed']:,}")


@contextmanager
def _emulated() -> Iterator[dict[str, str]]:
    with EmulatorProcess(PROJECT, services=["bigquery", "firestore"]) as emulators:
        yield {**emulators.environment, "GCP_PROJECT_ID": PROJECT, "ENVIRONMENT": "test"}


class EnvironmentOf:
    """The variables of an environment, as long as the context lasts."""

    def __init__(self, values: dict[str, str]) -> None:
        self._values, self._before = values, dict[str, str | None]()

    def __enter__(self) -> None:
        self._before = {name: os.environ.get(name) for name in self._values}
        os.environ.update(self._values)

    def __exit__(self, *_: object) -> None:
        for name, value in self._before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _load(environment: dict[str, str], orgs: list[str], lines: list[generated.Line]) -> None:
    options = {"api_endpoint": environment["BIGQUERY_EMULATOR_HOST"]}
    client = bigquery.Client(project=PROJECT, credentials=AnonymousCredentials(), client_options=options)
    warehouse.create(client, orgs)
    stored = [line.stored() for line in lines]
    for org in orgs:
        _replace(client, f"{warehouse.tenant_dataset(org)}.{warehouse.COSTS}", "tenant", stored)
    made = {"admin_email": "a@example.com", "status": "ACTIVE", "created_at": datetime(2025, 1, 1, tzinfo=UTC)}
    profiles = [{"org_slug": org, "company_name": org, "org_dataset_id": f"{org}_prod", **made} for org in orgs]
    rules = [rule for number, org in enumerate(orgs) for rule in generated.rules(org, number, RULES_EACH)]
    _replace(client, f"{warehouse.SHARED}.org_profiles", "organizations", profiles)
    _replace(client, f"{warehouse.SHARED}.org_notification_rules", "organizations", rules)
    client.close()


def _replace(client: bigquery.Client, table: str, dataset: Any, rows: list[dict[str, Any]]) -> None:
    described = schema.load(dataset, table.rpartition(".")[2])
    warehouse.wait_for(warehouse.replace_rows(client, f"{PROJECT}.{table}", described, rows))
