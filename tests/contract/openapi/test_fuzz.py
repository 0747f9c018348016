"""Every operation of the OpenAPI document, asked with what a fuzzer makes of its schema, answers as documented."""

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from typing import Any
from unittest.mock import patch

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from common import app
from common.app import Services
from common.settings import load_settings
from common.web.openapi import document
from local.data.__main__ import emulated_bigquery
from local.emulators.process import EmulatorProcess
from local.gateway import Gateway
from tests.conftest import PROJECT
from tests.contract.http import bill
from tests.fakes.scripted_model import ScriptedModel, say
from tests.listening import listening

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
CALLER = {"X-Org-Slug": bill.ORG, "X-API-Key": bill.ADMIN_KEY, "X-User-Id": "ada"}
CHAT = f"/api/v1/chat/{bill.ORG}"
EXAMPLES = 12
# What ends the chat of the organisation is asked last.
LAST = "DELETE /api/v1/chat/{org_slug}/settings"
FUZZED = settings(
    max_examples=EXAMPLES, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
SCHEMA = schemathesis.openapi.from_dict(document("fuzzed", "/"))
OPERATIONS = {each.ok().label: each.ok() for each in SCHEMA.get_all_operations() if isinstance(each, Ok)}
# What takes nothing cannot be given what is wrong.
TAKING = [label for label, each in OPERATIONS.items() if list(each.iter_parameters()) or each.body]


@dataclass(frozen=True, slots=True)
class Served:
    """Where the product is, and a conversation with an answer in it."""

    url: str
    conversation_id: str
    message_id: str


@pytest.fixture(scope="module")
async def served() -> AsyncIterator[Served]:
    """The product over a cloud of its own, because whatever can be deleted will be."""
    with EmulatorProcess(PROJECT) as emulators:
        environment = {**emulators.environment, "GCP_PROJECT_ID": PROJECT, "ENVIRONMENT": "test"}
        client = emulated_bigquery(environment)
        bill.load(client)
        client.close()
        with patch.dict(os.environ, environment):
            services = Services(
                load_settings().model_copy(update={"user_messages_per_minute": 0, "log_level": "ERROR"}),
                model=ScriptedModel([say("As you see.")]),
            )
            app.use(services)
            try:
                async with listening(Gateway()) as url:
                    yield await begun(url)
            finally:
                app.use(None)
                await services.close()


async def begun(url: str) -> Served:
    async with httpx.AsyncClient(base_url=url, headers=CALLER, timeout=60) as http:
        chosen = {"provider": "openai", "model": "gpt-4o", "key": "sk-fuzzed-0123456789"}
        assert (await http.put(f"{CHAT}/settings", json=chosen)).status_code == 200
        answer = (await http.post(f"{CHAT}/send", json={"message": "Hello"})).json()
    return Served(url, answer["conversation_id"], answer["message_id"])


def fuzz(label: str, mode: GenerationMode, served: Served, named: dict[str, Any]) -> None:
    """Ask one operation with made-up requests of a known caller, and hold each answer to the document."""
    operation = OPERATIONS[label]
    parameters = {name: value for name, value in named.items() if f"{{{name}}}" in operation.path}
    case_of = operation.as_strategy(mode, path_parameters=parameters or None)

    @FUZZED
    @given(case=case_of)
    def asked(case: Any) -> None:
        response = case.call(base_url=served.url, headers=CALLER, timeout=120)
        case.validate_response(response, checks=CHECKS)

    asked()


@pytest.mark.parametrize("label", sorted(OPERATIONS, key=lambda label: label == LAST))
async def test_an_operation_answers_as_it_is_documented(served: Served, label: str) -> None:
    there = {"org_slug": bill.ORG, "conversation_id": served.conversation_id, "message_id": served.message_id}
    await asyncio.to_thread(partial(fuzz, label, GenerationMode.POSITIVE, served, there))


@pytest.mark.parametrize("label", sorted(TAKING, key=lambda label: label == LAST))
async def test_an_operation_refuses_as_it_is_documented(served: Served, label: str) -> None:
    # Where the organisation is all that is taken, that is what is wrong.
    more = (
        OPERATIONS[label].body
        or [each for each in OPERATIONS[label].iter_parameters() if each.location != "header"][1:]
    )
    named = {"org_slug": bill.ORG} if more else {}
    await asyncio.to_thread(partial(fuzz, label, GenerationMode.NEGATIVE, served, named))


async def test_a_path_that_is_made_up_is_answered_as_documented(served: Served) -> None:
    for label in OPERATIONS:
        if "{" in label:
            await asyncio.to_thread(partial(fuzz, label, GenerationMode.POSITIVE, served, {}))
