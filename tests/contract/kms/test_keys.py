"""KMS as its clients see it: sealing, opening, checksums, versions, and the file behind it."""

import stat
import uuid
from pathlib import Path

import google_crc32c
import grpc
import pytest
from google.api_core import exceptions
from google.cloud import kms_v1
from google.cloud.kms_v1.services.key_management_service import transports

from local.emulators.cluster import kms_key_name
from local.emulators.process import EmulatorProcess
from local.emulators.rpc import SeamsClient

Client = kms_v1.KeyManagementServiceClient
SECRET = b"sk-planted-secret"
ORG = b"org/acme_inc"
State = kms_v1.CryptoKeyVersion.CryptoKeyVersionState


def crc32c(content: bytes) -> int:
    return int(google_crc32c.value(content))


def seal(client: Client, key: str, content: bytes = SECRET, data: bytes = ORG) -> bytes:
    request = {"name": key, "plaintext": content, "additional_authenticated_data": data}
    return bytes(client.encrypt(request=request).ciphertext)


def open_sealed(client: Client, key: str, sealed: bytes, data: bytes = ORG) -> bytes:
    request = {"name": key, "ciphertext": sealed, "additional_authenticated_data": data}
    return bytes(client.decrypt(request=request).plaintext)


@pytest.fixture
def own_key(client: Client, key: str) -> str:
    """A key that no other test uses."""
    ring = key.rpartition("/cryptoKeys/")[0]
    purpose = kms_v1.CryptoKey.CryptoKeyPurpose.ENCRYPT_DECRYPT
    request = {"parent": ring, "crypto_key_id": uuid.uuid4().hex, "crypto_key": {"purpose": purpose}}
    return str(client.create_crypto_key(request=request).name)


def test_what_was_sealed_opens_with_checksums_verified(client: Client, key: str) -> None:
    sealed = client.encrypt(
        request={
            "name": key,
            "plaintext": SECRET,
            "plaintext_crc32c": crc32c(SECRET),
            "additional_authenticated_data": ORG,
            "additional_authenticated_data_crc32c": crc32c(ORG),
        }
    )
    assert sealed.verified_plaintext_crc32c
    assert sealed.verified_additional_authenticated_data_crc32c
    assert sealed.ciphertext_crc32c == crc32c(sealed.ciphertext)
    assert sealed.name == f"{key}/cryptoKeyVersions/1"
    assert SECRET not in sealed.ciphertext
    opened = client.decrypt(
        request={
            "name": key,
            "ciphertext": sealed.ciphertext,
            "ciphertext_crc32c": sealed.ciphertext_crc32c,
            "additional_authenticated_data": ORG,
        }
    )
    assert opened.plaintext == SECRET
    assert opened.plaintext_crc32c == crc32c(SECRET)
    assert opened.used_primary


async def test_the_asyncio_client_seals_and_opens(
    async_client: kms_v1.KeyManagementServiceAsyncClient, key: str
) -> None:
    sealed = await async_client.encrypt(request={"name": key, "plaintext": SECRET})
    assert not sealed.verified_plaintext_crc32c
    opened = await async_client.decrypt(request={"name": key, "ciphertext": sealed.ciphertext})
    assert opened.plaintext == SECRET


def test_other_additional_data_does_not_open(client: Client, key: str) -> None:
    with pytest.raises(exceptions.InvalidArgument):
        open_sealed(client, key, seal(client, key), data=b"org/globex_inc")


@pytest.mark.parametrize("position", [0, 3, 6, 20, -1])
def test_an_altered_byte_anywhere_is_refused(client: Client, key: str, position: int) -> None:
    altered = bytearray(seal(client, key))
    altered[position] ^= 1
    with pytest.raises(exceptions.InvalidArgument):
        open_sealed(client, key, bytes(altered))


@pytest.mark.parametrize("content", [b"", b"x", b"not a ciphertext at all"])
def test_what_was_never_sealed_is_refused(client: Client, key: str, content: bytes) -> None:
    with pytest.raises(exceptions.InvalidArgument):
        open_sealed(client, key, content)


def test_a_ciphertext_of_another_key_is_refused(client: Client, key: str, own_key: str) -> None:
    with pytest.raises(exceptions.InvalidArgument):
        open_sealed(client, own_key, seal(client, key))


def test_a_wrong_checksum_is_refused(client: Client, key: str) -> None:
    with pytest.raises(exceptions.InvalidArgument):
        client.encrypt(request={"name": key, "plaintext": SECRET, "plaintext_crc32c": crc32c(SECRET) ^ 1})
    sealed = seal(client, key, data=b"")
    with pytest.raises(exceptions.InvalidArgument):
        client.decrypt(request={"name": key, "ciphertext": sealed, "ciphertext_crc32c": crc32c(sealed) ^ 1})


