"""The functions of sessions by themselves: what they import, and where they answer."""

import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from local.gateway import function_app
from tests.conversations.conftest import Product

ROOT = Path(__file__).parents[2]
HEAVY = ("litellm", "common.agents.loop", "common.agents.roster", "common.turn", "common.skills.costs.tools")


@pytest.mark.parametrize("name", ["conversations", "messages", "sync", "usage"])
def test_neither_the_agents_nor_the_models_are_imported(name: str) -> None:
    code = f"import runpy, sys; runpy.run_path(sys.argv[1]); print([m for m in {HEAVY} if m in sys.modules])"
    path = ROOT / "functions" / name / "main.py"
    result = subprocess.run(
        [sys.executable, "-c", code, str(path)], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )
    assert result.stdout.strip() == "[]", result.stderr


async def test_each_function_answers_at_its_own_url_too(product: Product) -> None:
    conversation_id = (await product.send("needle"))["conversation_id"]
    for name, paths in {
        "conversations": ("/", "/conversations", f"/conversations/{conversation_id}/export"),
        "messages": (f"/conversations/{conversation_id}/messages", "/search?q=needle", "/messages/search?q=needle"),
    }.items():
        transport = httpx.ASGITransport(function_app(name))
        async with httpx.AsyncClient(transport=transport, base_url="http://own", timeout=120) as client:
            for path in paths:
                response = await client.get(path, headers=product.headers())
                assert response.status_code == 200, path
                assert conversation_id in response.text
    async with httpx.AsyncClient(transport=httpx.ASGITransport(function_app("sync")), base_url="http://own") as client:
        assert (await client.post("/")).json()["status"] == "ok"
        assert (await client.get("/")).status_code == 405
