"""Documents from upload to ready, the memory of their functions, and what documents cost the start of send."""

import asyncio
import hashlib
import io
import os
import random
import statistics
import subprocess
import sys
import time
from typing import Any

import httpx
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas
from rich.console import Console

from local import embedding
from local.data.organizations import API_KEYS
from tests.bench.results import Results, Table, Verdict, shown
from tests.bench.served import ROOT, Served, function, served
from tests.bench.stage import Stage
from tests.knowledge.hostile import REFUSED, deep_html

PAGES, MOST_SECONDS = 48, 15.0
IDLE_MIB = {"ingest": 250.0, "knowledge": 120.0}
HOSTILE_MIB = 400.0
DEEP = "deep.html"
HOSTILE = ("flate-bomb.pdf", "zip-bomb.docx", "lying-zip.docx", "entities.docx", "deep.docx", "endless.txt", DEEP)
# Of a start of send: with documents against without them.
MOST_START, MOST_START_MIB = 1.05, 5.0
_GENEROUS_SECONDS = 600.0
_WORDS = "reservation team owner budget commitment tag cost centre compute storage network discount quarter year"
# Prints the seconds until send has its tools, and of it those of the modules of documents, with the memory of these.
_START = """
import os, sys, time
def held():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
began = time.perf_counter()
import functions.send.main
from common import app
app.services().registry, app.services().skills
taken = time.perf_counter() - began
own = [name for name in sys.modules if ".knowledge" in name or name == "common.files"]
assert "common.skills.knowledge.tools" in own
for name in own:
    del sys.modules[name]
before, began = held(), time.perf_counter()
for name in own:
    __import__(name)
print(taken, time.perf_counter() - began, held() - before)
"""


async def run(console: Console, stage: Stage, results: Results) -> None:
    """Upload documents to both functions, watch their memory, and print two tables."""
    environment = stage.environment | embedding.environment()
    with (
        served(function("ingest"), "ingest", environment) as ingest,
        served(function("knowledge"), "knowledge", environment) as knowledge,
    ):
        for each in (ingest, knowledge):
            each.ready()
        idle = {"ingest": ingest.memory(), "knowledge": knowledge.memory()}
        subscriber = f"{stage.environment['STORAGE_EMULATOR_HOST']}/_subscriber"
        headers = {"X-Org-Slug": "acme_inc", "X-API-Key": API_KEYS["acme_inc"], "X-User-Id": "bench"}
        async with httpx.AsyncClient(base_url=knowledge.url, headers=headers, timeout=120) as http:
            (await http.put(subscriber, content=f"{ingest.url}/")).raise_for_status()
            taken = statistics.median([await _ready(http, report(seed)) for seed in range(1 if stage.quick else 3)])
            load = os.getloadavg()[0]
            (await http.post("/search", json={"query": "who approves a reservation?"})).raise_for_status()
            after = {"ingest, after the pages": ingest.memory(), "knowledge, after a search": knowledge.memory()}
            hostile = {name: await _most_memory(http, ingest, name) for name in HOSTILE}
    held = {f"{name}, idle": mib for name, mib in idle.items()} | after
    held |= {f"ingest, most while it reads {name}": mib for name, mib in hostile.items()}
    table = Table(
        f"Documents: {PAGES} pages are ready after {shown(taken)} s at a load of {load:.1f}; memory",
        ("function", "MiB"),
        tuple((name, shown(mib)) for name, mib in held.items()),
        "The process that reads a document counts with its function.",
    )
    verdicts = [
        Verdict(f"{PAGES} pages from upload to ready", taken, MOST_SECONDS, "s"),
        *(Verdict(f"Memory of {name}, idle", idle[name], bound, "MiB") for name, bound in IDLE_MIB.items()),
        Verdict("Memory of ingest with a hostile file", max(hostile.values()), HOSTILE_MIB, "MiB"),
    ]
    table.show(console)
    results.add("ingest", table, verdicts=[*verdicts, *_judge_start(1 if stage.quick else 5)])


def _judge_start(times: int) -> list[Verdict]:
    """Compare the start of send with what it would be without documents."""
    whole, own, grown = (statistics.median(column) for column in zip(*(_start() for _ in range(times)), strict=True))
    return [
        Verdict("Start of send with documents against without", whole / (whole - own), MOST_START),
        Verdict("Memory of send's start for documents", grown, MOST_START_MIB, "MiB"),
    ]


def report(seed: int) -> bytes:
    """A PDF of full pages, about 2,900 characters each, with a heading and a number."""
    chosen, file = random.Random(seed), io.BytesIO()
    canvas = Canvas(file, A4)
    for number in range(1, PAGES + 1):
        canvas.drawString(72, 780, f"Chapter {number}")
        for line in range(36):
            canvas.drawString(72, 750 - 19 * line, " ".join(chosen.choices(_WORDS.split(), k=11)))
        canvas.drawString(280, 30, f"Page {number} of {PAGES}")
        canvas.showPage()
    canvas.save()
    return file.getvalue()


async def _ready(http: httpx.AsyncClient, data: bytes) -> float:
    """The seconds from a document's announcement until it answers."""
    began = time.perf_counter()
    entry = await _settled(http, "report.pdf", data)
    assert (entry["state"], entry["pages"]) == ("ready", PAGES), entry
    return time.perf_counter() - began


async def _settled(http: httpx.AsyncClient, name: str, data: bytes) -> dict[str, Any]:
    """Announce and upload a document, and return its entry once it is ready or failed."""
    body = {"name": name, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    announced = await http.post("/documents", json=body)
    assert announced.status_code in (200, 201), announced.text
    entry: dict[str, Any] = announced.json()
    if entry["upload_url"]:
        async with httpx.AsyncClient(timeout=120) as page:
            sent = await page.put(entry["upload_url"], content=data, headers=entry["headers"])
        assert sent.status_code == 200, sent.text
    deadline = time.perf_counter() + _GENEROUS_SECONDS
    while time.perf_counter() < deadline:
        entry = (await http.get(f"/documents/{entry['document_id']}")).json()
        if entry["state"] in ("ready", "failed"):
            return entry
        await asyncio.sleep(0.1)
    raise AssertionError(f"the document stays {entry}")


async def _most_memory(http: httpx.AsyncClient, ingest: Served, name: str) -> float:
    """The most MiB that ingest holds while it reads a hostile file."""
    data = deep_html() if name == DEEP else REFUSED[name][0]()
    reading = asyncio.create_task(_settled(http, name, data))
    most = 0.0
    while not reading.done():
        most = max(most, ingest.memory())
        await asyncio.sleep(0.05)
    entry = await reading
    assert name == DEEP or entry["reason"] in REFUSED[name][1], entry
    return most


def _start() -> tuple[float, float, float]:
    """Seconds until send has its tools, and the seconds and MiB in it of the modules of documents."""
    said = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _START],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    whole, own, grown = map(float, said.stdout.split())
    return whole, own, grown
