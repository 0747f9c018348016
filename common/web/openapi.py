"""The product as an OpenAPI 3.1 document, made of the route table, the contracts' types and the error tree."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib import import_module
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from common.errors import (
    BadRequest,
    EncodingNotSupported,
    Forbidden,
    NotFound,
    RateLimited,
    ServiceError,
    TooLarge,
    Unauthenticated,
    Unavailable,
    Unprocessable,
)
from common.transcript.ids import ID_RULE
from common.web.contracts import CSV, EVENTS, JSON, Contract, contract_of
from common.web.routes import ROUTES, Route

_ERROR = "Error"
_OBJECT: dict[str, Any] = {"type": "object"}
_TEXT: dict[str, Any] = {"type": "string"}
# One server-sent event; its data is a line of JSON.
_EVENT = {
    "type": "object",
    "properties": {"event": {"type": "string"}, "data": {"type": "string"}},
    "required": ["data"],
}
_WITH_BODY = ("POST", "PUT", "PATCH")
# The statuses of a body that cannot be taken, whatever a call makes of it.
_OF_A_BODY = frozenset({408, TooLarge.status, EncodingNotSupported.status})
_HEADERS = {
    "X-API-Key": "An active API key of the organisation.",
    "X-Org-Slug": "The organisation; where the path names it too, the same.",
    "X-Tenant-ID": "Another spelling of X-Org-Slug.",
    "X-User-Id": "The person who calls; without it the caller is the key itself, or whom the token names.",
}
_IDS = {
    "org_slug": "The organisation's slug.",
    "conversation_id": f"The conversation: {ID_RULE}.",
    "message_id": f"The message: {ID_RULE}.",
}
_PARAMETER = re.compile(r"\{(\w+)\}")
Schemas = Mapping[tuple[str, JsonSchemaMode], dict[str, Any]]


def document(version: str, url: str) -> dict[str, Any]:
    """The document of a deployment whose calls are at ``url``."""
    return {**_described(), "info": {**_described()["info"], "version": version}, "servers": [{"url": url}]}


@cache
def _described() -> dict[str, Any]:
    named = sorted(_types(ROUTES))
    adapters = [(each, each[1], TypeAdapter(_type(each[0]))) for each in named]
    made, shared = TypeAdapter.json_schemas(adapters, ref_template="#/components/schemas/{model}")
    schemas = {key: schema for (key, _), schema in made.items()}
    paths: dict[str, dict[str, Any]] = defaultdict(dict)
    for route in ROUTES:
        paths[route.path][route.method.lower()] = _operation(route, contract_of(route), schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Cloud cost chat", "description": "Answers questions about an organisation's cloud costs."},
        "paths": dict(paths),
        "components": {
            "schemas": {**shared.get("$defs", {}), _ERROR: _error_schema()},
            "securitySchemes": {
                "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
        },
    }


def _types(routes: Iterable[Route]) -> set[tuple[str, JsonSchemaMode]]:
    """The types that the contracts name, each as it is read or written."""
    found: set[tuple[str, JsonSchemaMode]] = set()
    for contract in map(contract_of, routes):
        found |= {(contract.body, "validation")} if contract.body else set()
        found |= {
            (each, "serialization") for each in (contract.answer, contract.errors, *contract.also.values()) if each
        }
    return found


def _type(name: str) -> Any:
    module, _, member = name.partition(":")
    return getattr(import_module(module), member)


def _operation(route: Route, contract: Contract, schemas: Schemas) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": _operation_id(route),
        "summary": contract.summary or f"{route.function}: {route.name}",
        "tags": [route.function],
        "parameters": list(_parameters(route, contract)),
        "responses": dict(_responses(route, contract, schemas)),
    }
    if _takes_body(route, contract):
        schema = schemas[contract.body, "validation"] if contract.body else _OBJECT
        operation["requestBody"] = {"required": not contract.body_may_be_empty, "content": {JSON: {"schema": schema}}}
    if not contract.open:
        operation["security"] = [{"key": []}, {"bearer": []}]
    return operation


def _operation_id(route: Route) -> str:
    """The call's name; where several addresses lead to it, with the address."""
    same = [each for each in ROUTES if (each.function, each.name) == (route.function, route.name)]
    name = f"{route.function}.{route.name}"
    return name if len(same) == 1 else f"{name}.{same.index(route) + 1}"


