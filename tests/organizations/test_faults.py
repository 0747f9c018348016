"""A change while Firestore, BigQuery or KMS is down: a 503 that changed nothing, or that the next attempt completes."""

from typing import Any

import pytest

from common.errors import WarehouseUnavailable
from common.warehouse import sdk
from common.warehouse.client import QueryResult
from common.warehouse.query import GuardedQuery
from tests.organizations.conftest import Serving
from tests.organizations.organizations import Made
from tests.organizations.serving import Product

FIRST = {"provider": "openai", "model": "gpt-4o", "key": "sk-faults-0123456789"}
NOBODY = "http://127.0.0.1:9"


async def test_kms_down_stores_nothing(product: Product, made: Made) -> None:
    product.kms.fail("Encrypt", "INTERNAL", times=9)
    response = await product.put(made, **FIRST)
    assert (response.status_code, response.json()["code"]) == (503, "key_service_unavailable")
    assert response.headers["retry-after"]
    assert made.settings() == made.credentials() == []
    product.kms.reset()
    assert (await product.put(made, **FIRST)).status_code == 200


async def test_bigquery_down_stores_nothing_and_a_warm_status_is_still_told(
    serving: Serving, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sdk, "WAREHOUSE_RETRY_SECONDS", 0.2)
    warm: Product = await serving()
    assert (await warm.put(made, **FIRST)).status_code == 200
    assert (await warm.status(made.member))["status"] == "ready"
    product: Product = await serving(bigquery_emulator_host=NOBODY)
    response = await product.put(made, temperature=1)
    assert (response.status_code, response.json()["code"]) == (503, "warehouse_unavailable")
    assert (await product.status(made.member))["status"] == "ready"
    deleted = await product.settings.delete("/settings", headers=made.admin)
    assert deleted.status_code == 503
    assert len(made.settings()) == len(made.credentials()) == 1


async def test_firestore_down_is_a_503_and_the_next_attempt_completes_the_change(product: Product, made: Made) -> None:
    assert (await product.put(made, **FIRST)).status_code == 200
    for rpc in ("BatchGetDocuments", "Commit"):
        product.firestore.fail(rpc, "DATA_LOSS", times=9)
        response = await product.put(made, temperature=1.25)
        assert (response.status_code, response.json()["code"]) == (503, "session_store_unavailable")
        product.firestore.reset()
    assert (await product.put(made, temperature=1.25)).status_code == 200
    assert product.copy(made)["settings"]["temperature"] == 1.25
    assert len(made.settings()) == len(made.credentials()) == 1


async def test_a_statement_whose_answer_was_lost_serves_nobody_from_an_old_copy(
    product: Product, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await product.put(made, **FIRST, temperature=0.1)).status_code == 200
    warehouse = product.services.warehouse
    run = warehouse.run

    async def lost(query: GuardedQuery, **options: Any) -> QueryResult:
        await run(query, **options)
        raise WarehouseUnavailable

    monkeypatch.setattr(warehouse, "run", lost)
    response = await product.put(made, temperature=0.9)
    assert (response.status_code, response.json()["code"]) == (503, "warehouse_unavailable")
    monkeypatch.undo()
    assert product.copy(made) == {}
    await product.send(made.member)
    assert product.model.calls[-1].temperature == 0.9