def test_a_plaintext_may_be_64_kib_and_not_one_byte_more(client: Client, key: str) -> None:
    largest = b"x" * 65536
    assert open_sealed(client, key, seal(client, key, largest)) == largest
    with pytest.raises(exceptions.InvalidArgument):
        seal(client, key, largest + b"x")


def test_an_unknown_key_is_not_found(client: Client, key: str) -> None:
    with pytest.raises(exceptions.NotFound):
        seal(client, f"{key}-other")
    with pytest.raises(exceptions.NotFound):
        open_sealed(client, f"{key}-other", b"x" * 40)
    with pytest.raises(exceptions.NotFound):
        client.get_crypto_key(request={"name": f"{key}-other"})


def test_a_name_that_is_no_key_is_refused(client: Client) -> None:
    with pytest.raises(exceptions.InvalidArgument):
        seal(client, "projects/p/keys/k")


def test_a_new_version_seals_once_it_is_primary_and_the_old_still_opens(client: Client, own_key: str) -> None:
    old = seal(client, own_key)
    assert client.create_crypto_key_version(request={"parent": own_key}).name.endswith("/2")
    assert client.get_crypto_key(request={"name": own_key}).primary.name.endswith("/1")
    client.update_crypto_key_primary_version(request={"name": own_key, "crypto_key_version_id": "2"})
    assert client.get_crypto_key(request={"name": own_key}).primary.name.endswith("/2")
    assert client.encrypt(request={"name": own_key, "plaintext": b"x"}).name.endswith("/2")
    opened = client.decrypt(request={"name": own_key, "ciphertext": old, "additional_authenticated_data": ORG})
    assert opened.plaintext == SECRET
    assert not opened.used_primary


def test_a_disabled_version_neither_seals_nor_opens_until_enabled(client: Client, own_key: str) -> None:
    sealed = seal(client, own_key)
    version = {"name": f"{own_key}/cryptoKeyVersions/1", "state": State.DISABLED}
    request = {"crypto_key_version": version, "update_mask": {"paths": ["state"]}}
    assert client.update_crypto_key_version(request=request).state == State.DISABLED
    with pytest.raises(exceptions.FailedPrecondition):
        open_sealed(client, own_key, sealed)
    with pytest.raises(exceptions.FailedPrecondition):
        seal(client, own_key)
    version["state"] = State.ENABLED
    client.update_crypto_key_version(request=request)
    assert open_sealed(client, own_key, sealed) == SECRET


def test_keys_and_rings_are_made_once(client: Client, own_key: str) -> None:
    ring, _, ident = own_key.rpartition("/cryptoKeys/")
    purpose = kms_v1.CryptoKey.CryptoKeyPurpose.ENCRYPT_DECRYPT
    with pytest.raises(exceptions.AlreadyExists):
        client.create_crypto_key(request={"parent": ring, "crypto_key_id": ident, "crypto_key": {"purpose": purpose}})
    location, _, ring_id = ring.rpartition("/keyRings/")
    with pytest.raises(exceptions.AlreadyExists):
        client.create_key_ring(request={"parent": location, "key_ring_id": ring_id})
    assert client.get_key_ring(request={"name": ring}).name == ring


def _connected(host: str) -> tuple[grpc.Channel, Client]:
    channel = grpc.insecure_channel(host)
    return channel, Client(transport=transports.KeyManagementServiceGrpcTransport(channel=channel))


def test_a_private_file_keeps_the_key_through_a_kill(tmp_path: Path) -> None:
    key = kms_key_name("p")
    first = EmulatorProcess("p", tmp_path, services=["kms"]).start()
    channel, client = _connected(first.environment["KMS_EMULATOR_HOST"])
    with channel:
        sealed = seal(client, key)
    first.kill()
    files = [path for path in (tmp_path / "kms").iterdir() if path.is_file()]
    assert [stat.S_IMODE(path.stat().st_mode) for path in files] == [0o600]
    with EmulatorProcess("p", tmp_path, services=["kms"]) as second:
        channel, client = _connected(second.environment["KMS_EMULATOR_HOST"])
        with channel:
            assert open_sealed(client, key, sealed) == SECRET


def test_calls_are_counted_and_can_be_made_to_fail(host: str, client: Client, key: str) -> None:
    seams = SeamsClient(host)
    seams.reset()
    seams.fail("Decrypt", "PERMISSION_DENIED", times=1)
    sealed = seal(client, key)
    with pytest.raises(exceptions.PermissionDenied):
        open_sealed(client, key, sealed)
    assert open_sealed(client, key, sealed) == SECRET
    assert seams.calls() == {"Encrypt": 1, "Decrypt": 2}
    seams.close()
