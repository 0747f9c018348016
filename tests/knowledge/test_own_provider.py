"""Documents of organisations whose provider embeds, from upload to citation, over stubs of the providers."""

import io
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from common.app import Services
from common.documents import Where
from common.errors import CostCeiling
from common.knowledge.embedding import google_account, remote
from common.knowledge.paths import chunks_path
from common.secret import Secret
from common.settings import load_settings
from common.telemetry.log import Log
from common.tenant import OrgSlug, Tenant, UserId
from local.gateway import function_app
from tests.conftest import Cloud
from tests.fakes.embedding_stub import TOKEN_PATH, EmbeddingStub, Fault, embedding_stub
from tests.fakes.scripted_model import ScriptedModel, call_tool, say, transfer
from tests.knowledge.conftest import Knowing, knowing_by
from tests.organizations.organizations import Made, Rows

KEYS = {"openai": "sk-a-key-of-openai-1234", "gemini": "AIza-a-key-of-gemini-1234"}
SPACES = {"openai": "openai:text-embedding-3-small:1536", "gemini": "gemini:gemini-embedding-001:768",
          "vertex_ai": "vertex_ai:text-multilingual-embedding-002:768"}  # fmt: skip
MODELS = {"openai": "gpt-4o-mini", "gemini": "gemini-2.5-flash"}
POLICY = b"# Commitments\n\nThe CFO signs every commitment of more than one year.\n\n# Tags\n\nAn owner is required.\n"
QUESTION = "who signs commitments?"
TURN = [
    transfer("Librarian"),
    call_tool("search_knowledge", "call_search", query=QUESTION),
    say("The CFO [1], not [9]."),
]


class Stage:
    """An organisation, its provider's stub, and the functions that read, search and answer."""

    def __init__(self, stub: EmbeddingStub, knowing: Knowing, made: Made, logs: io.StringIO) -> None:
        self.stub, self.knowing, self.made, self.logs = stub, knowing, made, logs
        self.services = knowing.services
        self.tenant: Tenant = self.services.directory.tenant(OrgSlug(made.slug))

    async def choose(self, provider: str, at: datetime) -> None:
        """Let the organisation have this provider, with a key of its own, from now on."""
        credential_id, made_at = f"{self.made.slug}-{provider}", at.isoformat()
        sealed = await self.services.provider_keys.encrypt(self.tenant, credential_id, Secret(KEYS[provider]))
        named = {"provider": provider, "credential_id": credential_id, "created_at": made_at}
        self.made.add_credential(sealed, **named)
        self.made.add_settings(**named, model_id=MODELS[provider])
        await self.services.directory.forget(self.tenant)

    async def send(self, message: str) -> dict[str, Any]:
        transport = httpx.ASGITransport(function_app("send"))
        async with httpx.AsyncClient(transport=transport, base_url="http://send", timeout=60) as http:
            answer = await http.post("/send", json={"message": message}, headers=self.made.member)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    async def usage(self) -> list[dict[str, Any]]:
        """The rows of usage of embeddings that are on their way to the record."""
        found = await self.services.documents.query(
            "outbox", where=(Where("org_slug", "==", self.made.slug),), limit=99
        )
        rows = [each.data["row"] for each in found if each.data["table"] == "org_chat_usage"]
        return [row for row in rows if row["channel"] == "knowledge"]

    async def counted(self) -> int:
        """The tokens that count against the organisation's ceilings this month."""
        counter = self.services.cost_ceilings.counter_of(self.tenant, self.services.clock())
        found = await self.services.documents.get_all(counter.paths)
        return sum(int(each.data["total"]) for each in found.values() if each)


Staged = Callable[..., Any]


