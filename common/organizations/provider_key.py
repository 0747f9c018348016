"""Wraps an organisation's provider key with KMS and opens it, per request: the only importer of the KMS SDK.

The SDK wraps, which is rare; opening, which each turn waits for, goes over `kms_wire`.

What is written here is bound to its organisation and credential by additional authenticated data (AAD). Older writers
bound nothing, and some stored base64. Their rows open too, which costs this much: a ciphertext that was written
without AAD also opens where somebody copies it to another row. One that was written with AAD opens in its own row only.
"""

import asyncio
import base64
import binascii
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from typing import TYPE_CHECKING

import google_crc32c
import grpc
from google.api_core import exceptions as google
from google.api_core.retry_async import AsyncRetry
from google.auth.exceptions import GoogleAuthError

from common.errors import KeyInvalid, KeyServiceUnavailable
from common.organizations import kms_wire
from common.organizations.kms_wire import Checked, KmsWire
from common.secret import Secret
from common.settings import Settings
from common.telemetry.tracing import span
from common.tenant import Tenant

if TYPE_CHECKING:
    from google.cloud import kms_v1

KEY_SERVICE_SECONDS = 10.0
KEY_SERVICE_ATTEMPT_SECONDS = 4.0

# Of these another try may get another answer; of a ciphertext that does not open (INVALID_ARGUMENT) none will.
_TRANSIENT = (google.ServiceUnavailable, google.DeadlineExceeded, google.ResourceExhausted)
_NO_ANSWER = (google.GoogleAPIError, GoogleAuthError)
_RETRY = AsyncRetry(
    predicate=lambda error: isinstance(error, _TRANSIENT),
    initial=0.1,
    maximum=1.0,
    timeout=KEY_SERVICE_SECONDS,
)


class ProviderKeys:
    """Encrypts and decrypts what ``org_integration_credentials`` holds, or with another key what it is given."""

    def __init__(self, settings: Settings, key_name: str | None = None) -> None:
        self._key_name = key_name or settings.kms_key_path
        self._settings = settings
        self._client: kms_v1.KeyManagementServiceAsyncClient | None = None
        self._wire: KmsWire | None = None

    @asynccontextmanager
    async def opened(self, tenant: Tenant, credential_id: str, ciphertext: bytes) -> AsyncIterator[Secret]:
        """Yield the key, and drop it on the way out.

        Raises KeyInvalid when the ciphertext is not this credential's, KeyServiceUnavailable when KMS does not answer
        within ``KEY_SERVICE_SECONDS``.
        """
        key = await self._open(ciphertext, additional_data(tenant, credential_id))
        try:
            yield key
        finally:
            key.drop()

    async def encrypt(self, tenant: Tenant, credential_id: str, key: Secret) -> bytes:
        """The key as ciphertext that opens for this organisation and credential only. Raises KeyServiceUnavailable."""
        plaintext, additional = key.reveal().encode(), additional_data(tenant, credential_id)
        request = {
            "name": self._key_name,
            "plaintext": plaintext,
            "plaintext_crc32c": _crc32c(plaintext),
            "additional_authenticated_data": additional,
            "additional_authenticated_data_crc32c": _crc32c(additional),
        }
        try:
            client = await self._kms()
            with span("kms.encrypt"):
                async with asyncio.timeout(KEY_SERVICE_SECONDS):
                    answer = await client.encrypt(request=request, retry=_RETRY, timeout=KEY_SERVICE_ATTEMPT_SECONDS)
        except (*_NO_ANSWER, TimeoutError) as error:
            raise KeyServiceUnavailable from error
        arrived = answer.verified_plaintext_crc32c and answer.verified_additional_authenticated_data_crc32c
        if not arrived or answer.ciphertext_crc32c != _crc32c(answer.ciphertext):
            raise KeyServiceUnavailable
        return bytes(answer.ciphertext)

    async def _open(self, stored: bytes, additional: bytes) -> Secret:
        """Try with the AAD, then without: the second only ever opens what was written without."""
        ciphertext = _from_base64(stored) or stored
        try:
            wire = await self._opening()
            async with asyncio.timeout(KEY_SERVICE_SECONDS):
                plaintext = await _decrypt(wire, ciphertext, additional)
                if plaintext is None:
                    plaintext = await _decrypt(wire, ciphertext, b"")
        except (*_NO_ANSWER, TimeoutError) as error:
            raise KeyServiceUnavailable from error
        text = _text(plaintext) if plaintext is not None else ""
        if not text:
            raise KeyInvalid
        return Secret(text)

    async def ping(self) -> None:
        """Look the key up, without using it. Raises KeyServiceUnavailable."""
        try:
            wire = await self._opening()
            with span("kms.get_key"):
                await _RETRY(wire.get_key)(KEY_SERVICE_ATTEMPT_SECONDS)
        except _NO_ANSWER as error:
            raise KeyServiceUnavailable from error

    async def close(self) -> None:
        """Close the connection; the instance is not used afterwards."""
        if self._wire is not None:
            await self._wire.close()
        if self._client is not None:
            await self._client.transport.close()

    async def _opening(self) -> KmsWire:
        """Connect, at the first use: a channel belongs to its event loop."""
        if self._wire is None:
            emulator = self._settings.kms_emulator_host
            account = await kms_wire.account() if emulator is None else None
            self._wire = self._wire or kms_wire.connect(self._key_name, account, emulator)
        return self._wire

    async def _kms(self) -> "kms_v1.KeyManagementServiceAsyncClient":
        """The SDK's client, made at its first use: it takes long to import, which others need not wait for."""
        if self._client is None:
            await asyncio.to_thread(import_module, "google.cloud.kms_v1")
            self._client = self._client or _client(self._settings)
        return self._client


