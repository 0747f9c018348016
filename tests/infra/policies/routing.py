"""Where the load balancer sends a path, followed through the plan as a request would be."""

import re
from collections.abc import Iterator
from itertools import product

from common.web.routes import ROUTES, Route
from tests.infra.plan import Plan, Resource

_INNER = {"sync", "alerts", "ingest", "deliver"}


def routes(plan: Plan) -> Iterator[str]:
    """Every original path reaches the function that answers it, with a last slash too; sync's reaches none."""
    for url_map in plan.of("google_compute_url_map"):
        for route, slash in product(ROUTES, ("", "/")):
            path = _sample(route) + slash
            found = _function_at(plan, url_map, path)
            if route.function in _INNER and found in _INNER:
                yield f"{path} reaches {found}"
            elif route.function not in _INNER and found != route.function:
                yield f"{path} reaches {found}, and is answered by {route.function}"


def inner_functions_have_no_backend(plan: Plan) -> Iterator[str]:
    """No load balancer leads to what only the scheduler calls."""
    for each in plan.of("google_compute_region_network_endpoint_group"):
        if _entry_point(plan, each) in _INNER:
            yield f"{each.address} leads to {_entry_point(plan, each)}"


def backends(plan: Plan) -> Iterator[str]:
    """A serverless backend has a scheme and no timeout of its own; one that the internet reaches is protected."""
    schemes = {each.values["load_balancing_scheme"] for each in plan.of("google_compute_global_forwarding_rule")}
    for each in plan.of("google_compute_backend_service"):
        if each.values.get("timeout_sec") is not None:
            yield f"{each.address} has a timeout, which serverless backends refuse"
        if {each.values.get("load_balancing_scheme")} != schemes:
            yield f"{each.address} has another scheme than its forwarding rule"
        if str(each.values.get("load_balancing_scheme")).startswith("EXTERNAL") and not each.values["security_policy"]:
            yield f"{each.address} is reached from the internet without a security policy"


def endpoints(plan: Plan) -> Iterator[str]:
    """The output tells callers every path, and the function's own address as the token's audience."""
    told = plan.outputs["endpoints"]
    audiences = {name: each.block("service_config")["uri"] for name, each in plan.functions.items()}
    for route in ROUTES:
        if route.function in _INNER:
            if route.path in told:
                yield f"{route.path} is told, and is the scheduler's"
        elif route.path not in told:
            yield f"{route.path} is not told"
        elif told[route.path]["audience"] != audiences.get(route.function):
            yield f"{route.path} is told with another audience than its function's address"


def _sample(route: Route) -> str:
    return re.sub(r"\{(\w+)\}", r"some-\1", route.path)


def _function_at(plan: Plan, url_map: Resource, path: str) -> str | None:
    """The function that the load balancer reaches at a path: the first rule, by priority, that matches."""
    matcher = url_map.block("path_matcher")
    for rule in sorted(matcher["route_rules"], key=lambda each: int(each["priority"])):
        if any(_matches(match, path) for match in rule["match_rules"]):
            return _behind(plan, rule["service"])
    return _behind(plan, matcher["default_service"])


def _matches(match: dict[str, str | None], path: str) -> bool:
    template, whole, prefix = (match.get(f"{kind}_match") for kind in ("path_template", "full_path", "prefix"))
    if template:
        return re.fullmatch(re.escape(template).replace(r"\*\*", ".+").replace(r"\*", "[^/]+"), path) is not None
    return path == whole or bool(prefix and path.startswith(prefix))


def _behind(plan: Plan, backend_id: str | None) -> str | None:
    for backend in plan.of("google_compute_backend_service"):
        if backend.values["id"] == backend_id:
            group = backend.block("backend")["group"]
            for each in plan.of("google_compute_region_network_endpoint_group"):
                if each.values["id"] == group:
                    return _entry_point(plan, each)
    return None


def _entry_point(plan: Plan, group: Resource) -> str | None:
    service = group.block("cloud_run").get("service")
    return next((name for name, each in plan.functions.items() if each.values["name"] == service), None)
