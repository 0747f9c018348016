"""The methods of google.cloud.kms.v1.KeyManagementService that a symmetric key needs."""

import os
import struct

import google_crc32c
import grpc
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from google.cloud import kms_v1

from local.emulators.kms.keys import KEY_NAME, RING_NAME, Key, Keys
from local.emulators.rpc import Message, Method, RpcFailure

SERVICE = "google.cloud.kms.v1.KeyManagementService"
MAX_BYTES = 64 * 1024
_ENVELOPE = struct.Struct(">BI")  # format, key version
_FORMAT = 1
_NONCE_BYTES = 12
_ENABLED, _DISABLED = 1, 2
_ENCRYPT_DECRYPT = 1
_SOFTWARE = 1
_SYMMETRIC = 1  # CryptoKeyVersionAlgorithm.GOOGLE_SYMMETRIC_ENCRYPTION
Status = grpc.StatusCode
_VERSIONS = "/cryptoKeyVersions/"


def crc32c(content: bytes) -> int:
    """The Castagnoli checksum that KMS requests and responses carry."""
    return int(google_crc32c.value(content))


def _invalid(message: str) -> RpcFailure:
    return RpcFailure(Status.INVALID_ARGUMENT, message)


def _check_field(request: Message, field: str) -> None:
    content = getattr(request, field)
    if len(content) > MAX_BYTES and field != "ciphertext":
        raise _invalid(f"The {field} is longer than {MAX_BYTES} bytes.")
    checksum = f"{field}_crc32c"
    if request.HasField(checksum) and getattr(request, checksum).value != crc32c(content):
        raise _invalid(f"The checksum in field {checksum} did not match the data in field {field}.")


def _context(name: str, request: Message) -> bytes:
    """The context that a ciphertext is bound to: the key's name and the caller's additional data."""
    return name.encode() + b"\0" + bytes(request.additional_authenticated_data)


