"""Opens an organisation's provider key with KMS, per request: the only importer of the KMS SDK."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import google_crc32c
import grpc
from google.api_core import exceptions as google
from google.api_core.retry_async import AsyncRetry
from google.cloud import kms_v1
from google.cloud.kms_v1.services.key_management_service.transports import KeyManagementServiceGrpcAsyncIOTransport

from common import limits
from common.errors import KeyInvalid, KeyServiceUnavailable
from common.secret import Secret
from common.settings import Settings
from common.tenant import Tenant

_RETRY = AsyncRetry(
    predicate=lambda error: isinstance(error, google.ServiceUnavailable),
    initial=0.1,
    maximum=1.0,
    timeout=limits.KEY_SERVICE_SECONDS,
)


class ProviderKeys:
    """Decrypts what ``org_integration_credentials`` holds, bound to its organisation and credential by the AAD."""

    def __init__(self, settings: Settings) -> None:
        self._key_name = settings.kms_key_path
        self._client = _client(settings)

    @asynccontextmanager
    async def opened(self, tenant: Tenant, credential_id: str, ciphertext: bytes) -> AsyncIterator[Secret]:
        """Yield the key, and drop it on the way out.

        Raises KeyInvalid when the ciphertext is not this credential's, KeyServiceUnavailable when KMS does not answer.
        """
        key = Secret(await self._decrypt(ciphertext, additional_data(tenant, credential_id)))
        try:
            yield key
        finally:
            key.drop()

    async def _decrypt(self, ciphertext: bytes, additional: bytes) -> str:
        request = {
            "name": self._key_name,
            "ciphertext": ciphertext,
            "ciphertext_crc32c": _crc32c(ciphertext),
            "additional_authenticated_data": additional,
            "additional_authenticated_data_crc32c": _crc32c(additional),
        }
        try:
            answer = await self._client.decrypt(request=request, retry=_RETRY, timeout=limits.KEY_SERVICE_SECONDS)
        except (google.InvalidArgument, google.FailedPrecondition):
            raise KeyInvalid from None
        except google.GoogleAPIError as error:
            raise KeyServiceUnavailable from error
        if answer.plaintext_crc32c != _crc32c(answer.plaintext):
            raise KeyServiceUnavailable
        return bytes(answer.plaintext).decode().strip()

    async def ping(self) -> None:
        """Look the key up, without using it. Raises KeyServiceUnavailable."""
        try:
            await self._client.get_crypto_key(name=self._key_name, timeout=limits.KEY_SERVICE_SECONDS)
        except google.GoogleAPIError as error:
            raise KeyServiceUnavailable from error

    async def close(self) -> None:
        """Close the connection; the instance is not used afterwards."""
        await self._client.transport.close()


def additional_data(tenant: Tenant, credential_id: str) -> bytes:
    """The additional authenticated data of a credential: a ciphertext copied to another row does not open."""
    return f"{tenant.org_slug}:{credential_id}".encode()


def _client(settings: Settings) -> kms_v1.KeyManagementServiceAsyncClient:
    if settings.kms_emulator_host is None:
        return kms_v1.KeyManagementServiceAsyncClient()
    channel = grpc.aio.insecure_channel(settings.kms_emulator_host)
    return kms_v1.KeyManagementServiceAsyncClient(transport=KeyManagementServiceGrpcAsyncIOTransport(channel=channel))


def _crc32c(data: bytes) -> int:
    return int.from_bytes(google_crc32c.Checksum(data).digest(), "big")
