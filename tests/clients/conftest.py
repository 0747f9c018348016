"""The product on a loopback port, over a scripted model, for clients that know it only by its URL."""

import asyncio
import hashlib
import io
import json
import os
import shutil
import subprocess
import uuid
from asyncio.subprocess import PIPE
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from google.cloud import firestore

from common import app
from common.app import Services
from common.models.completion import ModelCall, Reply
from common.settings import load_settings
from common.telemetry.log import Log
from common.tenant import parse_org_slug
from common.transcript.ids import own_conversation_id
from local.data.organizations import API_KEYS
from local.emulators.rpc import SeamsClient
from local.gateway import Gateway
from tests.alone import alone
from tests.conftest import PROJECT, Cloud
from tests.fakes.scripted_model import ScriptedModel, Step
from tests.listening import listening


@dataclass
class Product:
    """Where the product is served, and what is behind it."""

    url: str
    model: ScriptedModel
    services: Services
    logs: io.StringIO
    documents: firestore.Client
    firestore: SeamsClient

    def address(self, name: str, org: str = "acme_inc") -> str:
        return f"{self.url}/api/v1/chat/{org}/{name}"

    def headers(self, org: str = "acme_inc", user: str = "u1") -> dict[str, str]:
        return {"X-Org-Slug": org, "X-API-Key": API_KEYS[org], "X-User-Id": user}

    def audited(self, org: str = "acme_inc") -> list[dict[str, Any]]:
        """The rows of tool calls that wait for the record."""
        entries = [entry.to_dict() or {} for entry in self.documents.collection("outbox").stream()]
        return [
            entry["row"] for entry in entries if entry["table"] == "org_chat_tool_calls" and entry["org_slug"] == org
        ]

    def conversation(self, conversation_id: str, org: str = "acme_inc") -> dict[str, Any]:
        return self.documents.document(f"orgs/{org}/conversations/{conversation_id}").get().to_dict() or {}

    def own_thread(self, thread_id: str, user: str, org: str = "acme_inc") -> str:
        """The id of the conversation that a person's client calls so, where the name is not taken literally."""
        return own_conversation_id(self.services.directory.tenant(parse_org_slug(org)), f"user/{user}", thread_id)

    async def recorded(self) -> None:
        """Bring everything that waits for the record there."""
        async with asyncio.timeout(120):
            while (await self.services.sync.run())["remaining"]:
                pass

    async def forget(self, conversation_id: str, org: str = "acme_inc") -> None:
        """Bring everything to the record, and take the conversation out of Firestore, as its expiry does."""
        await self.recorded()
        conversation = self.documents.document(f"orgs/{org}/conversations/{conversation_id}")
        for message in conversation.collection("messages").list_documents():
            message.delete()
        conversation.delete()

    async def released(self, conversation_id: str) -> None:
        """Wait, at most some seconds, until no turn holds the conversation any more."""
        async with asyncio.timeout(60):
            while self.conversation(conversation_id).get("lease") is not None:  # noqa: ASYNC110  in another process
                await asyncio.sleep(0.01)

    async def turns_ended(self, count: int) -> None:
        """Wait, at most some seconds, until so many turns are over and stored."""
        async with asyncio.timeout(60):
            while self.logs.getvalue().count('"turn.finished"') < count:  # noqa: ASYNC110  the log has no event
                await asyncio.sleep(0.01)

    def messages(self, conversation_id: str, org: str = "acme_inc") -> list[dict[str, Any]]:
        path = f"orgs/{org}/conversations/{conversation_id}/messages"
        return [entry.to_dict() or {} for entry in self.documents.collection(path).order_by("sequence").stream()]


class PacedModel(ScriptedModel):
    """A scripted model that takes its time before every piece."""

    def __init__(self, steps: Sequence[Step], seconds: float) -> None:
        super().__init__(steps)
        self.seconds = seconds

    async def stream(self, call: ModelCall) -> AsyncGenerator[str | Reply, None]:
        async with aclosing(super().stream(call)) as pieces:
            async for piece in pieces:
                await asyncio.sleep(self.seconds)
                yield piece


