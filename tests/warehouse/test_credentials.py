"""Tokens on the way to BigQuery: fetched once for all who wait, and again when one is refused."""

import asyncio
from typing import Any

import pytest
from google.auth.credentials import Credentials
from google.auth.exceptions import RefreshError

from common.errors import WarehouseUnavailable
from common.warehouse.client import Warehouse
from common.warehouse.query import fixed
from tests.warehouse.conftest import ACME, LABELS, Opened
from tests.warehouse.stub import Answer, Stub, refusal

FOUND = {
    "jobReference": {"projectId": "p", "jobId": "j"},
    "jobComplete": True,
    "schema": {"fields": [{"name": "one", "type": "INTEGER"}]},
    "rows": [{"f": [{"v": "1"}]}],
    "totalRows": "1",
    "totalBytesProcessed": "10",
    "totalBytesBilled": "10485760",
}
DRY_RUN = {"statistics": {"query": {"statementType": "SELECT", "totalBytesProcessed": "10"}}}


class Tokens(Credentials):
    """Credentials whose tokens are numbered; ``fails`` where there is none to be had."""

    def __init__(self, *, fails: bool = False) -> None:
        super().__init__()
        self.fails = fails
        self.fetched = 0

    def refresh(self, request: Any) -> None:
        if self.fails:
            raise RefreshError("planted")
        self.fetched += 1
        self.token = f"token-{self.fetched}"


def answering(method: str, path: str, body: dict[str, Any]) -> Answer:
    return 200, DRY_RUN if path.split("?")[0].endswith("/jobs") else FOUND


def signed_in(warehouse: Warehouse, tokens: Tokens) -> Warehouse:
    warehouse._sdk.own.client._credentials = tokens
    return warehouse


async def test_one_token_is_fetched_for_all_who_wait_and_sent_with_each_request(opened: Opened) -> None:
    tokens = Tokens()
    with Stub(answering) as stub:
        warehouse = signed_in(opened(stub.url), tokens)
        texts = [fixed(ACME, f"SELECT {number} AS one") for number in range(20)]
        found = await asyncio.gather(*(warehouse.run(text, labels=LABELS) for text in texts))
    assert {(result.rows[0]["one"], result.bytes_processed, result.bytes_billed) for result in found} == {
        (1, 10, 10_485_760)
    }
    assert tokens.fetched == 1
    assert {headers["authorization"] for headers in stub.headers} == {"Bearer token-1"}


async def test_a_token_that_is_refused_is_fetched_again_once(opened: Opened) -> None:
    tokens = Tokens()

    def refusing(method: str, path: str, body: dict[str, Any]) -> Answer:
        old = stub.headers[-1]["authorization"] == "Bearer token-1"
        return refusal(401, "authError") if old else answering(method, path, body)

    with Stub(refusing) as stub:
        found = await signed_in(opened(stub.url), tokens).run(fixed(ACME, "SELECT 1 AS one"), labels=LABELS)
    assert found.rows == ({"one": 1},)
    assert tokens.fetched == 2


async def test_one_that_stays_refused_or_cannot_be_had_is_no_answer(opened: Opened) -> None:
    for tokens in (Tokens(), Tokens(fails=True)):
        with Stub(lambda *_: refusal(401, "authError")) as stub, pytest.raises(WarehouseUnavailable):
            await signed_in(opened(stub.url), tokens).run(fixed(ACME, "SELECT 1 AS one"), labels=LABELS, seconds=5)
        assert tokens.fetched in (0, 2)
