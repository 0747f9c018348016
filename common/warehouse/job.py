"""One query on its way: asked for in one request, and by its job where it takes longer; cancelled if nobody waits."""

import asyncio
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from google.api_core import exceptions as google

from common import limits
from common.stopping import hold
from common.warehouse.bigquery_api import BigQueryApi, Body
from common.warehouse.bigquery_errors import NO_ANSWER, NO_SENSE, out_of_time, too_much_work
from common.warehouse.cancellation import Cancellation
from common.warehouse.slot_time import SlotWatch

# So long a query may take in its first request. One that nobody waits for any more is cancelled after it.
QUERY_FIRST_SECONDS = 2.0
WAREHOUSE_CANCEL_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class FinishedQuery:
    """A query that is done: its reply with the rows that are wanted, and what it has billed."""

    reply: Body
    bytes_billed: int

    @property
    def fields(self) -> list[Body]:
        schema: Body = self.reply.get("schema") or {}
        return list(schema.get("fields") or ())

    @property
    def job_id(self) -> str:
        return str((self.reply.get("jobReference") or {}).get("jobId") or self.reply.get("queryId") or "")


async def dry_run_of(api: BigQueryApi, configuration: Body, location: str | None, deadline: Cancellation) -> Body:
    """Dry-run a query, and return the whole job. Raises as ``BigQueryApi.ask``."""
    reference = {"projectId": api.client.project, "jobId": f"chat-{uuid.uuid4().hex}"}
    reference |= {"location": location} if location else {}
    body = {"configuration": configuration, "jobReference": reference}
    return await api.ask("POST", "jobs", deadline.call_seconds(), body=body)


class QueryJob:
    """A query of one account, until its deadline. ``watched`` bounds the work that it may take."""

    def __init__(self, api: BigQueryApi, location: str | None, deadline: Cancellation, *, watched: bool) -> None:
        self._api = api
        self._location = location
        self._deadline = deadline
        self._watched = watched

    async def run(self, asked: Body) -> FinishedQuery:
        """Run what ``asked`` says to its end. Cancelled, or out of time, the job is cancelled too: QueryRefused."""
        asking = asyncio.ensure_future(self._ask(asked))
        try:
            reply = await asyncio.shield(asking)
        except asyncio.CancelledError:
            hold(self._give_up(asking))
            raise
        if _is_whole(reply):
            return FinishedQuery(reply, count_in(reply, "totalBytesBilled") or 0)
        job_id = str(reply["jobReference"]["jobId"])
        location = reply["jobReference"].get("location") or self._location
        return await self._by_job(_Place(self._api, job_id, location), reply)

    async def _ask(self, asked: Body) -> Body:
        """Ask for the rows in one request, which is answered with a job if they take longer; sent twice, it is one."""
        seconds = self._deadline.call_seconds()
        # The answer has half of the time to come back in.
        wait = min(seconds / 2, QUERY_FIRST_SECONDS)
        body = asked | {"requestId": f"chat-{uuid.uuid4().hex}", "maxResults": limits.MAX_RESULT_ROWS}
        body["timeoutMs"] = int(wait * 1000)
        return await self._api.ask("POST", "queries", seconds, body=body)

    async def _give_up(self, asking: "asyncio.Future[Body]") -> None:
        """Cancel the job of a request that nobody waits for, once it is known."""
        with suppress(*NO_ANSWER, *NO_SENSE):
            reply = await asking
            if not reply["jobComplete"]:
                reference = reply["jobReference"]
                await _Place(self._api, reference["jobId"], reference.get("location")).cancel()

    async def _by_job(self, place: "_Place", reply: Body) -> FinishedQuery:
        """Wait for the job and return its rows. A job that is out of time or abandoned is cancelled."""
        try:
            if not self._watched:
                return await self._wait(place, reply)
            async with SlotWatch(place.slot_ms, place.cancel) as watch:
                try:
                    return await self._wait(place, reply)
                except google.GoogleAPICallError as error:
                    if watch.exceeded:
                        raise too_much_work() from error
                    raise
        except google.GoogleAPICallError:
            raise  # The job's own end.
        except TimeoutError as error:
            hold(place.cancel())
            if self._deadline.remaining > 0:
                raise  # It was BigQuery that took too long to answer.
            raise out_of_time() from error
        except (asyncio.CancelledError, *NO_ANSWER):
            hold(place.cancel())
            raise

    async def _wait(self, place: "_Place", reply: Body) -> FinishedQuery:
        """Ask for the results until they are there, and for as many pages of them as are wanted."""
        rows, token = list(reply.get("rows") or ()), reply.get("pageToken")
        while not reply["jobComplete"] or (token and len(rows) < limits.MAX_RESULT_ROWS):
            wanted = {"maxResults": limits.MAX_RESULT_ROWS - len(rows)} | ({"pageToken": token} if token else {})
            reply = await place.results(self._deadline.call_seconds(), wanted)
            rows += reply.get("rows") or ()
            token = reply.get("pageToken")
        job = await place.get(self._deadline.call_seconds())
        billed = count_in((job.get("statistics") or {}).get("query") or {}, "totalBytesBilled")
        whole = {name: value for name, value in reply.items() if name != "pageToken"} | {"rows": rows}
        return FinishedQuery(whole, billed or 0)


@dataclass(frozen=True, slots=True)
class _Place:
    """Is where a job runs."""

    api: BigQueryApi
    job_id: str
    location: str | None

    async def results(self, seconds: float, wanted: Mapping[str, Any]) -> Body:
        """The job's results; without rows where it takes longer than half of the time."""
        waits = {"timeoutMs": int(seconds * 500), **self._located, **wanted}
        return await self.api.ask("GET", f"queries/{self.job_id}", seconds, query=waits)

    async def get(self, seconds: float, *, again: bool = True) -> Body:
        """The job itself."""
        return await self.api.ask("GET", f"jobs/{self.job_id}", seconds, query=self._located, again=again)

    async def slot_ms(self) -> int:
        """The slot time that the job has taken so far; 0 where BigQuery does not tell."""
        try:
            job = await self.get(limits.WAREHOUSE_CALL_SECONDS, again=False)
            return int(job["statistics"].get("totalSlotMs") or 0)
        except (*NO_ANSWER, *NO_SENSE):
            return 0

    async def cancel(self) -> None:
        """Cancel the job, as far as BigQuery answers: it ends by itself at its job_timeout_ms."""
        with suppress(*NO_ANSWER, *NO_SENSE):
            path = f"jobs/{self.job_id}/cancel"
            await self.api.ask("POST", path, WAREHOUSE_CANCEL_SECONDS, query=self._located, again=False)

    @property
    def _located(self) -> dict[str, str]:
        return {"location": self.location} if self.location else {}


def count_in(reply: Mapping[str, Any], name: str) -> int | None:
    """A count of a reply, which BigQuery writes as text; None where it has none."""
    return None if reply.get(name) is None else int(reply[name])


def _is_whole(reply: Mapping[str, Any]) -> bool:
    """Return true if a reply has all rows that are wanted."""
    has_all = "pageToken" not in reply or len(reply["rows"]) >= limits.MAX_RESULT_ROWS
    return bool(reply["jobComplete"]) and has_all