@pytest.fixture
async def staged(cloud: Cloud, rows: Rows, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Staged]:
    monkeypatch.setattr(remote, "PAUSES", {"query": (0.0,), "passage": (0.0, 0.0)})
    async with embedding_stub() as stub:
        stub.keys = {*KEYS.values()}

        @asynccontextmanager
        async def stage(**changes: Any) -> AsyncIterator[Stage]:
            settings = load_settings().model_copy(update={"model_api_bases": stub.bases, **changes})
            logs, services = io.StringIO(), Services(settings, model=ScriptedModel(TURN))
            services.__dict__["log"] = Log("DEBUG", logs)
            async with knowing_by(cloud, services) as knowing:
                yield Stage(stub, knowing, rows.make(), logs)

        yield stage


@pytest.mark.parametrize("provider", KEYS)
async def test_from_upload_to_citation_by_the_organisations_own_provider(staged: Staged, provider: str) -> None:
    async with staged() as stage:
        await stage.choose(provider, datetime.now(UTC))
        stage.stub.faults = [Fault(429), Fault(kind="cut")]
        entry = await stage.knowing.upload(stage.made, "policy.md", POLICY)
        assert (entry["state"], entry["embedding"], entry["passages"]) == ("ready", SPACES[provider], 2)
        best, *_ = await stage.knowing.search(stage.made, QUESTION)
        assert (best["heading"], best["name"]) == ("Commitments", "policy.md")
        body = await stage.send("Who signs commitments?")
        assert body["response"].strip() == "The CFO [1], not."
        assert [(each["document"], each["heading"]) for each in body["citations"]] == [("policy.md", "Commitments")]

        assert {asked.provider for asked in stage.stub.asked} == {provider}
        assert {asked.key for asked in stage.stub.asked} == {KEYS[provider]}
        assert KEYS[provider] not in stage.logs.getvalue()
        used = await stage.usage()
        assert [(row["provider"], row["agent_name"]) for row in used] == [(provider, "Embedding")] * 3
        assert {row["tokens_estimated"] for row in used} == {provider == "gemini"}
        assert all(float(row["estimated_cost_usd"]) > 0 for row in used)
        assert {row["user_id"] for row in used} == {"ada", "ben"}
        embedded = sum(row["input_tokens"] for row in used)
        assert embedded < await stage.counted()  # the turn counts, too
        again = await stage.knowing.upload(stage.made, "policy.md", POLICY)
        assert (again["state"], sum(row["input_tokens"] for row in await stage.usage())) == ("ready", embedded)


async def test_a_provider_that_fails_is_told_and_the_document_is_read_once_it_is_back(staged: Staged) -> None:
    async with staged() as stage:
        await stage.choose("openai", datetime.now(UTC))
        stage.stub.keys = set()
        entry = (await stage.knowing.announce(stage.made, "policy.md", POLICY)).json()
        await stage.knowing.put(entry, POLICY)
        # The event's first delivery fails, the emulator delivers again, as Eventarc does.
        await stage.knowing.until(stage.made, entry["document_id"], lambda each: each["state"] == "processing")
        while not stage.stub.refused:
            await stage.knowing.until(stage.made, entry["document_id"], lambda each: each["state"] == "processing")
        assert await stage.knowing.search(stage.made, QUESTION) == []  # nothing is there: nobody is asked
        stage.stub.keys = {*KEYS.values()}
        assert (await stage.knowing.settled(stage.made, entry["document_id"]))["state"] == "ready"

        stage.stub.keys = set()
        answer = await stage.knowing.http.post("/search", json={"query": QUESTION}, headers=stage.made.member)
        assert (answer.status_code, answer.json()["code"]) == (503, "embedding_unavailable")
        assert "refuses its key for embeddings" in answer.json()["detail"]
        told = (await stage.send("Who signs commitments?"))["citations"]
        assert told == []
        assert KEYS["openai"] not in stage.logs.getvalue()


