"""Cloud Storage, where the bytes of documents are: the only importer of its SDK, which is imported when it is used."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import IO, TYPE_CHECKING, Any, TypeVar

from common.errors import FilesUnavailable
from common.settings import Settings
from common.telemetry.tracing import span

if TYPE_CHECKING:
    from google.cloud.storage import Bucket

FILES_SECONDS = 20.0
DOWNLOAD_SECONDS = 120.0
_CLOUD = "https://storage.googleapis.com"
_SIGNING_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
Answer = TypeVar("Answer")


class FileChanged(Exception):
    """The file is not there any more in the generation that was asked for."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file, and the generation that its bytes have: each upload makes a new one."""

    path: str
    size: int
    generation: int


@dataclass(frozen=True, slots=True)
class SignedUpload:
    """An address that takes one PUT, with these headers, of exactly the bytes that were announced."""

    url: str
    headers: dict[str, str]
    expires_at: datetime


class Files:
    """Typed access to the files of the bucket. Raises FilesUnavailable when Cloud Storage does not answer."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def sign_upload(self, path: str, size: int, media_type: str, valid: timedelta) -> SignedUpload:
        """Return an address for one upload of so many bytes of this type, to a path where nothing is."""
        headers = {
            "Content-Type": media_type,
            "x-goog-content-length-range": f"{size},{size}",
            # A second upload to the same address finds the first one, and is refused.
            "x-goog-if-generation-match": "0",
        }
        expires_at = datetime.now(UTC) + valid

        def sign() -> str:
            extra = {name: value for name, value in headers.items() if name != "Content-Type"}
            url: str = self._bucket.blob(path).generate_signed_url(
                version="v4", method="PUT", expiration=expires_at, content_type=media_type, headers=extra,
                api_access_endpoint=self._settings.storage_emulator_host or _CLOUD, **self._signer(),
            )  # fmt: skip
            return url

        return SignedUpload(await self._asked("sign", sign), headers, expires_at)

    async def find(self, path: str) -> StoredFile | None:
        """Return a file without its bytes, None where there is none."""

        def find() -> StoredFile | None:
            blob = self._bucket.get_blob(path, timeout=FILES_SECONDS)
            return StoredFile(path, int(blob.size), int(blob.generation)) if blob is not None else None

        return await self._asked("find", find)

    async def read(self, file: StoredFile, into: IO[bytes]) -> None:
        """Write the bytes of a file's generation to an open file. Raises FileChanged."""

        def read() -> None:
            blob = self._bucket.blob(file.path, generation=file.generation)
            blob.download_to_file(into, timeout=DOWNLOAD_SECONDS, raw_download=True)
            into.flush()

        await self._asked("read", read)

    async def finalize_again(self, path: str) -> bool:
        """Write a file over itself, so that its event comes once more; returns False where there is none."""

        def rewrite() -> None:
            blob = self._bucket.blob(path)
            token, _, _ = blob.rewrite(blob, timeout=FILES_SECONDS)
            while token is not None:
                token, _, _ = blob.rewrite(blob, token=token, timeout=FILES_SECONDS)

        try:
            await self._asked("rewrite", rewrite)
        except FileChanged:
            return False
        return True

    async def delete(self, path: str, generation: int | None = None) -> None:
        """Delete a file, if it is there; where given, only in this generation."""

        def delete() -> None:
            self._bucket.blob(path).delete(timeout=FILES_SECONDS, if_generation_match=generation)

        try:
            await self._asked("delete", delete)
        except FileChanged:
            return

    async def delete_below(self, prefix: str) -> int:
        """Delete all files whose paths begin so; returns how many there were."""
        try:
            found = await self._asked(
                "list", lambda: [blob.name for blob in self._bucket.list_blobs(prefix=prefix, timeout=FILES_SECONDS)]
            )
        except FileChanged:
            # There is no bucket: nobody has uploaded anything here.
            return 0
        for path in found:
            await self.delete(path)
        return len(found)

    async def ping(self) -> None:
        """Ask for a file that need not exist. Raises FilesUnavailable."""
        await self.find("health/ping")

    @cached_property
    def _bucket(self) -> "Bucket":
        from google.auth.credentials import AnonymousCredentials
        from google.cloud import storage

        emulated = self._settings.storage_emulator_host is not None
        credentials = AnonymousCredentials() if emulated else None
        client = storage.Client(project=self._settings.gcp_project_id, credentials=credentials)
        return client.bucket(self._settings.documents_bucket_name)

    def _signer(self) -> dict[str, Any]:
        """Return what a signature is made with: the function's own account, by IAM, which holds no key."""
        import google.auth
        from google.auth.transport.requests import Request

        if self._settings.storage_emulator_host is not None:
            return {"credentials": _throwaway_credentials()}
        found: Any = google.auth.default(scopes=[_SIGNING_SCOPE])
        credentials = found[0]
        credentials.refresh(Request())
        return {"service_account_email": credentials.service_account_email, "access_token": credentials.token}

    async def _asked(self, name: str, ask: Callable[[], Answer]) -> Answer:
        """Ask in a thread; the failures of the SDK are ours."""
        from google.api_core import exceptions as google
        from google.auth.exceptions import GoogleAuthError
        from requests.exceptions import RequestException

        with span(f"files.{name}"):
            try:
                return await asyncio.to_thread(ask)
            except (google.NotFound, google.PreconditionFailed) as error:
                raise FileChanged from error
            except (google.GoogleAPIError, GoogleAuthError, RequestException, OSError) as error:
                raise FilesUnavailable from error


def _throwaway_credentials() -> Any:
    """An account of nobody's: the emulator holds an upload to its signed conditions, not to the signature."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa
    from google.auth.crypt import RSASigner
    from google.oauth2.service_account import Credentials

    key = rsa.generate_private_key(65537, 2048)
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    signer = RSASigner.from_string(key.private_bytes(*form).decode())
    return Credentials(signer, "nobody@emulator.invalid", "https://emulator.invalid/token")
