"""Cloud KMS v1 over gRPC, for the real google-cloud-kms clients."""

from local.emulators.kms.server import KmsEmulator

__all__ = ["KmsEmulator"]
