"""A document on its way: announced, sent to a signed address, read after an event, found, read again, deleted."""

import hashlib

import httpx
import pytest

from tests.knowledge.conftest import Knowing
from tests.knowledge.test_kinds import FILES
from tests.organizations.organizations import Made, Rows

POLICY = b"# Commitments\n\nThe CFO signs every commitment of more than one year.\n"


async def test_a_document_goes_from_its_announcement_to_an_answer_and_out_again(knowing: Knowing, made: Made) -> None:
    announced = await knowing.announce(made, "policy.md", POLICY, type="text/markdown")
    assert announced.status_code == 201, announced.text
    entry = announced.json()
    assert (entry["state"], entry["reason"], entry["name"]) == ("waiting", None, "policy.md")
    assert entry["headers"]["x-goog-content-length-range"] == f"{len(POLICY)},{len(POLICY)}"
    await knowing.put(entry, POLICY)
    ready = await knowing.settled(made, entry["document_id"])
    assert (ready["state"], ready["passages"], ready["embedding"]) == ("ready", 1, "local:all-MiniLM-L6-v2:384")

    (found,) = await knowing.search(made, "who signs a three year commitment?")
    assert (found["document_id"], found["heading"]) == (entry["document_id"], "Commitments")
    listed = (await knowing.http.get("/documents", headers=made.member)).json()
    assert [each["document_id"] for each in listed["documents"]] == [entry["document_id"]]
    stats = (await knowing.http.get("/stats", headers=made.member)).json()
    assert (stats["documents"], stats["ready"], stats["passages"]) == (1, 1, 1)

    gone = await knowing.http.delete(f"/documents/{entry['document_id']}", headers=made.admin)
    assert gone.status_code == 200
    assert await knowing.search(made, "who signs a three year commitment?") == []
    assert (await knowing.http.get("/documents", headers=made.member)).json()["documents"] == []
    assert await knowing.services.knowledge.files.delete_below(f"orgs/{made.slug}/") == 0


async def test_files_of_each_kind_by_other_programs_are_ready_and_found_on_the_page_that_is_printed(
    knowing: Knowing, made: Made
) -> None:
    files = {each.name: each.read_bytes() for each in sorted(FILES.iterdir())}
    files |= {
        "rules.txt": "Über 50.000 USD zeichnet der Vorstand.".encode("utf-16"),
        "tags.csv": b"tag;meaning\nowner;who answers for the resource\n",
        "policy.md": POLICY,
    }
    entries = [await knowing.upload(made, name, data) for name, data in files.items()]
    assert {each["name"]: (each["state"], each["reason"]) for each in entries} == dict.fromkeys(files, ("ready", None))
    for query, name, page in (
        ("Which exceptions are there for shared networks?", "typst.pdf", "A-1"),
        ("Who wrote the policy?", "typst.pdf", "i"),
        ("Which tag says who answers for a resource?", "tags.csv", None),
    ):
        best, *_ = await knowing.search(made, query)
        assert (best["name"], best["page"]) == (name, page), query


async def test_a_signed_address_takes_the_announced_bytes_once_and_nothing_else(knowing: Knowing, made: Made) -> None:
    entry = (await knowing.announce(made, "policy.md", POLICY)).json()
    async with httpx.AsyncClient(timeout=120) as page:
        longer = await page.put(entry["upload_url"], content=POLICY + b"!", headers=entry["headers"])
        assert longer.status_code == 400
        bare = await page.put(entry["upload_url"], content=POLICY)
        assert bare.status_code == 403
    await knowing.put(entry, POLICY)
    async with httpx.AsyncClient(timeout=120) as page:
        assert (await page.put(entry["upload_url"], content=POLICY, headers=entry["headers"])).status_code == 412
    await knowing.settled(made, entry["document_id"])


async def test_other_bytes_than_the_announced_ones_are_refused_and_deleted(knowing: Knowing, made: Made) -> None:
    announced = await knowing.announce(made, "policy.md", POLICY, sha256=hashlib.sha256(b"another").hexdigest())
    await knowing.put(announced.json(), POLICY)
    failed = await knowing.settled(made, announced.json()["document_id"])
    assert (failed["state"], failed["reason"]) == ("failed", "not_as_announced")
    assert await knowing.services.knowledge.files.delete_below(f"orgs/{made.slug}/") == 0


async def test_only_an_administrator_changes_documents(knowing: Knowing, made: Made) -> None:
    entry = await knowing.upload(made, "policy.md", POLICY)
    path = f"/documents/{entry['document_id']}"
    body = {"name": "a.md", "bytes": 1, "sha256": "0" * 64}
    refused = [
        await knowing.http.post("/documents", json=body, headers=made.member),
        await knowing.http.delete(path, headers=made.member),
        await knowing.http.post(f"{path}/reindex", headers=made.member),
    ]
    assert [(each.status_code, each.json()["code"]) for each in refused] == [(403, "scope_missing")] * 3


