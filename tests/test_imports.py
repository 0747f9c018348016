"""The libraries that each function imports as it starts: what it uses at once, and nothing that another one needs."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# Libraries that take long to import. Of flask nothing is used: the functions-framework imports it by itself.
HEAVY = (
    "a2a", "ag_ui", "aiohttp", "boto3", "flask", "google.cloud.bigquery", "google.cloud.firestore",
    "google.cloud.kms_v1", "google.cloud.storage", "grpc", "httpx", "jwt", "litellm", "lxml", "mcp", "numpy", "openai",
    "opentelemetry.sdk", "pypdf", "semantic_text_splitter", "sqlglot", "tokenizers",
)  # fmt: skip
READING = {"flask", "google.cloud.firestore", "grpc"}
ANSWERING = {*READING, "google.cloud.bigquery"}
# The sockets to the providers and the SQL guard come in when they are first used, the KMS SDK where a key is wrapped,
# MCP's with the first message; litellm never does here. A function that answers turns has the clients of the stores
# before the server forks; one that only reads holds the least memory when they come in with its first request.
STARTS_WITH = {
    "access": READING,
    "alerts": {"flask"},
    "a2a": {*ANSWERING, "a2a", "httpx"},
    "completions": ANSWERING,
    "conversations": {"flask"},
    "copilotkit": {*ANSWERING, "ag_ui"},
    "deliver": READING,
    "destinations": READING,
    "health": {"flask"},
    "ingest": {"flask"},
    "knowledge": READING,
    "mcp": READING,
    "messages": {"flask"},
    "send": ANSWERING,
    "settings_status": {"flask"},
    "sync": {"flask"},
    "usage": {"flask"},
}
FUNCTIONS = sorted(path.parent.name for path in (ROOT / "functions").glob("*/main.py"))


def test_every_function_has_its_list() -> None:
    assert sorted(STARTS_WITH) == FUNCTIONS


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_starts_with_what_it_uses_at_once(name: str) -> None:
    code = f"import sys, functions.{name}.main; print([name for name in {HEAVY!r} if name in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == str([each for each in HEAVY if each in STARTS_WITH[name]])
