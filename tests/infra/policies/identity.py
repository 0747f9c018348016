"""Who each function is, what it may do, and who may call it."""

from collections.abc import Iterator
from typing import Any

from common.web.contracts import contract_of
from common.web.routes import ROUTES
from tests.infra.plan import Plan, Resource

_PUBLIC = ("allUsers", "allAuthenticatedUsers")
_USER, _VIEWER = "roles/datastore.user", "roles/datastore.viewer"
_BOTH = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
_ENCRYPT, _DECRYPT = "roles/cloudkms.cryptoKeyEncrypter", "roles/cloudkms.cryptoKeyDecrypter"
_READ, _WRITE, _ASK = "roles/bigquery.dataViewer", "roles/bigquery.dataEditor", "roles/bigquery.jobUser"
_CALL = "roles/run.invoker"
# Calls that know no caller and tell nothing of an organisation.
_FOR_EVERYBODY = {"card", "live", "ready", "openapi"}
_ALERTS = ("org_notification_rules", "org_alert_history")
_SETTINGS = ("org_chat_settings", "org_integration_credentials")
_RECORD = (
    "org_chat_conversations",
    "org_chat_messages",
    "org_chat_tool_calls",
    "org_chat_feedback",
    "org_chat_usage",
    "org_alert_history",
)
_AGENTS = ("send", "copilotkit", "completions", "a2a")
# Whose tools read what organisations own.
_TENANT_READERS = (*_AGENTS, "mcp", "usage", "alerts")
_CATALOG_READERS = (*_AGENTS, "mcp", "health")
_TOKEN_PROVERS = (
    *_AGENTS, "mcp", "usage", "settings_status", "access", "conversations", "messages", "knowledge", "destinations",
)  # fmt: skip
_SHARED_READERS = (*_TOKEN_PROVERS, "alerts", "ingest")
_EMBEDDERS = (*_AGENTS, "mcp", "knowledge", "ingest")
# What only the scheduler calls, of ingest Eventarc and of deliver Cloud Tasks: no person proves a token there.
INNER = ("sync", "alerts", "ingest", "deliver")
_ACCESS = ("org_chat_access", "org_api_keys")
_WRITES = {
    **dict.fromkeys((*_AGENTS, "mcp"), _ALERTS), "settings_status": _SETTINGS, "access": _ACCESS, "sync": _RECORD,
    "alerts": ("org_notification_rules",),
}  # fmt: skip
_KEY = {
    # Questions and documents are embedded by the organisation's own provider.
    **dict.fromkeys(_EMBEDDERS, (_DECRYPT,)),
    # It puts keys in, and never gets one out.
    "settings_status": (_ENCRYPT,),
    "health": ("roles/cloudkms.viewer",),
}
# Spans, where tracing is switched on.
_MAY = {("project", "roles/cloudtrace.agent")}
Grant = tuple[str, str]


def own_accounts(plan: Plan) -> Iterator[str]:
    """Every function acts as an account of its own, and is built as one that is no function's."""
    made = {each.values["email"] for each in plan.of("google_service_account")}
    names = {each.values["name"] for each in plan.of("google_service_account")}
    accounts = {name: each.block("service_config")["service_account_email"] for name, each in plan.functions.items()}
    for name, account in accounts.items():
        if account not in made:
            yield f"{name} acts as {account}, which is not made here"
        if list(accounts.values()).count(account) > 1:
            yield f"{name} shares its account {account}"
        builder = plan.functions[name].block("build_config")["service_account"]
        if builder not in names:
            yield f"{name} is built as {builder}, which is not made here"
        elif str(builder).rpartition("/")[2] in accounts.values():
            yield f"{name} is built as {builder}, which a function acts as"


def no_public_members(plan: Plan) -> Iterator[str]:
    """Nobody unknown is a member of anything, but as a caller of what the operator made public."""
    for each in plan.resources:
        if not _is_public_call(each):
            yield from (f"{each.address} names {public}" for public in _PUBLIC if public in _texts(each.values))


def public_functions(plan: Plan) -> Iterator[str]:
    """What everybody may call knows its callers, is behind Cloud Armor, and is told as public; no inner one is."""
    names = {function.values["name"]: name for name, function in plan.functions.items()}
    public = {names.get(each.values["service"], "nothing") for each in plan.resources if _is_public_call(each)}
    schemes = {each.values["load_balancing_scheme"] for each in plan.of("google_compute_global_forwarding_rule")}
    for name in sorted(public):
        if name in INNER:
            yield f"everybody may call {name}"
        if schemes != {"EXTERNAL_MANAGED"} or not plan.of("google_compute_security_policy"):
            yield f"{name} is public without an external load balancer and Cloud Armor"
        unknown = {each.name for each in ROUTES if each.function == name and contract_of(each).open}
        yield from (f"{name} answers everybody: {call}" for call in sorted(unknown - _FOR_EVERYBODY))
    for route in ROUTES:
        told = plan.outputs["endpoints"].get(route.path)
        if told is not None and told["public"] != (route.function in public):
            yield f"{route.path} is told as {'public' if told['public'] else 'not public'}"


def no_account_keys(plan: Plan) -> Iterator[str]:
    """No key of a service account is made; keys are files that get lost."""
    yield from (f"{each.address} makes a key" for each in plan.of("google_service_account_key"))


def no_broad_grants(plan: Plan) -> Iterator[str]:
    """No grant takes others' place, and none is of a basic or an administrator's role."""
    for each in plan.resources:
        if each.type.endswith(("_iam_policy", "_iam_binding")):
            yield f"{each.address} takes the place of grants that others gave"
        role = str(each.values.get("role", ""))
        if role in ("roles/owner", "roles/editor", "roles/viewer") or "admin" in role.lower():
            yield f"{each.address} grants {role}"


