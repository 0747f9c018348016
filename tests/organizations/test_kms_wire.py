"""The messages to KMS that are written here are those that its SDK writes, and without an account nothing opens."""

from pathlib import Path
from typing import Any

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import kms_v1
from hypothesis import given
from hypothesis import strategies as st

from common.errors import KeyServiceUnavailable
from common.organizations import kms_wire
from common.organizations.provider_key import ProviderKeys
from common.secret import Secret
from common.settings import Settings
from common.tenant import OrgSlug, Tenant
from tests.conftest import PROJECT

TENANT = Tenant(OrgSlug("acme_inc"), PROJECT, "organizations")
CHECKSUMS = st.integers(0, 2**32 - 1)


@given(name=st.text(), ciphertext=st.binary(), additional=st.binary(), first=CHECKSUMS, second=CHECKSUMS)
def test_a_request_to_decrypt_is_the_sdks(
    name: str, ciphertext: bytes, additional: bytes, first: int, second: int
) -> None:
    said: dict[str, Any] = {"name": name, "ciphertext": ciphertext, "additional_authenticated_data": additional}
    theirs = kms_v1.DecryptRequest(**said, ciphertext_crc32c=first, additional_authenticated_data_crc32c=second)
    said |= {"ciphertext_crc32c": {"value": first}, "additional_authenticated_data_crc32c": {"value": second}}
    ours = kms_wire.MESSAGES["DecryptRequest"](**said)
    assert ours.SerializeToString() == kms_v1.DecryptRequest.serialize(theirs)


@given(plaintext=st.binary(), checksum=CHECKSUMS, primary=st.booleans())
def test_an_answer_is_read_as_the_sdk_reads_it(plaintext: bytes, checksum: int, primary: bool) -> None:
    theirs = kms_v1.DecryptResponse(plaintext=plaintext, plaintext_crc32c=checksum, used_primary=primary)
    ours = kms_wire.MESSAGES["DecryptResponse"].FromString(kms_v1.DecryptResponse.serialize(theirs))
    assert (ours.plaintext, ours.plaintext_crc32c.value) == (plaintext, checksum)


@given(name=st.text())
def test_a_request_for_the_key_is_the_sdks(name: str) -> None:
    ours = kms_wire.MESSAGES["GetCryptoKeyRequest"](name=name)
    assert ours.SerializeToString() == kms_v1.GetCryptoKeyRequest.serialize(kms_v1.GetCryptoKeyRequest(name=name))


async def test_the_services_own_host_and_account_are_the_sdks() -> None:
    theirs = kms_v1.KeyManagementServiceAsyncClient(credentials=AnonymousCredentials())
    assert theirs.transport.host == f"{kms_wire.HOST}:443"
    assert set(theirs.transport.AUTH_SCOPES) == set(kms_wire.SCOPES)
    await theirs.transport.close()
    ours = kms_wire.connect("projects/p/key", AnonymousCredentials(), None)
    await ours.close()


@pytest.mark.usefixtures("bare_environment")
async def test_without_an_account_kms_does_not_answer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "missing.json"))
    keys = ProviderKeys(Settings(gcp_project_id=PROJECT, environment="test"))
    for asked in (
        keys.ping(),
        keys.encrypt(TENANT, "c1", Secret("sk-1")),
        keys.opened(TENANT, "c1", b"x").__aenter__(),
    ):
        with pytest.raises(KeyServiceUnavailable):
            await asked
    await keys.close()