class HeldModel(ScriptedModel):
    """Says the first word of its first answer, and then nothing more for as long as it is listened to."""

    async def stream(self, call: ModelCall) -> AsyncGenerator[str | Reply, None]:
        first = not self.calls
        async with aclosing(super().stream(call)) as pieces:
            async for piece in pieces:
                yield piece
                if first:
                    await asyncio.Event().wait()


Serving = Callable[..., Any]


@pytest.fixture
async def serving(cloud: Cloud) -> AsyncIterator[Serving]:
    """Serve with a model: ``product = await serving(model)``; further arguments replace parts of Services."""
    async with AsyncExitStack() as stack:

        async def serve(model: ScriptedModel | None = None, **parts: Any) -> Product:
            return await stack.enter_async_context(_serving(cloud, model or ScriptedModel([]), parts))

        yield serve


@asynccontextmanager
async def _serving(cloud: Cloud, model: ScriptedModel, parts: Mapping[str, Any]) -> AsyncIterator[Product]:
    logs = io.StringIO()
    services = Services(load_settings(), model=model)
    services.__dict__.update({"log": Log("DEBUG", logs), **parts})
    app.use(services)
    seams = SeamsClient(cloud.environment["FIRESTORE_EMULATOR_HOST"])
    documents = firestore.Client(project=PROJECT)
    try:
        async with listening(Gateway()) as url:
            yield Product(url, model, services, logs, documents, seams)
    finally:
        seams.reset()
        seams.close()
        app.use(None)
        await services.documents.close()
        await services.provider_keys.close()
        services.warehouse.close()
        documents.close()


@dataclass(frozen=True)
class Node:
    """Runs the scripts beside a package.json, with the clients that its lock file pins."""

    executable: str
    folder: Path

    async def run(self, script: str, asked: Mapping[str, Any]) -> Any:
        """Run a script with JSON on its standard input, and return the JSON it prints."""
        process = await asyncio.create_subprocess_exec(
            self.executable, script, cwd=self.folder, stdin=PIPE, stdout=PIPE, stderr=PIPE
        )
        try:
            async with asyncio.timeout(60):
                output, errors = await process.communicate(json.dumps(asked).encode())
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert process.returncode == 0, errors.decode()
        return json.loads(output)


@pytest.fixture(scope="session")
def node() -> Node:
    """The JavaScript clients of the open protocols."""
    return _installed("node")


@pytest.fixture(scope="session")
def copilotkit() -> Node:
    """CopilotKit's runtime, which needs packages of its own."""
    return _installed("copilotkit", "--legacy-peer-deps")


@pytest.fixture(scope="session")
def react() -> Node:
    """The React clients, bundled into a page each; made again where a source or a package is another."""
    node = _installed("react")
    sources = sorted(
        [*(node.folder / "src").iterdir(), node.folder / "package.json", node.folder / "package-lock.json"]
    )
    digest = hashlib.sha256(b"".join(each.read_bytes() for each in sources)).hexdigest()
    stamp = node.folder / "built" / ".of-sources"
    with alone("clients"):
        if not stamp.exists() or stamp.read_text() != digest:
            shutil.rmtree(stamp.parent, ignore_errors=True)
            command = [shutil.which("npm") or "npm", "run", "--silent", "build"]
            made = subprocess.run(command, cwd=node.folder, capture_output=True, text=True, check=False, timeout=600)
            assert made.returncode == 0, made.stderr
            stamp.write_text(digest)
    return node


def _installed(name: str, *options: str) -> Node:
    """A folder's packages, installed once for the lock file they are of; without Node only CI fails."""
    executable, npm = shutil.which("node"), shutil.which("npm")
    if executable is None or npm is None:
        missing = "node and npm are not on the PATH"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    folder = Path(__file__).parent / name
    digest = hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()
    stamp = folder / "node_modules" / ".of-lock"
    with alone("clients"):
        if not stamp.exists() or stamp.read_text() != digest:
            command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", *options]
            installed = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=600)
            assert installed.returncode == 0, installed.stderr
            stamp.write_text(digest)
    return Node(executable, folder)


@pytest.fixture
def chat_id() -> str:
    """A chat's id as a client makes it, new for each test."""
    return f"chat-{uuid.uuid4().hex[:12]}"
