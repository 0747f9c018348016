"""Firestore v1 over gRPC, kept in SQLite, for the real google-cloud-firestore clients."""

from local.emulators.firestore.server import FirestoreEmulator

__all__ = ["FirestoreEmulator"]
