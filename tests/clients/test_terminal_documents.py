"""``python -m local knowledge``: documents are added with their progress and reasons, listed, and deleted."""

import os
import uuid
from pathlib import Path

import httpx
import pytest

from tests.clients.conftest import Product, Serving
from tests.clients.terminal import output_of
from tests.conftest import Cloud


@pytest.fixture
async def product(serving: Serving, cloud: Cloud) -> Product:
    """The product, with the bucket's events brought to the function that reads documents."""
    made: Product = await serving()
    async with httpx.AsyncClient(timeout=120) as http:
        await http.put(f"{cloud.environment['STORAGE_EMULATOR_HOST']}/_subscriber", content=f"{made.url}/ingest")
    return made


async def test_documents_are_added_listed_and_deleted(product: Product, tmp_path: Path) -> None:
    place = ("--port", product.url.rsplit(":", 1)[1])
    name, broken = f"gate-{uuid.uuid4().hex[:8]}.md", f"photo-{uuid.uuid4().hex[:8]}.png"
    (tmp_path / name).write_text(f"# Gate policy\n\nOnly vans may pass gate 7 ({name}).\n")
    (tmp_path / broken).write_bytes(b"\x89PNG\r\n\x1a\n" + os.urandom(64))
    files = [str(tmp_path / each) for each in (name, broken, "missing.pdf")]
    code, out, errors = await output_of("knowledge", "add", *place, *files)
    assert code == 1
    assert f"{name}: ready, 1 passage" in out
    assert f"{name}: 100 % of" in errors
    assert f"{broken}: cannot be read (not_supported): it is none of PDF" in errors
    assert "missing.pdf: No such file" in errors
    code, _, errors = await output_of("knowledge", "add", *place, files[0])
    assert (code, errors.strip()) == (0, f"{name}: these bytes are there already")
    code, out, _ = await output_of("knowledge", "list", *place)
    listed = {line.split("\t")[0]: line.split("\t")[1:] for line in out.splitlines()}
    assert (code, listed[name][0]) == (0, "ready, 1 passage")
    assert listed[broken][0].startswith("cannot be read (not_supported)")
    code, out, errors = await output_of("knowledge", "delete", *place, name, listed[broken][2], "nothing.pdf")
    assert code == 1
    assert out.splitlines() == [f"{name}: deleted", f"{broken}: deleted"]
    assert "nothing.pdf: there is no such document" in errors
    _, out, _ = await output_of("knowledge", "list", *place)
    assert name not in out
    assert broken not in out


async def test_who_may_not_change_them_is_told_so(product: Product, tmp_path: Path) -> None:
    (tmp_path / "policy.md").write_text(f"# Policy {uuid.uuid4()}\n")
    key = tmp_path / "key"
    async with httpx.AsyncClient(headers=product.headers(), timeout=60) as http:
        asked = {"name": "reader", "scopes": ["chat:read", "chat:write"]}
        key.write_text((await http.post(product.address("settings/keys"), json=asked)).json()["key"])
    place = ("--port", product.url.rsplit(":", 1)[1], "--org", "acme_inc", "--key-file", str(key))
    code, _, errors = await output_of("knowledge", "add", *place, str(tmp_path / "policy.md"))
    assert code == 1
    assert "settings:write" in errors
    code, _, _ = await output_of("knowledge", "list", *place)
    assert code == 0
