"""The two requests to KMS of a turn, in messages of the wire: importing the SDK would take a tenth of a cold start.

The SDK's messages cannot be imported alone. A test holds these beside them, byte by byte.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

import grpc
from google import auth
from google.api_core import exceptions as google
from google.api_core import gapic_v1, grpc_helpers_async
from google.auth.credentials import Credentials
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.wrappers_pb2 import DESCRIPTOR as WRAPPERS

HOST = "cloudkms.googleapis.com"
SCOPES = ("https://www.googleapis.com/auth/cloud-platform", "https://www.googleapis.com/auth/cloudkms")
_PACKAGE = "google.cloud.kms.v1"
_SERVICE = f"/{_PACKAGE}.KeyManagementService"

_STRING, _BYTES = FieldDescriptorProto.TYPE_STRING, FieldDescriptorProto.TYPE_BYTES
_CHECKSUM = ".google.protobuf.Int64Value"
# Each message with the fields of it that are used here: name -> number, and a type or the name of a message.
_MESSAGES: dict[str, dict[str, tuple[int, Any]]] = {
    "GetCryptoKeyRequest": {"name": (1, _STRING)},
    "DecryptRequest": {
        "name": (1, _STRING),
        "ciphertext": (2, _BYTES),
        "additional_authenticated_data": (3, _BYTES),
        "ciphertext_crc32c": (5, _CHECKSUM),
        "additional_authenticated_data_crc32c": (6, _CHECKSUM),
    },
    "DecryptResponse": {"plaintext": (1, _BYTES), "plaintext_crc32c": (2, _CHECKSUM)},
}


def _made() -> dict[str, Any]:
    """The messages as classes, in a pool of their own: the SDK registers the same names where it is imported, too."""
    file = FileDescriptorProto(name="kms_wire.proto", package=_PACKAGE, syntax="proto3", dependency=[WRAPPERS.name])
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            what = {"type_name": kind} if isinstance(kind, str) else {"type": kind}
            message.field.add(name=field, number=number, label=FieldDescriptorProto.LABEL_OPTIONAL, **what)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(WRAPPERS.serialized_pb)
    pool.AddSerializedFile(file.SerializeToString())
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")) for name in _MESSAGES
    }


MESSAGES = _made()


@dataclass(frozen=True, slots=True)
class Checked:
    """Bytes and the CRC32C that their sender gave of them."""

    data: bytes
    crc32c: int


class KmsWire:
    """A connection to KMS for one key. Its failures are those of ``google.api_core``, as the SDK's are."""

    def __init__(self, channel: grpc.aio.Channel, key_name: str) -> None:
        self._channel = channel
        self._key_name = key_name
        self._metadata = (
            gapic_v1.routing_header.to_grpc_metadata((("name", key_name),)),
            gapic_v1.client_info.ClientInfo().to_grpc_metadata(),
        )
        asked, answered = MESSAGES["DecryptRequest"].SerializeToString, MESSAGES["DecryptResponse"].FromString
        self._decrypt = channel.unary_unary(f"{_SERVICE}/Decrypt", asked, answered)
        asked = MESSAGES["GetCryptoKeyRequest"].SerializeToString
        self._get_key: Any = channel.unary_unary(f"{_SERVICE}/GetCryptoKey", asked)

    async def decrypt(self, ciphertext: Checked, additional: Checked, seconds: float) -> Checked:
        """Return the plaintext."""
        request = MESSAGES["DecryptRequest"](
            name=self._key_name,
            ciphertext=ciphertext.data,
            ciphertext_crc32c={"value": ciphertext.crc32c},
            additional_authenticated_data=additional.data,
            additional_authenticated_data_crc32c={"value": additional.crc32c},
        )
        answer = await self._asked(self._decrypt, request, seconds)
        return Checked(answer.plaintext, answer.plaintext_crc32c.value)

    async def get_key(self, seconds: float) -> None:
        """Look the key up, without using it."""
        await self._asked(self._get_key, MESSAGES["GetCryptoKeyRequest"](name=self._key_name), seconds)

    async def close(self) -> None:
        """Close the connection."""
        await self._channel.close()

    async def _asked(self, call: Any, request: Any, seconds: float) -> Any:
        try:
            return await call(request, timeout=seconds, metadata=self._metadata)
        except grpc.RpcError as error:
            raise google.from_grpc_error(error) from error


async def account() -> Credentials:
    """Look up the function's own account. Raises GoogleAuthError where there is none."""
    credentials, _ = await asyncio.to_thread(auth.default, scopes=SCOPES)
    return credentials


def connect(key_name: str, account: Credentials | None, emulator: str | None) -> KmsWire:
    """Connect to Google with an account, or to the emulator where there is one."""
    if emulator is not None:
        return KmsWire(grpc.aio.insecure_channel(emulator), key_name)
    channel = grpc_helpers_async.create_channel(f"{HOST}:443", credentials=account, default_host=HOST)
    return KmsWire(channel, key_name)