async def test_a_size_is_taken_at_its_limit_and_refused_one_byte_past_it(knowing: Knowing, made: Made) -> None:
    most = 100 * 1024**2
    assert (await knowing.announce(made, "a.pdf", b"", bytes=most, sha256="1" * 64)).status_code == 201
    over = await knowing.announce(made, "b.pdf", b"", bytes=most + 1, sha256="2" * 64)
    assert (over.status_code, over.json()["code"]) == (413, "payload_too_large")


@pytest.mark.parametrize(
    ("changes", "detail"),
    [
        ({"name": "a\u202egpj.md"}, "name: write a name"), ({"name": "a\nb.md"}, "name: write a name"),
        ({"name": "\u200d"}, "name: write a name"), ({"name": "\u00a0a.md"}, "name: write a name"),
        ({"name": "x" * 201}, "name: must have at most 200"), ({"bytes": 0}, "bytes: an empty file"),
        ({"bytes": -1}, "bytes: must be at least"), ({"sha256": "AB" * 32}, "sha256: "),
        ({"org_slug": "x"}, "org_slug: "),
    ],
)  # fmt: skip
async def test_what_announces_no_document_is_told_why(
    knowing: Knowing, made: Made, changes: dict[str, object], detail: str
) -> None:
    body = {"name": "a.md", "bytes": 1, "sha256": "0" * 64} | changes
    answer = await knowing.http.post("/documents", json=body, headers=made.admin)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_body")
    assert answer.json()["detail"].startswith(detail)


@pytest.mark.parametrize(
    "name",
    [
        "Screenshot 3.02\u202fPM.md",
        "Prix 5\u00a0€.md",
        "می\u200cخواهم.md",
        "👩\u200d💻.md",
        "Bu\u0308ro.md",
        "../../<b>[2].md",
    ],
)
async def test_a_file_keeps_the_name_that_its_program_gave_it(knowing: Knowing, made: Made, name: str) -> None:
    answer = await knowing.announce(made, name, POLICY)
    assert (answer.status_code, answer.json()["name"]) == (201, name)


@pytest.mark.parametrize("query", ["", " \n\u00a0"])
async def test_a_search_for_nothing_is_refused(knowing: Knowing, made: Made, query: str) -> None:
    answer = await knowing.http.post("/search", json={"query": query}, headers=made.member)
    assert (answer.status_code, answer.json()["detail"]) == (422, "query: must not be empty.")


async def test_of_another_organisations_document_nothing_is_told_changed_or_begun(knowing: Knowing, rows: Rows) -> None:
    one, other = rows.make(), rows.make()
    document_id = (await knowing.upload(one, "policy.md", POLICY))["document_id"]
    path = f"/documents/{document_id}"
    for method, where in (("GET", path), ("DELETE", path), ("POST", f"{path}/reindex")):
        theirs = await knowing.http.request(method, where, headers=other.admin)
        none = await knowing.http.request(method, where.replace(document_id, "0" * 32), headers=other.admin)
        assert [each.status_code for each in (theirs, none)] == [404, 404]
        assert theirs.json()["code"] == none.json()["code"] == "document_not_found"
        assert theirs.json()["detail"] == none.json()["detail"]
    mixed = await knowing.http.get(path, headers=other.admin | {"X-Org-Slug": one.slug})
    assert (mixed.status_code, mixed.json()["code"]) == (403, "org_forbidden")

    bucket = f"//storage.googleapis.com/projects/_/buckets/{knowing.services.settings.documents_bucket_name}"
    file, finalized = f"objects/orgs/{one.slug}/documents/{document_id}", "google.cloud.storage.object.v1.finalized"
    for source, subject, kind in (
        ("//storage.googleapis.com/projects/_/buckets/other", file, finalized),
        (f"//elsewhere{bucket.removeprefix('//storage.googleapis.com')}", file, finalized),
        (bucket, file.replace(one.slug, other.slug), finalized),
        (bucket, file.replace(one.slug, "nobody_at_all"), finalized),
        (bucket, f"objects/orgs/{other.slug}/documents/../../{one.slug}/documents/{document_id}", finalized),
        (bucket, file, finalized.replace("finalized", "deleted")),
        (bucket, "objects/health/ping", finalized),
    ):
        event = {"ce-source": source, "ce-subject": subject, "ce-type": kind}
        told = await knowing.ingest.post("/", headers=event, content=b"{")
        assert (told.status_code, told.json()) == (200, {"state": "unknown"}), event
    assert (await knowing.http.get(path, headers=one.admin)).json()["state"] == "ready"
    assert await knowing.search(other, "who signs?") == []
    assert len(await knowing.search(one, "who signs?")) == 1
