"""The OpenAPI document: valid, of every route, with the fields and codes that the product has."""

from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator, validate

from common import errors, limits
from common.web import contracts
from common.web.contracts import Contract, contract_of
from common.web.openapi import document
from common.web.routes import ROUTES, Route
from local.docs_page import docs_page

DOCUMENT = document("1.2.3", "https://chat.example.com")


def operation(path: str, method: str) -> dict[str, Any]:
    found: dict[str, Any] = DOCUMENT["paths"][path][method]
    return found


def test_the_document_is_valid() -> None:
    validate(DOCUMENT, cls=OpenAPIV31SpecValidator)


def test_every_route_is_an_operation_and_nothing_else_is() -> None:
    described = {(method.upper(), path) for path, item in DOCUMENT["paths"].items() for method in item}
    assert described == {(route.method, route.path) for route in ROUTES}


def test_every_contract_is_of_a_route() -> None:
    assert set(contracts._CONTRACTS) <= {f"{route.function}/{route.name}" for route in ROUTES}


def test_a_route_without_a_contract_is_described_by_its_address() -> None:
    assert contract_of(Route("new", "call", "POST", "/new", ())) == Contract()


def test_the_body_of_a_message_is_that_of_the_model() -> None:
    content = operation("/api/v1/chat/{org_slug}/send", "post")["requestBody"]["content"]
    assert content["application/json"]["schema"] == {"$ref": "#/components/schemas/SendRequest"}
    schema = DOCUMENT["components"]["schemas"]["SendRequest"]
    assert schema["required"] == ["message"]
    assert schema["properties"]["message"]["maxLength"] == limits.MAX_MESSAGE_CHARS


def test_every_code_of_the_error_tree_is_in_the_document() -> None:
    classes = [
        each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, errors.ServiceError)
    ]
    assert set(DOCUMENT["components"]["schemas"]["Error"]["properties"]["code"]["enum"]) == {
        each.code for each in classes
    }


@pytest.mark.parametrize(
    ("path", "method", "status", "code"),
    [
        ("/api/v1/chat/{org_slug}/send", "post", "409", "conversation_busy"),
        ("/api/v1/chat/{org_slug}/send", "post", "422", "setup_required"),
        ("/api/v1/chat/{org_slug}/stream", "post", "504", "provider_timeout"),
        ("/api/v1/chat/{org_slug}/conversations", "get", "401", "invalid_api_key"),
        ("/api/v1/chat/{org_slug}/settings", "put", "415", "encoding_not_supported"),
        ("/copilotkit", "post", "413", "payload_too_large"),
    ],
)
def test_a_failure_stands_with_its_status(path: str, method: str, status: str, code: str) -> None:
    assert code in operation(path, method)["responses"][status]["description"].split(", ")


def test_nothing_is_documented_that_cannot_happen() -> None:
    assert "409" not in operation("/api/v1/chat/{org_slug}/conversations", "get")["responses"]
    assert "401" not in operation("/health", "get")["responses"]
    assert "requestBody" not in operation("/api/v1/chat/{org_slug}/conversations", "get")


def test_the_page_about_the_calls_shows_each_and_runs_nothing() -> None:
    page = docs_page(DOCUMENT)
    assert "<script" not in page
    for route in ROUTES:
        assert f"{route.method} {route.path}" in page
