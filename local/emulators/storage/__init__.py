"""Cloud Storage on one machine: gcp-storage-emulator, held to what signed addresses say, with Eventarc's deliveries."""

from local.emulators.storage.server import StorageEmulator

__all__ = ["StorageEmulator"]