def _parameters(route: Route, contract: Contract) -> Iterator[dict[str, Any]]:
    named = _PARAMETER.findall(route.path)
    for name in named:
        schema = {"type": "string", "pattern": "^[a-z0-9_]{3,50}$" if name == "org_slug" else "^[^/]+$"}
        yield {"name": name, "in": "path", "required": True, "schema": schema, "description": _IDS.get(name, name)}
    for query in contract.query:
        yield {"name": query.name, "in": "query", "schema": dict(query.schema), "description": query.description}
    if not contract.open:
        for name, description in _HEADERS.items():
            # The key is a security scheme.
            if name != "X-API-Key":
                required = name == "X-Org-Slug" and "org_slug" not in named and not contract.bearer
                schema = {"type": "string"}
                yield {"name": name, "in": "header", "required": required, "schema": schema, "description": description}


def _responses(route: Route, contract: Contract, schemas: Schemas) -> Iterator[tuple[str, dict[str, Any]]]:
    answer = schemas[contract.answer, "serialization"] if contract.answer else _OBJECT
    content = {media: {"schema": {JSON: answer, EVENTS: _EVENT, CSV: _TEXT}[media]} for media in contract.media}
    yield "200", {"description": "The answer.", "content": content}
    failures = _failures(route, contract)
    for status in sorted({*failures, *contract.also}):
        codes = failures.get(status, [])
        error: dict[str, Any] = {"$ref": f"#/components/schemas/{_ERROR}", "properties": {"code": {"enum": codes}}}
        if contract.errors:
            error = schemas[contract.errors, "serialization"]
        kinds: list[dict[str, Any]] = [error] if codes else []
        named = contract.also.get(status)
        kinds += [schemas[named, "serialization"]] if named else []
        described: dict[str, Any] = {"description": ", ".join(codes) or "Taken."}
        if kinds:
            described["content"] = {JSON: {"schema": kinds[0] if len(kinds) == 1 else {"anyOf": kinds}}}
        yield str(status), described


def _failures(route: Route, contract: Contract) -> dict[int, list[str]]:
    """The codes, by status, with which a call may fail: those of everybody, of callers, of bodies and its own."""
    roots: list[type[ServiceError]] = [BadRequest, Unavailable, *contract.fails]
    if not contract.open:
        roots += [Unauthenticated, Forbidden, RateLimited]
    if set(_PARAMETER.findall(route.path)) - {"org_slug"}:
        roots.append(NotFound)
    found = {ServiceError, EncodingNotSupported}.union(*map(_branch, roots))
    if _takes_body(route, contract):
        found |= {Unprocessable, *(each for each in _branch(ServiceError) if each.status in _OF_A_BODY)}
    if contract.checked:
        found.add(Unprocessable)
    codes: dict[int, list[str]] = defaultdict(list)
    for each in sorted(found, key=lambda one: one.code):
        codes[each.status].append(each.code)
    return codes


def _takes_body(route: Route, contract: Contract) -> bool:
    """Return true if a call is read for a body; one that knows no caller only where its body is told."""
    return contract.body is not None or (route.method in _WITH_BODY and not contract.open)


def _branch(root: type[ServiceError]) -> set[type[ServiceError]]:
    """The error and every one below it in the tree."""
    below = (each for each in root.__subclasses__() if each.__module__ == ServiceError.__module__)
    return {root}.union(*map(_branch, below))


def _error_schema() -> dict[str, Any]:
    codes = sorted({each.code for each in _branch(ServiceError)})
    texts = ("detail", "request_id", "status", "message")
    return {
        "type": "object",
        "properties": {**{name: {"type": "string"} for name in texts}, "code": {"enum": codes}},
        "required": ["detail", "code", "request_id"],
    }
