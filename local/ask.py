"""One question in the terminal: the answer as it is written, then the SQL and the bytes behind it."""

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from httpx_sse import EventSource
from rich.console import Console
from rich.syntax import Syntax

from local.data.organizations import API_KEYS

_START_SECONDS = 180.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--port", type=int, default=8002, help="where the product is served (8002)")
    parser.add_argument("--org", default="acme_inc", help="acme_inc, globex_inc or focus_inc (acme_inc)")
    parser.add_argument("--conversation", help="continue this conversation")
    parser.add_argument("question", help="the question, in plain words")


def run(args: argparse.Namespace) -> int:
    """Ask, and print what comes. Returns 0 when there was an answer, 1 when not, 2 for an unknown organisation."""
    console, org, question = Console(), args.org, args.question
    if not question.strip():
        console.print('Ask something: make ask Q="What did we spend per provider last month?"')
        return 2
    if org not in API_KEYS:
        console.print(f"There is no demo organisation {org!r}; use one of {', '.join(API_KEYS)}.", highlight=False)
        return 2
    with _served(console, args.port) as url:
        return _ask(console, url, org, question, args.conversation)


def _ask(console: Console, url: str, org: str, question: str, conversation_id: str | None) -> int:
    headers = {"X-Org-Slug": org, "X-API-Key": API_KEYS[org], "X-User-Id": "terminal"}
    body = {"message": question} | ({"conversation_id": conversation_id} if conversation_id else {})
    tools: list[dict[str, Any]] = []
    with (
        httpx.Client(timeout=httpx.Timeout(10, read=60)) as client,
        client.stream("POST", f"{url}/api/v1/chat/{org}/stream", json=body, headers=headers) as response,
    ):
        if response.status_code != httpx.codes.OK:
            response.read()
            console.print(f"[red]{response.json()['detail']}[/red]")
            return 1
        for event in EventSource(response).iter_sse():
            data = json.loads(event.data)
            if event.event == "token":
                console.print(data["text"], end="", markup=False, highlight=False)
            elif event.event == "agent":
                console.print(f"[dim]· {data['agent_name']}[/dim]")
            elif event.event == "tool" and data["status"] == "started":
                console.print(f"[dim]· {data['name']} {data['arguments']}[/dim]", highlight=False)
            elif event.event == "tool":
                tools.append(data)
            elif event.event == "error":
                console.print(f"\n[red]{data['message']}[/red]")
                return 1
            elif event.event == "done":
                _show_work(console, tools, data)
                return 0
    console.print("\n[red]The connection ended before the answer did.[/red]")
    return 1


def _show_work(console: Console, tools: list[dict[str, Any]], done: dict[str, Any]) -> None:
    console.print()
    for tool in tools:
        result = tool["result"]
        if "error" in result:
            console.print(f"\n[yellow]{tool['name']}: {result['error']['message']}[/yellow]")
            continue
        console.rule(f"{tool['name']}: {result['row_count']} rows, {result['bytes_processed']:,} bytes", align="left")
        console.print(Syntax(result["sql"], "sql", word_wrap=True, background_color="default"))
        for name, value in result["parameters"].items():
            console.print(f"[dim]@{name} = {value!r}[/dim]", highlight=False)
    console.rule(align="left")
    facts = (done["agent_name"], done["model_id"], f"{done['latency_ms'] / 1000:.2f} s", done["conversation_id"])
    console.print(f"[dim]{' · '.join(facts)}[/dim]", highlight=False)


@contextmanager
def _served(console: Console, port: int) -> Iterator[str]:
    """The URL of the running product; where none runs, one is started for this question and stopped after it."""
    url = f"http://127.0.0.1:{port}"
    if _ready(url):
        yield url
        return
    console.print(f"[dim]Nothing is served on {url}; starting it for this question (make run keeps it running).[/dim]")
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryFile() as output:
        command = [sys.executable, "-m", "local", "run", "--port", str(port)]
        root = Path(__file__).parents[1]
        process = subprocess.Popen(command, cwd=root, stdout=output, stderr=output, env=os.environ)
        try:
            deadline = time.monotonic() + _START_SECONDS
            while not _ready(url):
                if process.poll() is not None or time.monotonic() > deadline:
                    output.seek(0)
                    raise SystemExit(output.read().decode(errors="replace"))
                time.sleep(0.2)
            yield url
        finally:
            process.terminate()
            process.wait(timeout=20)


def _ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health/ready", timeout=5).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
