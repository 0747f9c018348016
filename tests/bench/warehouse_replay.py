"""BigQuery that answers a query as the emulator answered it the first time, after a set delay and at no cost."""

import asyncio
import json
import re
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from tests.bench.http_server import Asked, plain

Body = dict[str, Any]
# What the organisations of a benchmark ask is answered from the demo organisation's data.
_ORGANISATION = re.compile(r"\bbench_\d+")
_DATED = ("DATE", "TIMESTAMP")
# These say who an organisation is: always asked anew.
_OWN = re.compile(r"\b(org_api_keys|org_profiles|org_chat_settings|org_integration_credentials)\b")
_WAIT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class _Job:
    """A query under way: when it is done, and what it then answers."""

    resource: Body
    results: Body
    done_at: float


class WarehouseReplay:
    """``delays`` are seconds by operation, ``query`` and ``dry_run``; ``counts`` are requests by operation."""

    def __init__(self, emulator: str) -> None:
        self._http = httpx.AsyncClient(base_url=emulator, timeout=60)
        self._known: dict[str, Body] = {}
        self._jobs: dict[str, _Job] = {}
        self.delays: dict[str, float] = {}
        self.counts = {"query": 0, "dry_run": 0}

    async def answer(self, asked: Asked, transport: asyncio.Transport) -> None:
        transport.write(await self._answered(asked))

    async def close(self) -> None:
        await self._http.aclose()

    async def _answered(self, asked: Asked) -> bytes:
        parts = urlsplit(asked.path)
        project, _, rest = parts.path.partition("/projects/")[2].partition("/")
        if asked.method == "POST" and rest == "jobs":
            return await self._insert(project, asked)
        if asked.method == "POST" and rest == "queries":
            body = json.loads(asked.body)
            await self._pause("query")
            if _OWN.search(body["query"]):
                return await self._forwarded(asked)
            return plain(await self._results(project, body) | {"kind": "bigquery#queryResponse"})
        kind, _, job_id = rest.partition("/")
        job = self._jobs.get(job_id)
        if job is not None and kind == "jobs":
            return plain(_shown(job))
        if job is not None and kind == "queries":
            options = parse_qs(parts.query)
            most = float(options["timeoutMs"][0]) / 1000 if "timeoutMs" in options else _WAIT_SECONDS
            await asyncio.sleep(max(0.0, min(job.done_at - time.monotonic(), most)))
            if time.monotonic() < job.done_at:
                return plain({"jobReference": job.resource["jobReference"], "jobComplete": False})
            return plain(job.results)
        return await self._forwarded(asked)

    async def _insert(self, project: str, asked: Asked) -> bytes:
        body = json.loads(asked.body)
        configuration = body["configuration"]
        if configuration.get("dryRun"):
            await self._pause("dry_run")
            key = "dry run " + _ORGANISATION.sub("acme_inc", configuration["query"]["query"])
            if key not in self._known:
                self._known[key] = json.loads((await self._asked(asked.method, asked.path, _demo(body))).content)
            return plain(self._known[key])
        self.counts["query"] += 1
        began = time.monotonic()
        results = await self._results(project, configuration["query"])
        reference = {"projectId": project, "location": "US"} | body["jobReference"]
        resource = {
            "kind": "bigquery#job",
            "id": f"{project}:US.{reference['jobId']}",
            "jobReference": reference,
            "configuration": configuration | {"jobType": "QUERY"},
            "statistics": {"creationTime": "1", "startTime": "1", "totalBytesProcessed": "1"},
        }
        job = _Job(resource, results | {"jobReference": reference}, began + self.delays.get("query", 0.0))
        self._jobs[reference["jobId"]] = job
        while len(self._jobs) > 10_000:
            del self._jobs[next(iter(self._jobs))]
        return plain(_shown(job))

    async def _results(self, project: str, query: Body) -> Body:
        """What getQueryResults says of a query; asked of the emulator once for all organisations and days."""
        steady = [each for each in query.get("queryParameters", ()) if each["parameterType"]["type"] not in _DATED]
        key = _ORGANISATION.sub("acme_inc", json.dumps([query["query"], steady]))
        if key not in self._known:
            wanted = {name: query[name] for name in ("query", "queryParameters", "parameterMode") if name in query}
            options = {"useLegacySql": False, "maxResults": 500, "formatOptions": {"useInt64Timestamp": True}}
            answer = await self._asked("POST", f"/bigquery/v2/projects/{project}/queries", _demo(wanted | options))
            answer.raise_for_status()
            self._known[key] = answer.json() | {"kind": "bigquery#getQueryResultsResponse"}
        return self._known[key]

    async def _forwarded(self, asked: Asked) -> bytes:
        answer = await self._asked(asked.method, asked.path, asked.body)
        return plain(answer.content, answer.status_code)

    async def _asked(self, method: str, path: str, body: bytes) -> httpx.Response:
        return await self._http.request(method, path, content=body, headers={"content-type": "application/json"})

    async def _pause(self, operation: str) -> None:
        self.counts[operation] += 1
        await asyncio.sleep(self.delays.get(operation, 0.0))


def _shown(job: _Job) -> Body:
    return job.resource | {"status": {"state": "DONE" if time.monotonic() >= job.done_at else "RUNNING"}}


def _demo(body: Body) -> bytes:
    return _ORGANISATION.sub("acme_inc", json.dumps(body)).encode()
