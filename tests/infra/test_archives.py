"""Each function from its own archive: what a plan packs, unpacked into an empty folder and asked its own question."""

import json
import os
import re
import subprocess
import sys
import uuid
import zipfile
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from google.cloud import firestore

from tests.conftest import PROJECT, Cloud
from tests.fakes.wire_stub import WireStub, as_a_model, wire_stub
from tests.infra.conftest import EXAMPLE, environment
from tests.infra.deployed import build, served, unpack
from tests.infra.plan import Plan, planned
from tests.infra.policies.storing import EXPIRING
from tests.infra.policies.watching import records
from tests.infra.workspace import ROOT, Workspace, workspace
from tests.turn.providers import Customer, bring_keys

FUNCTIONS = (
    "a2a", "access", "alerts", "completions", "conversations", "copilotkit", "deliver", "destinations", "health",
    "ingest", "knowledge", "mcp", "messages", "send", "settings_status", "sync", "usage",
)  # fmt: skip
ENVIRONMENTS = ROOT / ".cache" / "deployed"
ANSWER = "You spent 42 dollars."
QUESTION = "What did we spend?"


@pytest.fixture(scope="module")
def packed(cached: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plan]:
    """A plan over the whole source, which packs the archives."""
    with workspace(tmp_path_factory.mktemp("packed"), cached, whole=True) as made:
        yield planned(made, f"-var-file={EXAMPLE}")


