"""Every policy holds for what is planned, with the example's variables and with everything switched on."""

import pytest

from tests.infra.plan import Plan
from tests.infra.policies import POLICIES
from tests.infra.policies.queries import queries


@pytest.mark.parametrize("policy", POLICIES)
def test_a_policy_holds(plan: Plan, policy: str) -> None:
    assert list(POLICIES[policy](plan)) == []


def test_the_queries_of_the_code_are_found() -> None:
    found = {(query.collection, query.needs_an_index) for query in queries()}
    assert {("conversations", True), ("outbox", False), ("messages", False), ("purges", False)} <= found
