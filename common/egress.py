"""Requests to hosts that an organisation has named: https, public addresses only, small answers, no redirect.

The address is checked twice: as it is written, and as it resolves, inside the connector, so that a name which changes
its answer between the two leads nowhere.
"""

import asyncio
import ipaddress
import json
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import aiohttp
    from aiohttp.abc import ResolveResult

EGRESS_SECONDS = 5.0
EGRESS_BYTES = 256 * 1024
POST_SECONDS = 10.0
POST_BYTES = 64 * 1024
URL_CHARS = 500

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_LABEL = r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)"
# The last label of a public name is never a number, so no address in any notation is a name.
_NAME = re.compile(rf"(?:{_LABEL}\.)+[A-Za-z][A-Za-z0-9-]{{0,61}}[A-Za-z0-9]")
_OWN_ENDINGS = (".internal", ".local", ".localhost", ".arpa", ".test", ".invalid", ".example", ".onion")
_LOOPBACK = ("127.0.0.1", "localhost")
# Addresses that Python calls public, and those that hold another address inside.
_HOLDING = ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "::/96")
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
_NOT_PUBLIC = tuple(map(ipaddress.ip_network, ("192.0.0.0/24", "192.88.99.0/24", "3fff::/20", "100::/64", *_HOLDING)))


class EgressRefused(Exception):
    """The address may not be asked; the text says why."""


class EgressFailed(Exception):
    """The host did not give a usable answer."""


def check_url(url: str, *, loopback: bool) -> str:
    """Return the URL as it is, if it is https to a public name; ``loopback`` allows this machine as well.

    Raises EgressRefused.
    """
    if len(url) > URL_CHARS or not url.isascii() or not url.isprintable() or any(each in url for each in " \\<>\"'"):
        raise EgressRefused(f"write a URL of at most {URL_CHARS} printable ASCII characters")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise EgressRefused("write a URL, such as https://login.example.com/keys") from None
    host = parts.hostname or ""
    if parts.username is not None or parts.password is not None or parts.fragment or "@" in parts.netloc:
        raise EgressRefused("write a URL without a user, a password and a fragment")
    if loopback and parts.scheme == "http" and host in _LOOPBACK:
        return url
    if parts.scheme != "https" or port not in (None, 443):
        raise EgressRefused("write an https URL, without a port")
    if _NAME.fullmatch(host) is None or host.lower().endswith(_OWN_ENDINGS):
        raise EgressRefused("name a public host, such as login.example.com")
    return url


def is_public(text: str) -> bool:
    """Return true for an address of the public internet, and for none that leads to another one."""
    try:
        address: Address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address not in _GLOBAL_UNICAST:
        return False
    if any(address.version == network.version and address in network for network in _NOT_PUBLIC):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


@dataclass(frozen=True, slots=True)
class PostReply:
    """A host's answer to a POST; of its body nothing is read."""

    status: int
    retry_after: str | None


async def get_json(url: str, *, loopback: bool) -> Any:
    """Return the JSON at a URL that was checked. Raises EgressRefused or EgressFailed, within ``EGRESS_SECONDS``."""
    check_url(url, loopback=loopback)
    # Only who asks outside imports it.
    import aiohttp

    headers = {"Accept": "application/json"}
    try:
        async with (
            _session(url, EGRESS_SECONDS, headers, loopback=loopback) as session,
            session.get(url, allow_redirects=False) as response,
        ):
            return json.loads(await _body(response))
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError, RecursionError) as error:
        raise EgressFailed(type(error).__name__) from error


async def post(url: str, body: bytes, headers: Mapping[str, str], *, loopback: bool) -> PostReply:
    """Send a body to a URL, and return the status. Raises EgressRefused or EgressFailed, within ``POST_SECONDS``."""
    check_url(url, loopback=loopback)
    if len(body) > POST_BYTES:
        raise EgressRefused(f"a body may have {POST_BYTES} bytes")
    import aiohttp

    try:
        async with (
            _session(url, POST_SECONDS, headers, loopback=loopback) as session,
            session.post(url, data=body, allow_redirects=False) as response,
        ):
            # The session ends with its connection: a body without an end is cut off unread.
            return PostReply(response.status, response.headers.get("Retry-After"))
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        raise EgressFailed(type(error).__name__) from error


def _session(url: str, seconds: float, headers: Mapping[str, str], *, loopback: bool) -> "aiohttp.ClientSession":
    """A session for one request: no cookies, no proxy of the environment, nothing unpacked, every address checked."""
    import aiohttp

    at_home = loopback and urlsplit(url).hostname in _LOOPBACK
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(resolver=_resolver(public=not at_home), use_dns_cache=False, limit=1),
        timeout=aiohttp.ClientTimeout(total=seconds),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        auto_decompress=False,
        headers={**headers, "Accept-Encoding": "identity"},
    )


async def _body(response: "aiohttp.ClientResponse") -> bytes:
    if response.status != 200:
        raise EgressFailed(f"status {response.status}")
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise EgressFailed("a packed body")
    body = bytearray()
    async for part in response.content.iter_chunked(16_384):
        body += part
        if len(body) > EGRESS_BYTES:
            raise EgressFailed("a body that is too large")
    return bytes(body)


def _resolver(*, public: bool) -> Any:
    from aiohttp.abc import AbstractResolver

    class Resolver(AbstractResolver):
        """Resolves a name, and refuses it unless all of its addresses are public."""

        async def resolve(
            self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
        ) -> "list[ResolveResult]":
            loop = asyncio.get_running_loop()
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, family=family)
            answers = [(each_family, protocol, address) for each_family, _, protocol, _, address in found]
            if public and not all(is_public(str(address[0])) for _, _, address in answers):
                raise OSError("the name has an address that is not public")
            return [
                {
                    "hostname": host,
                    "host": str(address[0]),
                    "port": port,
                    "family": each_family,
                    "proto": protocol,
                    "flags": socket.AI_NUMERICHOST,
                }
                for each_family, protocol, address in answers
            ]

        async def close(self) -> None:
            """Hold nothing."""

    return Resolver()
