"""What is imported before the first call, and when."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Asks a model of each provider in a process of its own, and says whether litellm came in: before, and by the call.
ASK = """
import asyncio, sys
from common.models.completion import Providers
from tests.fakes.wire_stub import Answer, wire_stub
from tests.models.conftest import Wire, a_call

async def main(provider):
    async with wire_stub() as stub:
        stub.play([Answer("one two three")])
        llm = Providers(stub.bases)
        await llm.warm()
        warm = "litellm" in sys.modules
        _, reply = await Wire(stub, llm).ask(a_call(provider))
        await llm.close()
        print(warm, reply.text, "litellm" in sys.modules)

asyncio.run(main(sys.argv[1]))
"""


def asked(provider: str) -> str:
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ASK, provider],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini", "deepseek"])
def test_a_provider_whose_format_is_spoken_here_needs_no_litellm(provider: str) -> None:
    assert asked(provider) == "False one two three False"


def test_litellm_comes_in_with_the_first_call_that_needs_it() -> None:
    assert asked("openai-litellm") == "False one two three True"
