"""Watches what the product sends to BigQuery and Firestore, at the clients' last step before the wire."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

from google.cloud._http import JSONConnection
from google.protobuf.json_format import MessageToDict

from common.documents import _Stubs
from common.warehouse.bigquery_api import BigQueryApi

_KEPT = ("defaultDataset", "useQueryCache", "maximumBytesBilled", "writeDisposition", "destinationTable")


@dataclass
class Wire:
    """The queries, with their parameters' names and types, and the commits since they were last taken."""

    queries: list[dict[str, Any]] = field(default_factory=list)
    commits: list[list[dict[str, Any]]] = field(default_factory=list)
    # How many commits Firestore has confirmed so far.
    stored: int = 0

    def take(self) -> tuple[list[dict[str, Any]], list[list[dict[str, Any]]]]:
        taken = self.queries, self.commits
        self.queries, self.commits = [], []
        return taken

    def saw_request(self, method: str, path: str, data: Any) -> None:
        """Keep a request to BigQuery that has a SQL text."""
        if method != "POST" or not isinstance(data, Mapping):
            return
        asked = {**data, **data.get("configuration", {})}
        query = {**asked, **asked.get("query", {})} if path.endswith("/jobs") else asked
        if "query" not in query:
            return
        self.queries.append(
            {
                "sql": query["query"],
                "parameters": sorted(_parameter(each) for each in query.get("queryParameters", ())),
                "dry_run": bool(query.get("dryRun")),
                "labels": query.get("labels", {}),
                **{name: query[name] for name in _KEPT if name in query},
            }
        )

    def saw_commit(self, request: Any) -> None:
        """Keep a commit's writes: paths, fields, masks, preconditions and counted additions."""
        message = MessageToDict(request, preserving_proto_field_name=True)
        writes = message.get("writes", [])
        # A turn that a loaded machine makes slow renews its lease; the contract is the same.
        if not (len(writes) == 1 and _renews(writes[0])):
            self.commits.append(writes)


def _renews(write: Mapping[str, Any]) -> bool:
    return write.get("update_mask", {}).get("field_paths") == ["lease"] and "update_transforms" in write


def _parameter(sent: Mapping[str, Any]) -> str:
    kind = sent["parameterType"]
    if "arrayType" in kind:
        return f"{sent['name']} ARRAY<{kind['arrayType']['type']}>"
    return f"{sent['name']} {kind['type']}"


@contextmanager
def watching() -> Iterator[Wire]:
    """Watch while the block lasts; whatever is watched is sent all the same."""
    wire = Wire()
    request, ask, prepare = JSONConnection.api_request, BigQueryApi.ask, _Stubs.__init__

    def watched_request(self: Any, method: str, path: str, *args: Any, **options: Any) -> Any:
        wire.saw_request(method, path, options.get("data"))
        return request(self, method, path, *args, **options)

    async def watched_ask(self: Any, method: str, path: str, *args: Any, **options: Any) -> Any:
        wire.saw_request(method, f"/{path}", options.get("body"))
        return await ask(self, method, path, *args, **options)

    def prepared(self: Any, client: Any) -> None:
        prepare(self, client)
        commit = self.commit

        async def watched_commit(request: Any, **options: Any) -> Any:
            wire.saw_commit(request)
            stored = await commit(request, **options)
            wire.stored += 1
            return stored

        self.commit = watched_commit

    with (
        patch.object(JSONConnection, "api_request", watched_request),
        patch.object(BigQueryApi, "ask", watched_ask),
        patch.object(_Stubs, "__init__", prepared),
    ):
        yield wire
