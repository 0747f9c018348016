"""One run of an AG-UI client, or of a bare POST in its place."""

import uuid
from typing import Any

import httpx

from tests.clients.conftest import Node, Product

CLIENTS = ["1.0", "0.0"]


async def run(node: Node, product: Product, client: str, *steps: dict[str, Any], **asked: Any) -> Any:
    request = {"client": client, "url": product.address("copilotkit"), "headers": product.headers(), "steps": steps}
    return await node.run("agui.mjs", {**request, **asked})


def types(step: dict[str, Any]) -> list[str]:
    """The types of the events, a run of the same type once."""
    found: list[str] = []
    for event in step["events"]:
        if not found or found[-1] != event["type"]:
            found.append(event["type"])
    return found


async def posted(product: Product, headers: dict[str, str] | None = None, **fields: Any) -> httpx.Response:
    body = {"threadId": str(uuid.uuid4()), "runId": str(uuid.uuid4()), "messages": [], **fields}
    async with httpx.AsyncClient(headers=product.headers() | (headers or {}), timeout=120) as http:
        return await http.post(product.address("copilotkit"), json=body)