class KmsService:
    """Answers each RPC from the keys."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def methods(self) -> dict[str, Method]:
        """The method table for the server."""
        return {
            "Encrypt": Method(kms_v1.EncryptRequest.pb(), self.Encrypt),
            "Decrypt": Method(kms_v1.DecryptRequest.pb(), self.Decrypt),
            "CreateKeyRing": Method(kms_v1.CreateKeyRingRequest.pb(), self.CreateKeyRing),
            "GetKeyRing": Method(kms_v1.GetKeyRingRequest.pb(), self.GetKeyRing),
            "CreateCryptoKey": Method(kms_v1.CreateCryptoKeyRequest.pb(), self.CreateCryptoKey),
            "GetCryptoKey": Method(kms_v1.GetCryptoKeyRequest.pb(), self.GetCryptoKey),
            "UpdateCryptoKeyPrimaryVersion": Method(
                kms_v1.UpdateCryptoKeyPrimaryVersionRequest.pb(), self.UpdateCryptoKeyPrimaryVersion
            ),
            "CreateCryptoKeyVersion": Method(kms_v1.CreateCryptoKeyVersionRequest.pb(), self.CreateCryptoKeyVersion),
            "GetCryptoKeyVersion": Method(kms_v1.GetCryptoKeyVersionRequest.pb(), self.GetCryptoKeyVersion),
            "UpdateCryptoKeyVersion": Method(kms_v1.UpdateCryptoKeyVersionRequest.pb(), self.UpdateCryptoKeyVersion),
        }

    async def Encrypt(self, request: Message) -> Message:
        name, number = self._split(request.name)
        _check_field(request, "plaintext")
        _check_field(request, "additional_authenticated_data")
        number = number or self._key(name).primary
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._cipher(name, number).encrypt(nonce, request.plaintext, _context(name, request))
        ciphertext = _ENVELOPE.pack(_FORMAT, number) + nonce + sealed
        return kms_v1.EncryptResponse.pb()(
            name=f"{name}{_VERSIONS}{number}",
            ciphertext=ciphertext,
            ciphertext_crc32c={"value": crc32c(ciphertext)},
            verified_plaintext_crc32c=request.HasField("plaintext_crc32c"),
            verified_additional_authenticated_data_crc32c=request.HasField("additional_authenticated_data_crc32c"),
            protection_level=_SOFTWARE,
        )

    async def Decrypt(self, request: Message) -> Message:
        name, number = self._split(request.name)
        if number:
            raise _invalid(f"Decrypt takes the name of a CryptoKey, not of a version: {request.name}")
        key = self._key(name)
        _check_field(request, "ciphertext")
        _check_field(request, "additional_authenticated_data")
        plaintext, number = self._open(name, request)
        return kms_v1.DecryptResponse.pb()(
            plaintext=plaintext,
            plaintext_crc32c={"value": crc32c(plaintext)},
            used_primary=number == key.primary,
            protection_level=_SOFTWARE,
        )

    async def CreateKeyRing(self, request: Message) -> Message:
        name = f"{request.parent}/keyRings/{request.key_ring_id}"
        if not RING_NAME.fullmatch(name):
            raise _invalid(f"{name} is not a valid KeyRing name.")
        if name in self._keys.rings:
            raise RpcFailure(Status.ALREADY_EXISTS, f"KeyRing {name} already exists.")
        self._keys.rings.add(name)
        self._keys.save()
        return kms_v1.KeyRing.pb()(name=name)

    async def GetKeyRing(self, request: Message) -> Message:
        self._check_ring(request.name)
        return kms_v1.KeyRing.pb()(name=request.name)

    async def CreateCryptoKey(self, request: Message) -> Message:
        name = f"{request.parent}/cryptoKeys/{request.crypto_key_id}"
        self._check_ring(request.parent)
        if not KEY_NAME.fullmatch(name):
            raise _invalid(f"{name} is not a valid CryptoKey name.")
        if request.crypto_key.purpose != _ENCRYPT_DECRYPT:
            raise RpcFailure(Status.UNIMPLEMENTED, "this emulator makes keys of purpose ENCRYPT_DECRYPT only")
        if name in self._keys.keys:
            raise RpcFailure(Status.ALREADY_EXISTS, f"CryptoKey {name} already exists.")
        self._keys.ensure(name)
        return self._described(name)

    async def GetCryptoKey(self, request: Message) -> Message:
        self._key(request.name)
        return self._described(request.name)

    async def UpdateCryptoKeyPrimaryVersion(self, request: Message) -> Message:
        key = self._key(request.name)
        number = int(request.crypto_key_version_id) if request.crypto_key_version_id.isdecimal() else 0
        self._cipher(request.name, number)  # it must exist and be enabled
        key.primary = number
        self._keys.save()
        return self._described(request.name)

    async def CreateCryptoKeyVersion(self, request: Message) -> Message:
        self._key(request.parent)
        number = self._keys.add_version(request.parent, request.crypto_key_version.state != _DISABLED)
        return self._version(request.parent, number)

    async def GetCryptoKeyVersion(self, request: Message) -> Message:
        name, number = self._split(request.name)
        self._check_version(name, number)
        return self._version(name, number)

    async def UpdateCryptoKeyVersion(self, request: Message) -> Message:
        name, number = self._split(request.crypto_key_version.name)
        self._check_version(name, number)
        if list(request.update_mask.paths) != ["state"] or request.crypto_key_version.state not in (
            _ENABLED,
            _DISABLED,
        ):
            raise _invalid("only the state of a version can be changed, to ENABLED or DISABLED")
        self._key(name).versions[number - 1].enabled = request.crypto_key_version.state == _ENABLED
        self._keys.save()
        return self._version(name, number)

    def _split(self, name: str) -> tuple[str, int]:
        """The key's name, and the version's number or 0 when the name is the key's own."""
        key, slash, number = name.partition(_VERSIONS)
        if not KEY_NAME.fullmatch(key) or (slash and not number.isdecimal()):
            raise _invalid(f"The request contains an invalid resource name: {name}")
        return key, int(number) if slash else 0

    def _check_ring(self, name: str) -> None:
        if name not in self._keys.rings:
            raise RpcFailure(Status.NOT_FOUND, f"KeyRing {name} not found.")

    def _check_version(self, name: str, number: int) -> None:
        if not 1 <= number <= len(self._key(name).versions):
            raise RpcFailure(Status.NOT_FOUND, f"CryptoKeyVersion {name}{_VERSIONS}{number} not found.")

    def _key(self, name: str) -> Key:
        self._split(name)
        if name not in self._keys.keys:
            raise RpcFailure(Status.NOT_FOUND, f"CryptoKey {name} not found.")
        return self._keys.keys[name]

    def _cipher(self, name: str, number: int) -> AESGCM:
        self._check_version(name, number)
        version = self._key(name).versions[number - 1]
        if not version.enabled:
            raise RpcFailure(
                Status.FAILED_PRECONDITION, f"{name}{_VERSIONS}{number} is not enabled, current state is: DISABLED."
            )
        return AESGCM(version.material)

    def _open(self, name: str, request: Message) -> tuple[bytes, int]:
        """The plaintext and the version that sealed it; INVALID_ARGUMENT for anything altered or foreign."""
        refused = _invalid("Decryption failed: the ciphertext is invalid for this key and additional data.")
        ciphertext = bytes(request.ciphertext)
        start = _ENVELOPE.size + _NONCE_BYTES
        if len(ciphertext) < start:
            raise refused
        form, number = _ENVELOPE.unpack_from(ciphertext)
        if form != _FORMAT or not 1 <= number <= len(self._key(name).versions):
            raise refused
        cipher = self._cipher(name, number)
        try:
            return cipher.decrypt(
                ciphertext[_ENVELOPE.size : start], ciphertext[start:], _context(name, request)
            ), number
        except InvalidTag as error:
            raise refused from error

    def _version(self, name: str, number: int) -> Message:
        enabled = self._key(name).versions[number - 1].enabled
        return kms_v1.CryptoKeyVersion.pb()(
            name=f"{name}{_VERSIONS}{number}",
            state=_ENABLED if enabled else _DISABLED,
            protection_level=_SOFTWARE,
            algorithm=_SYMMETRIC,
        )

    def _described(self, name: str) -> Message:
        return kms_v1.CryptoKey.pb()(
            name=name,
            purpose=_ENCRYPT_DECRYPT,
            primary=self._version(name, self._key(name).primary),
            version_template={"protection_level": _SOFTWARE, "algorithm": _SYMMETRIC},
        )
