"""Provider keys over the KMS emulator: what opens, what does not, and what KMS may do meanwhile."""

import asyncio
import base64
from collections.abc import AsyncIterator, Iterator

import pytest

from common.errors import KeyInvalid, KeyServiceUnavailable
from common.organizations import provider_key
from common.organizations.provider_key import ProviderKeys, additional_data
from common.secret import Secret, SecretDropped
from common.settings import load_settings
from common.tenant import OrgSlug, Tenant
from local.data.__main__ import emulated_kms
from local.data.access import Encrypt
from local.emulators.rpc import SeamsClient
from tests.conftest import PROJECT, Cloud

ACME = Tenant(OrgSlug("acme_inc"), PROJECT, "organizations")
GLOBEX = Tenant(OrgSlug("globex_inc"), PROJECT, "organizations")
KEY = "sk-0123456789"
BOUND = additional_data(ACME, "c1")


@pytest.fixture
async def keys(cloud: Cloud) -> AsyncIterator[ProviderKeys]:
    keys = ProviderKeys(load_settings())
    yield keys
    await keys.close()


@pytest.fixture
def kms(cloud: Cloud) -> Iterator[SeamsClient]:
    client = SeamsClient(cloud.environment["KMS_EMULATOR_HOST"])
    client.reset()
    yield client
    client.reset()
    client.close()


@pytest.fixture
def encrypt(cloud: Cloud) -> Encrypt:
    """Encrypts as an older writer may have: with whatever additional data."""
    return emulated_kms(cloud.environment)


async def opened(keys: ProviderKeys, ciphertext: bytes, tenant: Tenant = ACME, credential_id: str = "c1") -> str:
    async with keys.opened(tenant, credential_id, ciphertext) as key:
        return key.reveal()


async def test_what_is_encrypted_here_opens_here_in_one_call(keys: ProviderKeys, kms: SeamsClient) -> None:
    ciphertext = await keys.encrypt(ACME, "c1", Secret(KEY))
    assert KEY.encode() not in ciphertext
    kms.reset()
    assert await opened(keys, ciphertext) == KEY
    assert kms.calls() == {"Decrypt": 1}


@pytest.mark.parametrize("aad", [BOUND, b""], ids=["with aad", "without aad"])
@pytest.mark.parametrize(
    "stored",
    [bytes, base64.b64encode, base64.urlsafe_b64encode, base64.encodebytes],
    ids=["bytes", "base64", "url-safe", "in lines"],
)
async def test_what_older_writers_stored_opens(keys: ProviderKeys, encrypt: Encrypt, aad: bytes, stored: type) -> None:
    assert await opened(keys, stored(encrypt(f"{KEY}\n".encode(), aad))) == KEY


@pytest.mark.parametrize("stored", [bytes, base64.b64encode], ids=["bytes", "base64"])
@pytest.mark.parametrize(("tenant", "credential_id"), [(GLOBEX, "c1"), (ACME, "c2"), (GLOBEX, "c2")])
async def test_what_was_bound_opens_in_its_own_row_only(
    keys: ProviderKeys, encrypt: Encrypt, stored: type, tenant: Tenant, credential_id: str
) -> None:
    ciphertext = stored(encrypt(KEY.encode(), BOUND))
    assert await opened(keys, ciphertext) == KEY
    with pytest.raises(KeyInvalid):
        await opened(keys, ciphertext, tenant, credential_id)


async def test_what_was_not_bound_opens_anywhere_which_is_the_price(keys: ProviderKeys, encrypt: Encrypt) -> None:
    assert await opened(keys, encrypt(KEY.encode(), b""), GLOBEX, "c2") == KEY


@pytest.mark.parametrize("stored", [b"", b"x", b"not a ciphertext", b"bm90IGEgY2lwaGVydGV4dA==", b"\x01" * 64])
async def test_what_is_no_ciphertext_is_tried_twice_and_never_again(
    keys: ProviderKeys, kms: SeamsClient, stored: bytes
) -> None:
    with pytest.raises(KeyInvalid):
        await opened(keys, stored)
    assert kms.calls() == {"Decrypt": 2}


@pytest.mark.parametrize("plaintext", [b"\xff\xfeplanted", "plänted".encode(), b"", b" \n"])
async def test_what_is_no_key_is_refused_without_being_quoted(
    keys: ProviderKeys, encrypt: Encrypt, plaintext: bytes
) -> None:
    ciphertext = encrypt(plaintext, BOUND)
    with pytest.raises(KeyInvalid) as caught:
        await opened(keys, ciphertext)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


@pytest.mark.parametrize("code", ["UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED"])
async def test_a_moment_of_kms_being_away_is_waited_out(keys: ProviderKeys, kms: SeamsClient, code: str) -> None:
    kms.fail("Encrypt", code, times=2)
    ciphertext = await keys.encrypt(ACME, "c1", Secret(KEY))
    kms.fail("Decrypt", code, times=2)
    assert await opened(keys, ciphertext) == KEY
    assert kms.calls() == {"Encrypt": 3, "Decrypt": 3}


@pytest.mark.parametrize("code", ["PERMISSION_DENIED", "NOT_FOUND", "INTERNAL", "UNAUTHENTICATED"])
async def test_what_will_not_pass_is_not_waited_for(keys: ProviderKeys, kms: SeamsClient, code: str) -> None:
    ciphertext = await keys.encrypt(ACME, "c1", Secret(KEY))
    kms.reset()
    kms.fail("Decrypt", code)
    with pytest.raises(KeyServiceUnavailable):
        await opened(keys, ciphertext)
    kms.fail("Encrypt", code)
    with pytest.raises(KeyServiceUnavailable):
        await keys.encrypt(ACME, "c1", Secret(KEY))
    assert kms.calls() == {"Decrypt": 1, "Encrypt": 1}


async def test_kms_that_hangs_costs_a_bounded_time_and_holds_nobody_else_up(
    keys: ProviderKeys, kms: SeamsClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    ciphertext = await keys.encrypt(ACME, "c1", Secret(KEY))
    monkeypatch.setattr(provider_key, "KEY_SERVICE_SECONDS", 1.0)
    kms.delay("Decrypt", 120)
    loop = asyncio.get_running_loop()
    started, ticks = loop.time(), 0
    opening = asyncio.create_task(opened(keys, ciphertext))
    while not opening.done():
        await asyncio.sleep(0.01)
        ticks += 1
    with pytest.raises(KeyServiceUnavailable):
        await opening
    assert 0.9 < loop.time() - started < 60
    # The event loop has run on; held up by KMS, it would have turned once.
    assert ticks > 2


async def test_a_key_is_gone_when_its_turn_ends_however_it_ends(keys: ProviderKeys) -> None:
    ciphertext = await keys.encrypt(ACME, "c1", Secret(KEY))
    kept: list[Secret] = []

    async def fail() -> None:
        async with keys.opened(ACME, "c1", ciphertext) as key:
            kept.append(key)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    with pytest.raises(SecretDropped):
        kept[0].reveal()