async def test_a_document_waits_while_a_ceiling_is_reached(staged: Staged) -> None:
    async with staged() as stage:
        await stage.choose("openai", datetime.now(UTC))
        knowledge, counter = (
            stage.services.knowledge,
            stage.services.cost_ceilings.counter_of(stage.tenant, datetime.now(UTC)),
        )
        await stage.services.documents.commit([counter.add(1_000, 0)])
        stage.made.add_settings(
            credential_id=f"{stage.made.slug}-openai", model_id="gpt-4o-mini", daily_token_limit=1_000,
            created_at=(datetime.now(UTC) + timedelta(seconds=5)).isoformat(),
        )  # fmt: skip
        await stage.services.directory.forget(stage.tenant)
        with pytest.raises(CostCeiling, match="1,000 of 1,000"):
            await knowledge.ingestion.add(stage.tenant, "policy.md", POLICY, UserId("ada"))
        (waiting,) = await knowledge.store.page(stage.tenant, None, 9)
        assert (waiting.state, waiting.reason, waiting.staged) == ("processing", "cost_ceiling", "")
        assert stage.stub.asked == []


async def test_another_provider_embeds_anew_and_both_answer_until_then(staged: Staged) -> None:
    async with staged() as stage:
        now = datetime.now(UTC)
        await stage.choose("openai", now - timedelta(hours=1))
        entry = await stage.knowing.upload(stage.made, "policy.md", POLICY)
        assert entry["embedding"] == SPACES["openai"]
        await stage.choose("gemini", now)
        new = await stage.knowing.upload(
            stage.made, "tags.md", b"# Approvals\n\nThe CFO signs commitments, says tags.md.\n"
        )
        assert new["embedding"] == SPACES["gemini"]
        store, arrivals = stage.services.knowledge.store, stage.services.knowledge.arrivals
        assert await store.spaces(stage.tenant) == sorted([SPACES["openai"], SPACES["gemini"]])
        # The key of the provider that was left is still stored, and embeds the queries for its space.
        assert {each["name"] for each in await stage.knowing.search(stage.made, QUESTION)} == {"policy.md", "tags.md"}
        stage.stub.keys = {KEYS["gemini"]}
        assert {each["name"] for each in await stage.knowing.search(stage.made, QUESTION)} == {"tags.md"}
        await arrivals._compare_spaces(stage.tenant)
        await arrivals._look_after(stage.tenant, entry["document_id"])
        assert {each["name"] for each in await stage.knowing.search(stage.made, QUESTION)} == {"policy.md", "tags.md"}
        assert await store.spaces(stage.tenant) == [SPACES["gemini"]]
        left = await stage.services.documents.query(chunks_path(stage.tenant), limit=99)
        assert {(each.data["space"], len(each.data["embedding"])) for each in left} == {(SPACES["gemini"], 768)}


async def test_without_an_embedding_provider_it_is_vertex_ai_as_the_functions_account(
    staged: Staged, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with staged(default_embedding="vertex_ai") as stage:
        account = tmp_path / "account.json"
        account.write_text(json.dumps(an_account(f"{stage.stub.url}{TOKEN_PATH}")))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(account))
        google_account._credentials.cache_clear()
        entry = await stage.knowing.upload(stage.made, "policy.md", POLICY)
        assert (entry["state"], entry["embedding"]) == ("ready", SPACES["vertex_ai"])
        best, *_ = await stage.knowing.search(stage.made, QUESTION)
        assert best["heading"] == "Commitments"
        # It costs the operator, and not the organisation.
        assert await stage.usage() == []
        assert "a-token-of-google" not in stage.logs.getvalue()
        google_account._credentials.cache_clear()


def an_account(token_uri: str) -> dict[str, str]:
    """The key file of a service account, whose tokens come from there."""
    key = rsa.generate_private_key(65537, 2048)
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return {
        "type": "service_account", "project_id": "local-dev-project", "private_key_id": "1", "client_id": "1",
        "private_key": key.private_bytes(*form).decode(), "client_email": "chat@example.iam.gserviceaccount.com",
        "token_uri": token_uri,
    }  # fmt: skip
