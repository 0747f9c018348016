"""What a function gets ready with its first request; litellm and KMS's SDK are no part of that."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Cloud

ROOT = Path(__file__).parents[2]
CALLERS = ("send", "copilotkit", "a2a", "completions")
OTHERS = sorted({path.parent.name for path in (ROOT / "functions").glob("*/main.py")} - set(CALLERS))
# Asks the functions once, without a turn, and says which slow libraries come in, first and with what is got ready.
SERVE = """
import asyncio, gc, sys, httpx
from local.gateway import function_app

async def main(wanted, *names):
    for name in names:
        transport = httpx.ASGITransport(function_app(name))
        async with httpx.AsyncClient(transport=transport, base_url="http://function", timeout=120) as client:
            assert (await client.options("/" + name)).status_code == 204
    slow = {"litellm", "google.cloud.kms_v1"}
    first = sorted(slow & sys.modules.keys())
    from common import app
    if wanted == "yes":
        await app.services().warming
    assert gc.isenabled()
    print(first, sorted(slow & sys.modules.keys()), "warming" in app.services().__dict__)

asyncio.run(main(*sys.argv[1:]))
"""


def served(cloud: Cloud, *arguments: str) -> str:
    environment = {**os.environ, **cloud.environment}
    result = subprocess.run(
        [sys.executable, "-c", SERVE, *arguments],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    # Behind what the functions log.
    return result.stdout.splitlines()[-1]


def test_a_function_that_calls_models_gets_ready_without_slow_libraries(cloud: Cloud) -> None:
    assert served(cloud, "yes", "send") == "[] [] True"


@pytest.mark.parametrize("name", CALLERS)
def test_every_function_that_calls_models_gets_ready_with_its_first_request(cloud: Cloud, name: str) -> None:
    assert served(cloud, "no", name) == "[] [] True"


def test_the_other_functions_serve_without_them(cloud: Cloud) -> None:
    assert len(OTHERS) == 13
    assert served(cloud, "no", *OTHERS) == "[] [] False"