def least_roles(plan: Plan) -> Iterator[str]:
    """Each function has the roles that its code needs, where it needs them, and no other."""
    shared, catalog = (_dataset(plan, name) for name in ("ORGANIZATIONS_DATASET", "CATALOG_DATASET"))
    for name, function in plan.functions.items():
        member = f"serviceAccount:{function.block('service_config')['service_account_email']}"
        has = {_grant(each) for each in plan.resources if _is_grant(each) and each.values.get("member") == member}
        needs = _needs(name, shared, catalog)
        yield from (f"{name} lacks {role} on {place}" for place, role in sorted(needs - has))
        for place, role in sorted(has - needs - _MAY):
            yield f"{name} has {role} on {place}"


def invokers(plan: Plan) -> Iterator[str]:
    """The scheduler calls inner functions and health; of the inner ones Eventarc calls ingest, Cloud Tasks deliver."""
    scheduler = {
        f"serviceAccount:{each.block('http_target', 'oidc_token').get('service_account_email')}"
        for each in plan.of("google_cloud_scheduler_job")
    }
    callers: dict[str, set[str]] = {}
    for each in plan.of("google_cloud_run_service_iam_member", "google_cloudfunctions2_function_iam_member"):
        callers.setdefault(each.values.get("service") or each.values["cloud_function"], set()).add(
            each.values["member"]
        )
        if each.values["role"] != _CALL:
            yield f"{each.address} grants {each.values['role']}"
    for name in (*INNER, "health"):
        if not scheduler <= callers.get(plan.functions[name].values["name"], set()):
            yield f"the scheduler may not call {name}"
    events = {
        f"serviceAccount:{each['service_account_email']}" for each in plan.functions["ingest"].values["event_trigger"]
    }
    tasks = {
        f"serviceAccount:{each.block('http_target', 'oidc_token').get('service_account_email')}"
        for each in plan.of("google_cloud_tasks_queue")
    }
    if not tasks or tasks - callers.get(plan.functions["deliver"].values["name"], set()):
        yield "Cloud Tasks may not call deliver"
    for name in INNER:
        allowed = scheduler | {"ingest": events, "deliver": tasks}.get(name, set())
        if callers.get(plan.functions[name].values["name"], set()) - allowed:
            yield f"somebody other than the scheduler may call {name}"
    if not events or events - callers.get(plan.functions["ingest"].values["name"], set()):
        yield "Eventarc may not call ingest"


def every_function_is_deployed(plan: Plan) -> Iterator[str]:
    """What answers a route is deployed, and nothing else."""
    yield from (
        f"{name} is not deployed" for name in sorted({route.function for route in ROUTES} - set(plan.functions))
    )
    yield from (
        f"{name} answers nothing" for name in sorted(set(plan.functions) - {route.function for route in ROUTES})
    )


def _needs(name: str, shared: str, catalog: str) -> set[Grant]:
    needs = {("project", _ASK), ("project", _VIEWER if name == "health" else _USER)}
    if name == "deliver":
        needs |= {("token key", _DECRYPT), ("queue", "roles/cloudtasks.enqueuer")}
    if name in _TOKEN_PROVERS:
        needs.add(("token key", _BOTH if name in ("access", "destinations") else _DECRYPT))
    needs |= {("key", role) for role in _KEY.get(name, ())}
    if name in _EMBEDDERS:
        needs.add(("project", "roles/aiplatform.user"))
    if name in ("knowledge", "ingest"):
        needs.add(("documents", "roles/storage.objectUser"))
    if name == "knowledge":
        needs.add(("its own account", "roles/iam.serviceAccountTokenCreator"))
    needs |= {(f"table {shared}.{table}", _WRITE) for table in _WRITES.get(name, ())}
    needs |= {(f"dataset {catalog}", _READ)} if name in _CATALOG_READERS else set()
    return needs | ({(f"dataset {shared}", _READ)} if name in _SHARED_READERS else set())


def _is_public_call(each: Resource) -> bool:
    return each.address.startswith("google_cloud_run_service_iam_member.public[") and each.values["role"] == _CALL


def _is_grant(each: Resource) -> bool:
    return each.type.endswith("_iam_member")


def _grant(each: Resource) -> Grant:
    values = each.values
    if each.type == "google_bigquery_table_iam_member":
        return f"table {values['dataset_id']}.{values['table_id']}", values["role"]
    if str(values.get("crypto_key_id")).endswith("/token-secret-encryption"):
        return "token key", values["role"]
    places = {
        "google_project_iam_member": "project",
        "google_cloud_tasks_queue_iam_member": "queue",
        "google_kms_crypto_key_iam_member": "key",
        "google_bigquery_dataset_iam_member": f"dataset {values.get('dataset_id')}",
        "google_service_account_iam_member": _account_of(values),
        "google_storage_bucket_iam_member": str(values.get("bucket")).rpartition("-")[2],
    }
    return places.get(each.type, each.address), values["role"]


def _dataset(plan: Plan, setting: str) -> str:
    return str(plan.functions["send"].block("service_config")["environment_variables"][setting])


def _account_of(values: Any) -> str:
    name, member = str(values.get("service_account_id")), str(values.get("member")).removeprefix("serviceAccount:")
    return "its own account" if name.endswith(f"/{member}") else f"account {name}"


def _texts(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set().union(*map(_texts, value.values()))
    if isinstance(value, list):
        return set().union(*map(_texts, value))
    return {value} if isinstance(value, str) else set()
