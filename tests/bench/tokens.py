"""People's tokens: the CPU that proving one costs a request, for each algorithm."""

import asyncio
import time

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from rich.console import Console

from common.identity.authenticate import read_credentials
from common.identity.key_sets import KeySets
from common.identity.tokens import TokenProofs
from common.organizations.access import Access, Policy
from common.organizations.organization import Organization, Profile
from common.organizations.provider_key import ProviderKeys
from common.settings import load_settings
from common.tenant import OrgSlug, Tenant
from tests.bench.results import Results, Table, Verdict, shown
from tests.bench.stage import Stage

REQUESTS = 2_000
Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
_MOST_MS = 0.4
_ISSUER = "https://login.example.com"


async def run(console: Console, stage: Stage, results: Results) -> None:
    """Read and prove the token of a request, as often as many requests do; the keys are known."""
    keys: dict[str, Key] = {
        "RS256": rsa.generate_private_key(65537, 2048),
        "ES256": ec.generate_private_key(ec.SECP256R1()),
    }
    took = {name: await _proving(name, key) for name, key in keys.items()}
    rows = tuple((name, shown(seconds * 1000)) for name, seconds in took.items())
    table = Table("The CPU of a token, over that of an API key", ("algorithm", "ms a request"), rows)
    table.show(console)
    promise = "The slower algorithm adds to a request"
    results.add("tokens", table, verdicts=[Verdict(promise, max(took.values()) * 1000, _MOST_MS, "ms")])


async def _proving(algorithm: str, key: Key) -> float:
    tenant = Tenant(OrgSlug("bench_inc"), "a-project", "organizations")
    issuer = (
        f'{{"issuers": [{{"issuer": "{_ISSUER}", "algorithm": "{algorithm}", "audience": "chat", '
        f'"jwks_url": "{_ISSUER}/keys"}}]}}'
    )
    organization = Organization(Profile(status="ACTIVE"), None, None, access=Access({"issuers": Policy(1, issuer)}))
    public = jwt.get_algorithm_by_name(algorithm).to_jwk(key.public_key(), as_dict=True)

    async def fetch(_: str) -> object:
        return {"keys": [{**public, "kid": "k"}]}

    proofs = TokenProofs(KeySets(fetch), ProviderKeys(load_settings()))
    claims = {"iss": _ISSUER, "aud": "chat", "sub": "ada", "tenant_id": "bench_inc", "exp": time.time() + 3_600}
    headers = {"x-org-slug": "bench_inc", "authorization": f"Bearer {jwt.encode(claims, key, algorithm, {'kid': 'k'})}"}
    without = {"x-org-slug": "bench_inc", "x-api-key": "a-key"}

    async def prove() -> None:
        token = read_credentials(headers, None).token
        assert token is not None
        await proofs.prove(tenant, organization, token, None)

    await prove()
    began = time.process_time()
    for _ in range(REQUESTS):
        await prove()
    proving = time.process_time() - began
    began = time.process_time()
    for _ in range(REQUESTS):
        read_credentials(without, None)
        await asyncio.sleep(0)
    return (proving - (time.process_time() - began)) / REQUESTS
