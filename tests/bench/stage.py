"""What every benchmark runs before: the emulators with data, the far side, and organisations with a key each."""

import itertools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from google.cloud import bigquery
from rich.console import Console

from local.data import access, operations
from local.data.__main__ import emulated_bigquery, emulated_kms
from local.data.access import Encrypt
from local.data.organizations import ACME, Organization
from local.data.prepare import prepare
from local.data.rows import to_json
from local.emulators.process import EmulatorProcess
from local.emulators.rpc import SeamsClient
from tests.bench.load import Caller
from tests.bench.provider import bases
from tests.bench.served import ROOT

PROJECT = "local-dev-project"
SHARED = f"{PROJECT}.organizations"
ORGANIZATIONS = 40
MODEL_ID = "gpt-4o-mini"
# Of each further provider so many organisations, and the model that they use.
FURTHER_ORGANIZATIONS = 20
FURTHER = {"anthropic": "claude-sonnet-4-5", "gemini": "gemini-2.5-flash", "deepseek": "deepseek-chat"}
# The organisations whose providers mean harm: one of each way to a provider.
HOSTILE = {"deepseek": "deepseek-chat", "anthropic": "claude-sonnet-4-5"}
# The provider of the benchmarks, and what data takes in the cloud; Firestore is as quick as the emulator is.
AT_ONCE = {"first": 0.0, "each": 0.0, "tokens": 60}
PACED = {"first": 0.3, "each": 0.02, "tokens": 60}
NO_DATA_LATENCY = {"query": 0.0, "dry_run": 0.0, "kms": 0.0, "insert": 0.0}
DATA_LATENCY = {"query": 0.4, "dry_run": 0.3, "kms": 0.06, "insert": 0.1}


@dataclass
class Stage:
    """The running surroundings of the product; ``environment`` points a function at them.

    ``callers`` are organisations of OpenAI, ``further`` those of each other provider; ``bring`` makes more of OpenAI.
    """

    environment: dict[str, str]
    emulators: EmulatorProcess
    stub_services: str
    stub_services_pid: int
    folder: Path
    callers: list[Caller]
    further: dict[str, list[Caller]]
    hostile: dict[str, Caller]
    bring: Callable[[int], list[Caller]]
    quick: bool = False

    def pace(self, model: Mapping[str, float], data: Mapping[str, float] = NO_DATA_LATENCY) -> None:
        """From now on the provider and the data services take so long."""
        warehouse = {name: data[name] for name in ("query", "dry_run")}
        httpx.post(f"{self.stub_services}/pace", json={"model": model, "warehouse": warehouse}).raise_for_status()
        kms = SeamsClient(self.environment["KMS_EMULATOR_HOST"])
        kms.delay("Decrypt", data["kms"])
        kms.close()

    def seen(self) -> dict[str, Any]:
        """What the far side was asked so far."""
        found: dict[str, Any] = httpx.get(f"{self.stub_services}/seen").json()
        return found

    def rival_environment(self, data: Mapping[str, float] = NO_DATA_LATENCY) -> dict[str, str]:
        """What a rival needs: where the provider is, what to ask it, and what to wait for in place of data."""
        exchange = self.folder / "exchange.json"
        asked = self.seen()["asked"]
        assert [len(body["messages"]) for body in asked] == [2, 2, 4], "what was asked last is not one turn"
        exchange.write_text(json.dumps(asked))
        waits = {name: str(data[name]) for name in ("kms", "query", "insert")}
        return {
            "BENCH_API_BASE": bases(self.stub_services)["openai"],
            "BENCH_EXCHANGE": str(exchange),
            "BENCH_WAITS": json.dumps(waits),
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        }


@contextmanager
def staged(console: Console, *, quick: bool = False) -> Iterator[Stage]:
    """Everything up, and down again at the end."""
    _compile()
    with (
        tempfile.TemporaryDirectory() as name,
        EmulatorProcess(PROJECT, start_timeout=120) as emulators,
    ):
        environment = {
            **emulators.environment,
            "GCP_PROJECT_ID": PROJECT,
            "ENVIRONMENT": "test",
            "LOG_LEVEL": "INFO",
            "USER_MESSAGES_PER_MINUTE": "6000",  # counted, and never reached
            "ORG_MESSAGES_PER_MINUTE": "6000",
            "CACHE_TTL_SECONDS": "86400",
        }
        client, encrypt = emulated_bigquery(environment), emulated_kms(environment)
        prepare(client, encrypt, datetime.now(UTC).date(), None, console)
        numbers = itertools.count()

        def callers(provider: str, model_id: str, count: int) -> list[Caller]:
            made = [_organization(number) for number in itertools.islice(numbers, count)]
            _bring_keys(client, encrypt, made, provider, model_id)
            return [Caller(each.slug, each.api_key, "bench") for each in made]

        own = callers("openai", MODEL_ID, ORGANIZATIONS)
        hostile = {provider: callers(provider, model_id, 1)[0] for provider, model_id in HOSTILE.items()}
        further = {
            provider: callers(provider, model_id, FURTHER_ORGANIZATIONS) for provider, model_id in FURTHER.items()
        }
        with _stub_services(environment["BIGQUERY_EMULATOR_HOST"]) as (port, pid):
            url = f"http://127.0.0.1:{port}"
            environment["MODEL_API_BASES"] = json.dumps(bases(url))
            bring = partial(callers, "openai", MODEL_ID)
            yield Stage(environment, emulators, url, pid, Path(name), own, further, hostile, bring, quick)


def _compile() -> None:
    """Compile what is served, as the build of a function does, whose instances compile nothing when they start."""
    command = [sys.executable, "-m", "compileall", "-q", "--invalidation-mode", "checked-hash"]
    subprocess.run([*command, "common", "functions", "tests/bench/rivals"], cwd=ROOT, check=True)


def replayed(stage: Stage) -> dict[str, str]:
    """The environment of a function whose BigQuery is the far side's replay."""
    return {**stage.environment, "BIGQUERY_EMULATOR_HOST": stage.stub_services}


@contextmanager
def _stub_services(emulator: str) -> Iterator[tuple[int, int]]:
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.stub_services", "--bigquery", emulator],
        cwd=ROOT, env=os.environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        yield json.loads(child.stdout.readline())["port"], child.pid
    finally:
        child.stdin.close()
        child.wait(20)
        child.stdout.close()


def _organization(number: int) -> Organization:
    slug = f"bench_{number}"
    return replace(ACME, slug=slug, company_name=f"Bench {number}", api_key=f"demo-{slug}-key")


def _bring_keys(
    client: bigquery.Client, encrypt: Encrypt, organizations: list[Organization], provider: str, model_id: str
) -> None:
    """Write the organisations' profiles, API keys, settings and encrypted keys of a provider."""
    today = datetime.now(UTC).date()
    tables: dict[str, list[Any]] = {}
    for organization in organizations:
        (credential,) = access.credentials(organization, encrypt)
        (settings,) = access.chat_settings(organization)
        rows = {
            "org_profiles": operations.profile(organization),
            "org_api_keys": access.api_keys(organization, today),
            "org_integration_credentials": [credential | {"provider": provider}],
            "org_chat_settings": [settings | {"provider": provider, "model_id": model_id}],
        }
        for table, made in rows.items():
            tables.setdefault(table, []).extend(json.loads(to_json(row)) for row in made)
    for table, written in tables.items():
        errors = client.insert_rows_json(f"{SHARED}.{table}", written)
        assert not errors, errors
