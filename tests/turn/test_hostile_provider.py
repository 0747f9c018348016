"""A function whose customers' providers mean harm, as it is served: it answers meanwhile, and its memory stays."""

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import httpx
import pytest

from tests.bench.served import Served, function, served
from tests.conftest import Cloud
from tests.fakes import hostile_provider
from tests.fakes.wire_stub import BASES
from tests.turn.providers import PROVIDERS, Customer, bring_keys

MOST_MIB = 100.0
# A loaded machine is ten times slower; the figure itself is the benchmark's.
HEALTH_SECONDS = 20.0


@dataclass
class Harmed:
    """The function, the address of the provider, and a customer of it on each wire."""

    send: Served
    address: str
    customers: list[Customer]


@pytest.fixture(scope="module")
def harmed(cloud: Cloud) -> Iterator[Harmed]:
    customers = bring_keys(cloud, len(PROVIDERS))
    with hostile_provider.process() as address:
        bases = {provider: address + path for provider, path in BASES.items()}
        environment = {**cloud.environment, "MODEL_API_BASES": json.dumps(bases), "USER_MESSAGES_PER_MINUTE": "1000"}
        with served(function("send"), "send", environment) as send:
            send.ready()
            # Everything is imported, and every wire was used once.
            for customer in customers:
                ended(Harmed(send, address, customers), customer, "redirect")
            yield Harmed(send, address, customers)


def ended(harmed: Harmed, customer: Customer, mode: str) -> str:
    """Ask in a mode, look at the health meanwhile, and return the last event."""
    httpx.post(f"{harmed.address}/mode/{mode}", timeout=120).raise_for_status()
    last = ""
    with (
        httpx.Client(base_url=harmed.send.url, headers=customer.headers, timeout=120) as client,
        client.stream("POST", "/stream", json={"message": "What did we spend?"}) as response,
    ):
        assert response.status_code == 200
        with suppress(httpx.RemoteProtocolError):
            for number, line in enumerate(response.iter_lines()):
                if line.startswith("event: "):
                    last = line.removeprefix("event: ")
                if number % 200 == 0:
                    # Routing alone answers this.
                    assert httpx.options(harmed.send.url, timeout=HEALTH_SECONDS).status_code == 204
    return last


@pytest.mark.parametrize("mode", ["text", "thoughts", "arguments", "calls", "line", "garbage", "bomb", "headers"])
def test_a_hostile_provider_costs_neither_memory_nor_health(harmed: Harmed, mode: str) -> None:
    before = harmed.send.memory()
    for customer in harmed.customers:
        assert ended(harmed, customer, mode) in ("done", "error")
        assert harmed.send.memory() - before <= MOST_MIB, (customer.provider, harmed.send.memory() - before)