async def _decrypt(wire: KmsWire, ciphertext: bytes, additional: bytes) -> bytes | None:
    """The plaintext; None where the ciphertext does not open with this additional data."""
    asked = Checked(ciphertext, _crc32c(ciphertext)), Checked(additional, _crc32c(additional))
    try:
        with span("kms.decrypt"):
            answer = await _RETRY(wire.decrypt)(*asked, seconds=KEY_SERVICE_ATTEMPT_SECONDS)
    except google.FailedPrecondition:
        raise KeyInvalid from None  # The version of the KMS key that it was written with is gone.
    except google.InvalidArgument:
        return None
    if answer.crc32c != _crc32c(answer.data):
        raise KeyServiceUnavailable
    return answer.data


def additional_data(tenant: Tenant, credential_id: str) -> bytes:
    """The additional authenticated data of a credential: a ciphertext copied to another row does not open."""
    return f"{tenant.org_slug}:{credential_id}".encode()


def _from_base64(stored: bytes) -> bytes | None:
    """Decode base64 text. Returns None for anything else, such as a ciphertext of KMS."""
    try:
        return base64.b64decode(b"".join(stored.split()).translate(bytes.maketrans(b"-_", b"+/")), validate=True)
    except binascii.Error:
        return None


def _text(plaintext: bytes) -> str:
    """The key in the clear; empty for bytes that are no text, which an exception would otherwise quote."""
    return plaintext.decode("ascii").strip() if plaintext.isascii() else ""


def _client(settings: Settings) -> "kms_v1.KeyManagementServiceAsyncClient":
    from google.cloud import kms_v1
    from google.cloud.kms_v1.services.key_management_service.transports import KeyManagementServiceGrpcAsyncIOTransport

    if settings.kms_emulator_host is None:
        return kms_v1.KeyManagementServiceAsyncClient()
    channel = grpc.aio.insecure_channel(settings.kms_emulator_host)
    return kms_v1.KeyManagementServiceAsyncClient(transport=KeyManagementServiceGrpcAsyncIOTransport(channel=channel))


def _crc32c(data: bytes) -> int:
    return int.from_bytes(google_crc32c.Checksum(data).digest(), "big")
