"""The product over a real server of the operator's own; what is missing skips a test, and fails it in CI."""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from typing import NoReturn

import pytest

from common import limits
from common.models import deadline
from common.models.completion import Providers
from common.organizations import key_check
from common.settings import LocalModel
from tests.conftest import Cloud
from tests.local_model.serve_weights import CONTEXT
from tests.local_model.weights_server import UnavailableError, serving_weights
from tests.organizations.organizations import Made, Rows
from tests.organizations.serving import Product, served


def unavailable(what: str) -> NoReturn:
    """Skip with the reason; in CI, where nothing may be missing, fail with it."""
    reason = f"No real model can be served here: {what}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="module")
async def address() -> AsyncIterator[str]:
    """Where the real server is."""
    async with AsyncExitStack() as stack:
        try:
            url = await stack.enter_async_context(serving_weights())
        except UnavailableError as error:
            unavailable(str(error))
        yield url


@pytest.fixture(scope="session")
def rows(cloud: Cloud) -> Iterator[Rows]:
    """The shared tables."""
    rows = Rows(cloud)
    yield rows
    rows.close()


@pytest.fixture
def made(rows: Rows) -> Made:
    """An organisation of this test's own, without settings."""
    return rows.make()


@pytest.fixture
async def product(cloud: Cloud, rows: Rows, address: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Product]:
    """The functions, whose operator names the real server."""
    # A model that shares its cores with other work may be many times slower than alone.
    monkeypatch.setattr(key_check, "KEY_CHECK_SECONDS", limits.MODEL_TOTAL_SECONDS)
    for name in ("MODEL_FIRST_TOKEN_SECONDS", "MODEL_BETWEEN_TOKENS_SECONDS"):
        monkeypatch.setattr(deadline, name, limits.MODEL_TOTAL_SECONDS)
    llm = Providers()
    smol = LocalModel(
        base_url=address, model_id="SmolLM2-135M-Instruct", context_window=CONTEXT, max_output=256, calls_tools=False
    )
    async with served(cloud, rows, llm, local_models={"smollm2": smol}) as product:  # type: ignore[arg-type]
        yield product
    await llm.close()
