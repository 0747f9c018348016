"""How each function runs: who reaches it, for how long, how many at once, and with which settings."""

import re
from collections.abc import Iterator

import pytest

from common import limits, queue
from common.alerting import round as alert_round
from common.delivery import deliveries, sender
from common.organizations import key_check, provider_key
from common.record import sync
from common.settings import InvalidSettings, Settings, load_settings
from common.warehouse import bigquery_api, client
from tests.infra.plan import Plan

_TURNS = ("send", "copilotkit", "completions", "a2a")
_TURN = limits.TURN_SECONDS + limits.JOIN_SECONDS
# The longest that a request may take, by the bounds of the code.
_LONGEST = {
    **dict.fromkeys(_TURNS, _TURN),
    "mcp": limits.TOOL_SECONDS + client.LOOKUP_SECONDS,
    "settings_status": key_check.KEY_CHECK_SECONDS + client.LOOKUP_SECONDS + limits.WAREHOUSE_CALL_SECONDS,
    "access": 2 * client.LOOKUP_SECONDS + limits.WAREHOUSE_CALL_SECONDS,
    "conversations": limits.QUERY_SECONDS - 1,
    "messages": limits.QUERY_SECONDS - 1,
    "usage": limits.QUERY_SECONDS + 2 * client.LOOKUP_SECONDS,
    "knowledge": limits.QUERY_SECONDS + 2 * client.LOOKUP_SECONDS,
    "destinations": 2 * client.LOOKUP_SECONDS + 2 * provider_key.KEY_SERVICE_SECONDS + sender.SMTP_SECONDS,
    "deliver": max(deliveries.ROUND_SECONDS + queue.QUEUE_SECONDS + 30, provider_key.KEY_SERVICE_SECONDS + 50),
    "ingest": limits.INGEST_SECONDS,
    "sync": sync.SYNC_SECONDS + limits.SYNC_STATEMENT_SECONDS,
    "alerts": alert_round.ROUND_SECONDS + limits.QUERY_SECONDS,
    "health": limits.READINESS_SECONDS,
}
_PLATFORM = 3600
_NAMES = {
    (field.alias or name).upper()
    for name, field in Settings.model_fields.items()
    if not name.endswith("_emulator_host")
}


def ingress(plan: Plan) -> Iterator[str]:
    """Nothing from the internet reaches a function but through a load balancer."""
    for name, each in plan.functions.items():
        if each.block("service_config").get("ingress_settings") not in (
            "ALLOW_INTERNAL_AND_GCLB",
            "ALLOW_INTERNAL_ONLY",
        ):
            yield f"{name} is reached from anywhere"


def timeouts(plan: Plan) -> Iterator[str]:
    """The platform cuts no request that the code would still answer."""
    for name, each in plan.functions.items():
        seconds = each.block("service_config")["timeout_seconds"]
        longest = _LONGEST.get(name, _TURN)
        if not longest < seconds <= _PLATFORM:
            yield f"{name} is cut after {seconds} s, and may take {longest} s"


def concurrency(plan: Plan) -> Iterator[str]:
    """An instance has a connection to BigQuery for each request that it takes, and a whole CPU for several."""
    for name, each in plan.functions.items():
        config = each.block("service_config")
        at_once = config["max_instance_request_concurrency"] or 1
        if at_once > bigquery_api.WAREHOUSE_CONNECTIONS:
            yield f"{name} takes {at_once} requests at once, and has {bigquery_api.WAREHOUSE_CONNECTIONS} connections"
        if name in _TURNS and at_once <= limits.TURNS_PER_INSTANCE:
            yield f"{name} takes {at_once} requests at once: none of them could wait for its turn"
        workers = int((config["environment_variables"] or {}).get("WORKERS", "1"))
        if workers > 1 and float(config["available_cpu"]) != workers:
            yield f"{name} has {workers} processes and {config['available_cpu']} CPUs"
        if at_once > 1 and float(config["available_cpu"]) < 1:
            yield f"{name} takes {at_once} requests at once with less than a CPU, which is refused"
        if not (config["min_instance_count"] or 0) <= config["max_instance_count"]:
            yield f"{name} has more instances at least than at most"


def runtimes(plan: Plan) -> Iterator[str]:
    """Each function is a Python that the product supports, and its entry point is in its own source."""
    for name, each in plan.functions.items():
        config = each.block("build_config")
        if not re.fullmatch(r"python3(1[1-9])", config["runtime"] or ""):
            yield f"{name} runs on {config['runtime']}"
        stored = config["source"][0]["storage_source"][0]
        sources = {
            plan.folder / found.values["source"]
            for found in plan.of("google_storage_bucket_object")
            if (found.values["bucket"], found.values["name"]) == (stored["bucket"], stored["object"])
        }
        if sources != {plan.archive(each)}:
            yield f"{name} is not built from its own archive"


def settings(plan: Plan) -> Iterator[str]:
    """What the environment of each function says is known to Settings, valid, and true of what is made."""
    for name, each in plan.functions.items():
        environment = each.block("service_config")["environment_variables"] or {}
        yield from (f"{name}: {unknown} is no setting" for unknown in sorted(set(environment) - _NAMES))
        with pytest.MonkeyPatch.context() as patch:
            for variable in {*_NAMES, *map(str.upper, Settings.model_fields)}:
                patch.delenv(variable, raising=False)
            for variable, value in environment.items():
                patch.setenv(variable, value)
            try:
                found = load_settings()
            except InvalidSettings as invalid:
                yield f"{name}: {invalid}"
                continue
        yield from (f"{name}: {problem}" for problem in _untrue(plan, name, found))


def _untrue(plan: Plan, name: str, found: Settings) -> Iterator[str]:
    if not found.environment.is_deployed:
        yield f"ENVIRONMENT is {found.environment}, where a bypass is allowed"
    if found.gcp_project_id != plan.functions[name].values["project"]:
        yield f"GCP_PROJECT_ID is {found.gcp_project_id}"
    granted = {
        each.values["crypto_key_id"] for each in plan.of("google_kms_crypto_key_iam_member") if each.name == "function"
    }
    members = plan.of("google_kms_crypto_key_iam_member")
    uses_key = any(each.name == "function" and str(each.key).split("/")[0] == name for each in members)
    for_tokens = {each.values["crypto_key_id"] for each in members if each.name == "token" and each.key == name}
    if for_tokens and for_tokens != {found.kms_token_key_path}:
        yield f"the key of tokens is {found.kms_token_key_path}, and what is granted is on {sorted(for_tokens)}"
    if uses_key and {found.kms_key_path} != granted:
        yield f"the key is {found.kms_key_path}, and what is granted is on {sorted(granted)}"
    databases = {each.values["name"] for each in plan.of("google_firestore_database")}
    if databases and found.firestore_database not in databases:
        yield f"FIRESTORE_DATABASE is {found.firestore_database}, which is not made"
    datasets = {each.values["dataset_id"] for each in plan.of("google_bigquery_dataset")}
    if plan.variables["shared_dataset"].get("create_dataset", True) and found.organizations_dataset not in datasets:
        yield f"ORGANIZATIONS_DATASET is {found.organizations_dataset}, which is not made"
    hosts = {
        host
        for each in plan.of("google_compute_url_map")
        for rule in each.values["host_rule"]
        for host in rule["hosts"]
    }
    if hosts and found.public_url not in {f"https://{host}" for host in hosts}:
        yield f"PUBLIC_URL is {found.public_url}, and the host is {sorted(hosts)}"
