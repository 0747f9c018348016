"""The keys of issuers: how often they are asked for, and what happens while nobody answers."""

import asyncio
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from common.egress import EgressFailed
from common.errors import IssuerUnavailable
from common.identity.key_sets import KeySets, keys_in

URL = "https://login.example.com/keys"
RSA = rsa.generate_private_key(65537, 2048)


def jwk(key_id: str, key: Any = RSA, algorithm: str = "RS256", **more: Any) -> dict[str, Any]:
    public = jwt.get_algorithm_by_name(algorithm).to_jwk(key.public_key(), as_dict=True)
    return {**public, "kid": key_id} | more


class Issuer:
    """Publishes keys by their ids, and counts how often it is asked; it may be down, or hang."""

    def __init__(self, *key_ids: str) -> None:
        self.key_ids = list(key_ids)
        self.fetches = 0
        self.down = False
        self.now = 1_000_000.0
        self.answers = asyncio.Event()
        self.answers.set()
        self.sets = KeySets(self._fetch, lambda: self.now)

    async def _fetch(self, url: str) -> Any:
        assert url == URL
        self.fetches += 1
        await self.answers.wait()
        if self.down:
            raise EgressFailed("down")
        return {"keys": [jwk(each) for each in self.key_ids]}

    async def knows(self, key_id: str) -> bool:
        return await self.sets.find(URL, key_id, "RS256") is not None


async def test_two_hundred_at_once_with_a_new_key_fetch_once() -> None:
    issuer = Issuer("a")
    issuer.answers.clear()
    asked = [asyncio.create_task(issuer.knows("a")) for _ in range(200)]
    await asyncio.sleep(0)
    issuer.answers.set()
    assert all(await asyncio.gather(*asked))
    assert issuer.fetches == 1


async def test_five_hundred_unknown_ids_in_half_a_minute_fetch_at_most_once() -> None:
    issuer = Issuer("a")
    assert await issuer.knows("a")
    issuer.now += 31
    issuer.fetches = 0
    for number in range(500):
        issuer.now += 0.059
        assert not await issuer.knows(f"unknown-{number}")
    assert issuer.fetches == 1
    assert await issuer.knows("a")


async def test_while_the_issuer_is_down_known_keys_go_on_and_unknown_ones_wait() -> None:
    issuer = Issuer("a")
    assert await issuer.knows("a")
    issuer.down = True
    for _ in range(100):
        issuer.now += 600
        assert await issuer.knows("a")
        with pytest.raises(IssuerUnavailable) as refused:
            await issuer.knows("b")
        assert refused.value.retry_after is not None
        assert 1 <= refused.value.retry_after <= 30
    issuer.down = False
    issuer.now += 31
    issuer.key_ids = ["a", "b"]
    assert await issuer.knows("b")


async def test_keys_of_a_day_ago_prove_nobody() -> None:
    issuer = Issuer("a")
    assert await issuer.knows("a")
    issuer.down = True
    issuer.now += 86_400
    with pytest.raises(IssuerUnavailable):
        await issuer.knows("a")


async def test_a_rotated_key_works_within_a_minute_and_the_old_one_ends() -> None:
    issuer = Issuer("old")
    assert await issuer.knows("old")
    issuer.key_ids = ["new"]
    assert not await issuer.knows("new")
    issuer.now += 31
    assert await issuer.knows("new")
    assert not await issuer.knows("old")


async def test_an_old_set_is_read_anew_behind_the_request_that_uses_it() -> None:
    issuer = Issuer("a")
    assert await issuer.knows("a")
    issuer.now += 601
    issuer.answers.clear()
    # It does not wait, though nobody answers.
    assert await issuer.knows("a")
    await asyncio.sleep(0)
    assert issuer.fetches == 2
    issuer.answers.set()


async def test_a_caller_who_leaves_ends_no_fetch_of_others() -> None:
    issuer = Issuer("a")
    issuer.answers.clear()
    leaving, staying = (asyncio.create_task(issuer.knows("a")) for _ in range(2))
    await asyncio.sleep(0)
    leaving.cancel()
    issuer.answers.set()
    assert await staying
    assert issuer.fetches == 1


@pytest.mark.parametrize(
    "key",
    [
        jwk("a", use="enc"),
        jwk("a", alg="RS512"),
        jwk("a", kty="oct"),
        jwk("a", rsa.generate_private_key(65537, 1024)),
        {**jwk("a"), "kid": 1},
        {"kid": "a", "kty": "RSA", "n": "AA"},
        jwk("a", ec.generate_private_key(ec.SECP384R1()), "ES384"),
        jwk("a", d="AA"),
        "text",
        None,
    ],
)
def test_what_does_not_sign_here_is_no_key(key: Any) -> None:
    assert keys_in({"keys": [key, jwk("good")]}).keys() == {("good", "RS256")}


@pytest.mark.parametrize("document", [None, [], {}, {"keys": {}}, "keys", 1])
def test_what_is_no_key_set_is_no_answer(document: Any) -> None:
    with pytest.raises(EgressFailed):
        keys_in(document)