def contents(archive: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(archive) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_an_archive_holds_the_function_what_it_imports_and_what_it_needs(packed: Plan, function: str) -> None:
    root = packed.folder.parent
    common = {file.relative_to(root).as_posix(): file for file in (root / "common").rglob("*") if file.is_file()}
    wanted = {
        **common,
        "main.py": root / "functions" / function / "main.py",
        "requirements.txt": root / "requirements.txt",
    }
    assert contents(packed.archive(packed.functions[function])) == {
        name: file.read_bytes() for name, file in wanted.items()
    }


def test_archives_are_other_ones_where_the_source_is_and_only_there(
    packed: Plan, cached: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("again")
    with workspace(folder, cached, packed.folder.parent, whole=True) as again:
        for file in (folder / "common").rglob("*.py"):
            os.utime(file, (0, 0))
            file.chmod(0o700)
        for unwanted in ("common/__pycache__/app.cpython-311.pyc", "common/web/__pycache__/sse.pyc", "local/serve.py"):
            (folder / unwanted).parent.mkdir(exist_ok=True)
            (folder / unwanted).write_bytes(b"\x00\xff")
        same = packed_by(again)
        with (folder / "functions" / "sync" / "main.py").open("a", encoding="utf-8") as main:
            main.write("# Changed.\n")
        changed = packed_by(again)
    first = archives(packed)
    assert same == first
    assert {key for key, archive in changed.items() if archive != first[key]} == {"sync"}


def test_what_the_build_compiled_is_not_compiled_again_by_each_instance(packed: Plan, tmp_path: Path) -> None:
    send, folder = packed.functions["send"], tmp_path / "send"
    unpack(packed.archive(send), folder)
    build(folder, send.block("build_config")["environment_variables"])
    bare = {"PATH": "/usr/bin:/bin", "GCP_PROJECT_ID": PROJECT, "ENVIRONMENT": "test"}
    command = [sys.executable, "-v", "-c", "import main"]
    started = subprocess.run(command, cwd=folder, env=bare, capture_output=True, text=True, check=True)
    loaded = re.findall(rf"code object from '?{re.escape(str(folder))}/([^'\n]*)", started.stderr)
    assert {"common/__pycache__", "common/turn/__pycache__"} <= {str(Path(each).parent) for each in loaded}
    assert [each for each in loaded if not each.endswith(".pyc")] == []


def packed_by(made: Workspace) -> dict[str, tuple[str, bytes]]:
    return archives(planned(made, f"-var-file={EXAMPLE}", "-target=data.archive_file.function"))


def archives(plan: Plan) -> dict[str, tuple[str, bytes]]:
    """The name and the bytes of each archive."""
    found = {each.key: plan.folder / each.values["output_path"] for each in plan.of("archive_file")}
    return {str(key): (file.name, file.read_bytes()) for key, file in found.items()}


@dataclass(frozen=True, slots=True)
class Deployment:
    """The functions, each to be started by itself over the same emulators and the same stub of the providers."""

    plan: Plan
    folder: Path
    settings: dict[str, str]
    customer: Customer

    @contextmanager
    def function(self, name: str) -> Iterator[str]:
        """Serve a function from its unpacked archive; its address, as long as it runs."""
        planned_function = self.plan.functions[name]
        folder = self.folder / uuid.uuid4().hex
        unpack(self.plan.archive(planned_function), folder)
        binaries = environment(folder / "requirements.txt", ENVIRONMENTS)
        building = planned_function.block("build_config")
        build(folder, building["environment_variables"])
        target = building["entry_point"]
        with served(folder, binaries, target, self.settings, self.log(name)) as url:
            yield url

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def written(self, name: str) -> list[dict[str, Any]]:
        """The records that a function has written."""
        lines = self.log(name).read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def client(self, url: str) -> httpx.AsyncClient:
        headers = self.customer.headers | {"X-User-Id": "who-asks-archives"}
        return httpx.AsyncClient(base_url=url, headers=headers, timeout=60)


@pytest.fixture(scope="module")
async def stub() -> AsyncIterator[WireStub]:
    async with wire_stub() as made:
        made.play(lambda request: as_a_model(request, ANSWER))
        yield made


@pytest.fixture(scope="module")
def deployment(packed: Plan, cloud: Cloud, stub: WireStub, tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    customer = next(each for each in bring_keys(cloud) if each.provider == "openai")
    settings = {**cloud.environment, "MODEL_API_BASES": json.dumps(stub.bases), "K_REVISION": "checked-00001"}
    return Deployment(packed, tmp_path_factory.mktemp("deployed"), settings, customer)


@pytest.fixture(scope="module")
async def said(deployment: Deployment) -> dict[str, Any]:
    """What send answered to the first question."""
    with deployment.function("send") as url:
        async with deployment.client(url) as http:
            response = await http.post("/send", json={"message": QUESTION})
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


@pytest.fixture(scope="module")
async def ready(deployment: Deployment) -> httpx.Response:
    """What health answered when it was asked whether questions can be asked."""
    with deployment.function("health") as url:
        async with deployment.client(url) as http:
            return await http.get("/ready")


def test_send_answers_with_the_organisations_own_model(said: dict[str, Any]) -> None:
    assert said["response"].endswith(ANSWER)
    assert said["agent_name"] == "UsageAnalyst"


def test_health_finds_every_dependency(ready: httpx.Response) -> None:
    assert ready.status_code == 200, ready.text
    assert ready.json()["version"] == "checked-00001"
    assert {"firestore", "bigquery", "kms"} <= ready.json()["checks"].keys()


async def conversations(http: httpx.AsyncClient, said: dict[str, Any]) -> None:
    listed = (await http.get("/")).json()["conversations"]
    assert said["conversation_id"] in {each["conversation_id"] for each in listed}


async def messages(http: httpx.AsyncClient, said: dict[str, Any]) -> None:
    found = (await http.get(f"/conversations/{said['conversation_id']}/messages")).json()["messages"]
    assert [each["role"] for each in found] == ["user", "assistant"]
    assert found[0]["content"] == QUESTION


async def settings_status(http: httpx.AsyncClient, said: dict[str, Any]) -> None:
    found = (await http.get("/")).json()
    assert (found["configured"], found["provider"], found["model_id"]) == (True, "openai", said["model_id"])


async def access(http: httpx.AsyncClient, said: dict[str, Any]) -> None:
    found = (await http.get("/")).json()
    assert found["user_id"] == "who-asks-archives", found


async def knowledge(http: httpx.AsyncClient, said: dict[str, Any]) -> None:
    stats = await http.get("/stats")
    assert (stats.status_code, stats.json()["documents"]) == (200, 0), stats.text


async def deliver(http: httpx.AsyncClient, said: dict[str, Any]) -> None:
    task = {"org_slug": "acme_inc", "delivery_id": "0" * 32}
    assert (await http.post("/", json=task)).json() == {"state": "unknown", "error": None}


async def destinations(http: httpx.AsyncClient, said: dict[str, Any]) -> None:
    found = await http.get("/destinations")
    assert (found.status_code, found.json()) == (200, {"destinations": []}), found.text


async def ingest(http: httpx.AsyncClient, said: dict[str, Any]) -> None:
    assert (await http.post("/")).json() == {"state": "unknown"}
    assert (await http.post("/due")).status_code == 200


async def usage(http: httpx.AsyncClient, said: dict[str, Any]) -> None:
    found = await http.get("/", params={"by": "channel"})
    assert found.status_code == 200, found.text
    assert {"rows", "totals", "ceilings"} <= found.json().keys()


async def sync(http: httpx.AsyncClient, said: dict[str, Any]) -> None:
    found = await http.post("/")
    assert found.status_code == 200
    assert {"status", "remaining"} <= found.json().keys()


async def alerts(http: httpx.AsyncClient, said: dict[str, Any]) -> None:
    found = await http.post("/")
    assert found.status_code == 200
    assert found.json()["rules"] > 0, found.text


async def mcp(http: httpx.AsyncClient, said: dict[str, Any]) -> None:
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
    found = await http.post("/", json=body, headers={"Accept": "application/json, text/event-stream"})
    assert found.status_code == 200, found.text
    assert '"query_costs"' in found.text


async def copilotkit(http: httpx.AsyncClient, said: dict[str, Any]) -> None:
    run = {"threadId": str(uuid.uuid4()), "runId": str(uuid.uuid4()), "state": {}, "tools": [], "context": []}
    message = {"id": str(uuid.uuid4()), "role": "user", "content": QUESTION}
    found = await http.post("/", json={**run, "forwardedProps": {}, "messages": [message]})
    events = [json.loads(line.removeprefix("data:")) for line in found.text.splitlines() if line.startswith("data:")]
    assert "".join(each["delta"] for each in events if each["type"] == "TEXT_MESSAGE_CONTENT").endswith(ANSWER)
    assert events[-1]["type"] == "RUN_FINISHED"


async def completions(http: httpx.AsyncClient, said: dict[str, Any]) -> None:
    body = {"model": "cloud-cost-chat", "messages": [{"role": "user", "content": QUESTION}]}
    found = await http.post("/v1/chat/completions", json=body)
    assert found.status_code == 200, found.text
    assert ANSWER in found.json()["choices"][0]["message"]["content"]


async def a2a(http: httpx.AsyncClient, said: dict[str, Any]) -> None:
    card = await http.get("/.well-known/agent-card.json")
    assert card.json()["name"]
    message = {"kind": "message", "messageId": str(uuid.uuid4()), "role": "user"}
    params = {"message": {**message, "parts": [{"kind": "text", "text": QUESTION}]}}
    found = await http.post("/", json={"jsonrpc": "2.0", "id": 1, "method": "message/send", "params": params})
    assert found.status_code == 200, found.text
    assert ANSWER in found.text


Ask = Callable[[httpx.AsyncClient, dict[str, Any]], Coroutine[Any, Any, None]]
ASKED: tuple[Ask, ...] = (
    a2a, access, alerts, completions, conversations, copilotkit, deliver, destinations, ingest, knowledge, mcp,
    messages, settings_status, sync, usage,
)  # fmt: skip


@pytest.mark.parametrize("ask", ASKED, ids=lambda ask: str(ask.__name__))
async def test_a_function_answers_from_its_archive(deployment: Deployment, said: dict[str, Any], ask: Ask) -> None:
    with deployment.function(ask.__name__) as url:
        async with deployment.client(url) as http:
            await ask(http, said)
    finished = [each for each in deployment.written(ask.__name__) if each["message"] == "request.finished"]
    assert {each["function"] for each in finished} == {ask.__name__}


def test_every_function_is_asked() -> None:
    assert {"send", "health", *(ask.__name__ for ask in ASKED)} == set(FUNCTIONS)


@pytest.mark.usefixtures("said", "ready")
def test_log_based_metrics_read_what_is_in_the_records(deployment: Deployment) -> None:
    written = [*deployment.written("send"), *deployment.written("health")]
    seen = {record["message"]: record for record in written}
    assert {"request.finished", "turn.finished", "readiness.measured"} <= seen.keys()
    for metric in deployment.plan.of("google_logging_metric"):
        events, fields = records(metric)
        for event in events & seen.keys():
            assert fields <= seen[event].keys(), metric.address


@pytest.mark.usefixtures("said")
def test_documents_say_when_they_expire_only_where_expiry_is_switched_on(deployment: Deployment) -> None:
    client = firestore.Client(project=PROJECT)
    organization = client.document(f"orgs/{deployment.customer.slug}")
    groups = {
        collection.id
        for collection in (*client.collections(), *everything_below(organization))
        for snapshot in collection.stream()
        if "expire_at" in (snapshot.to_dict() or {})
    }
    client.close()
    assert {"conversations", "messages", "api_keys", "orgs"} <= groups <= EXPIRING


def everything_below(place: firestore.DocumentReference) -> Iterator[firestore.CollectionReference]:
    for collection in place.collections():
        yield collection
        for document in collection.list_documents():
            yield from everything_below(document)
