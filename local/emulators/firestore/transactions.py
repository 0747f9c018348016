"""Transactions with optimistic concurrency: reads see one moment, a commit fails when what was read has changed."""

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field

import grpc

from local.emulators.firestore.query import run
from local.emulators.firestore.store import Document, Snapshot, Store
from local.emulators.firestore.values import Message
from local.emulators.rpc import RpcFailure

MAX_SECONDS = 270.0
Version = tuple[str, bytes]


def _versions(documents: Sequence[Document]) -> list[Version]:
    return [(document.name, document.body) for document in documents]


@dataclass(slots=True)
class Transaction:
    """An open transaction: the moment it reads at and what it has read."""

    read_only: bool
    began: float
    snapshot: Snapshot | None = None
    names: set[str] = field(default_factory=set)
    queries: list[tuple[str, Message, list[Version]]] = field(default_factory=list)


class Transactions:
    """The open transactions of one store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._prefix = uuid.uuid4().bytes[:4]  # tells a closed transaction from one never begun here
        self._open: dict[bytes, Transaction] = {}

    def begin(self, options: Message | None = None) -> bytes:
        """Open a transaction and return its id; a read-only one sees this very moment."""
        self._expire()
        read_only = options is not None and options.WhichOneof("mode") == "read_only"
        if read_only and options is not None and options.read_only.HasField("read_time"):
            raise RpcFailure(grpc.StatusCode.UNIMPLEMENTED, "reading at a past time is not supported by this emulator")
        ident = self._prefix + uuid.uuid4().bytes
        self._open[ident] = transaction = Transaction(read_only, time.monotonic())
        if read_only:
            self._snapshot(transaction)
        return ident

    def get(self, ident: bytes) -> Transaction:
        """The open transaction of this id."""
        if ident not in self._open:
            raise RpcFailure(grpc.StatusCode.INVALID_ARGUMENT, self._why_invalid(ident))
        return self._open[ident]

    def _why_invalid(self, ident: bytes) -> str:
        return "Transaction is invalid or closed." if ident.startswith(self._prefix) else "Invalid transaction."

    def read(self, ident: bytes, names: Sequence[str]) -> list[Document | None]:
        """Documents by name as the transaction sees them, remembered as read."""
        transaction = self.get(ident)
        snapshot = self._snapshot(transaction)
        transaction.names.update(names)
        return [self._store.get(name, snapshot) for name in names]

    def query(self, ident: bytes, parent: str, query: Message) -> list[Document]:
        """A query's documents as the transaction sees them, remembered as read."""
        transaction = self.get(ident)
        documents = run(self._store, parent, query, self._snapshot(transaction))
        if not transaction.read_only:
            transaction.queries.append((parent, query, _versions(documents)))
        return documents

    def finish(self, ident: bytes, writes: bool) -> None:
        """End the transaction for a commit: ABORTED when something it read has changed since."""
        transaction = self.get(ident)
        self.rollback(ident)
        if transaction.read_only:
            if writes:
                raise RpcFailure(grpc.StatusCode.INVALID_ARGUMENT, "Cannot modify entities in a read-only transaction.")
            return
        if writes and self._conflicts(transaction):
            raise RpcFailure(grpc.StatusCode.ABORTED, "Transaction contention: what it read has changed; try again.")

    def rollback(self, ident: bytes) -> None:
        """End the transaction and forget it; nothing happens to one that has ended before."""
        transaction = self._open.pop(ident, None)
        if transaction is None and not ident.startswith(self._prefix):
            raise RpcFailure(grpc.StatusCode.INVALID_ARGUMENT, self._why_invalid(ident))
        if transaction and transaction.snapshot:
            self._store.snapshots.discard(transaction.snapshot)

    def _snapshot(self, transaction: Transaction) -> Snapshot:
        if transaction.snapshot is None:
            transaction.snapshot = Snapshot()
            self._store.snapshots.add(transaction.snapshot)
        return transaction.snapshot

    def _conflicts(self, transaction: Transaction) -> bool:
        changed = transaction.snapshot.before if transaction.snapshot else {}
        if not changed:
            return False
        return not transaction.names.isdisjoint(changed) or any(
            _versions(run(self._store, parent, query)) != seen for parent, query, seen in transaction.queries
        )

    def _expire(self) -> None:
        deadline = time.monotonic() - MAX_SECONDS
        for ident in [ident for ident, transaction in self._open.items() if transaction.began < deadline]:
            self.rollback(ident)
