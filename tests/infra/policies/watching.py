"""What is called by the clock, counted in the log, and told to the operator."""

import ast
import re
from collections.abc import Iterator
from functools import cache

from common import errors
from common.telemetry.log import FIELDS
from common.web import routes
from tests.infra.plan import Plan, Resource
from tests.infra.workspace import ROOT

_SCHEDULES = {
    "alerts": "*/15 * * * *", "deliver": "* * * * *", "health": "*/5 * * * *", "ingest": "* * * * *",
    "sync": "* * * * *",
}  # fmt: skip
_FIELD = re.compile(r"jsonPayload\.(\w+)")
_EVENT = re.compile(r'jsonPayload\.message="([^"]+)"')
_CODE = re.compile(r'jsonPayload\.(?:code|finish)="([^"]+)"')
_METRIC = re.compile(r"logging_googleapis_com:user_(\w+)")
# Metrics of the platform's own that some alert must ask: only they see what leaves no record of ours.
_PLATFORM = {
    "5xx of the platform's own": r'run_googleapis_com:request_count\{[^}]*response_code_class="5xx"',
    "quotas": r"serviceruntime_googleapis_com:quota_exceeded\{",
}
# What an operator must be told of, each by a metric that its alert asks.
_WATCHED = (
    "memory_exceeded",
    "no_instance",
    "failed_starts",
    "failed_jobs",
    "requests",
    "first_token_ms",
    "outbox_age_seconds",
    "rejected_rows",
    "failed_alerts",
    "dead_deliveries",
    "key_failures",
    "bytes_billed",
)


def scheduler(plan: Plan) -> Iterator[str]:
    """Each job calls a route of its function as it should, with a token for just this function."""
    jobs = {_called(plan, each): each for each in plan.of("google_cloud_scheduler_job")}
    yield from (f"{name} is not called" for name in sorted(_SCHEDULES.keys() - jobs.keys()))
    for name, each in jobs.items():
        if name is None:
            yield f"{each.address} calls {each.block('http_target')['uri']}, which is no function"
            continue
        target, function = each.block("http_target"), plan.functions[name].block("service_config")
        token = each.block("http_target", "oidc_token")
        if each.values["schedule"] != _SCHEDULES.get(name):
            yield f"{name} is called at {each.values['schedule']}"
        if token.get("audience") != function["uri"]:
            yield f"{name} is called with a token for {token.get('audience')}"
        if token.get("service_account_email") not in {x.values["email"] for x in plan.of("google_service_account")}:
            yield f"{name} is called by {token.get('service_account_email')}, who is not made here"
        path = target["uri"].removeprefix(function["uri"]) or "/"
        if target["http_method"] not in {match.route.method for match in routes.matches(name, path)}:
            yield f"{name} does not answer {target['http_method']} {path}"
        if int(str(each.values["attempt_deadline"]).removesuffix("s")) < function["timeout_seconds"]:
            yield f"{name} is given up before it may end"


def metrics(plan: Plan) -> Iterator[str]:
    """Log-based metrics ask for records, fields and codes that the code writes."""
    for each in plan.of("google_logging_metric"):
        asked = " ".join([each.values["filter"], each.values["value_extractor"] or "", *extractors(each).values()])
        yield from (
            f"{each.address} asks for the field {field}"
            for field in sorted(set(_FIELD.findall(asked)) - FIELDS - {"message"})
        )
        yield from (f"{each.address} asks for the record {x}" for x in sorted(set(_EVENT.findall(asked)) - events()))
        yield from (f"{each.address} asks for the code {x}" for x in sorted(set(_CODE.findall(asked)) - codes()))
        described = {label["key"] for label in each.block("metric_descriptor").get("labels") or ()}
        if described != set(extractors(each)):
            yield f"{each.address} describes other labels than it extracts"


def alerts(plan: Plan) -> Iterator[str]:
    """Every alert and chart asks a metric that is made; what must be watched is."""
    made = {re.sub(r"\W", "_", each.values["name"]) for each in plan.of("google_logging_metric")}
    asked = {
        each.address: set(_METRIC.findall(condition["condition_prometheus_query_language"][0]["query"]))
        for each in plan.of("google_monitoring_alert_policy")
        for condition in each.values["conditions"]
    }
    shown = {
        each.address: set(_METRIC.findall(each.values["dashboard_json"]))
        for each in plan.of("google_monitoring_dashboard")
    }
    for address, names in {**asked, **shown}.items():
        found = {re.sub(r"_(bucket|sum|count)$", "", name) for name in names}
        yield from (f"{address} asks {name}, which is not made" for name in sorted(found - made))
    for each in plan.of("google_monitoring_alert_policy"):
        for condition in each.values["conditions"]:
            if not condition["condition_prometheus_query_language"][0]["disable_metric_validation"]:
                yield f"{each.address} cannot be made before its metric has a value"
        if not each.block("documentation").get("content"):
            yield f"{each.address} does not say what to do"
    queries = " ".join(
        condition["condition_prometheus_query_language"][0]["query"]
        for each in plan.of("google_monitoring_alert_policy")
        for condition in each.values["conditions"]
    )
    yield from (f"nobody is told of {what}" for what, query in _PLATFORM.items() if not re.search(query, queries))
    everything = " ".join(name for names in asked.values() for name in names)
    yield from (f"nobody is told of {metric}" for metric in _WATCHED if metric not in everything)
    yield from ("there is no dashboard" for _ in range(not shown))


def extractors(metric: Resource) -> dict[str, str]:
    """The labels of a log-based metric, and what each is read from."""
    return dict(metric.values["label_extractors"] or {})


def records(metric: Resource) -> tuple[set[str], set[str]]:
    """The records that a metric counts, and the fields that it reads of them."""
    read = " ".join([metric.values["value_extractor"] or "", *extractors(metric).values()])
    return set(_EVENT.findall(metric.values["filter"])), set(_FIELD.findall(read))


@cache
def events() -> frozenset[str]:
    """The names of the records that the code writes."""
    return frozenset(
        argument.value
        for file in (ROOT / "common").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        if "log" in ast.unparse(node.func.value)
        for argument in node.args[:1]
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str) and "." in argument.value
    )


def codes() -> set[str]:
    """The codes of all errors."""
    found, open_ = set(), [errors.ServiceError]
    while open_:
        each = open_.pop()
        found.add(each.code)
        open_ += each.__subclasses__()
    return found


def _called(plan: Plan, job: Resource) -> str | None:
    uri = job.block("http_target")["uri"]
    return next((n for n, each in plan.functions.items() if uri.startswith(each.block("service_config")["uri"])), None)
