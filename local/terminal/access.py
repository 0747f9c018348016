"""The access of the terminal: a demo organisation of this machine, or any organisation by its API key, at an address.

A key comes from a file, standard input, a prompt or the environment, never from an argument, which every process of the
machine could read.
"""

import argparse
import base64
import getpass
import json
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from common.errors import BadSlug
from common.tenant import parse_org_slug
from local.data.organizations import API_KEYS
from local.own_machine import is_own
from local.ports import port

CHAT_API_KEY = "CHAT_API_KEY"
_KEY = re.compile(r"[\x21-\x7e]{1,512}")
_COMMAND_SECONDS = 60.0
_RENEWED_BEFORE_SECONDS = 120.0


class AccessError(Exception):
    """The arguments name no place, or no key to be let in with; the text says what to give."""


@dataclass(frozen=True, slots=True)
class Access:
    """An organisation and a person, the key that lets them in, and the address; None is the product of this machine."""

    org: str
    user: str
    key: str = field(repr=False)
    url: str | None = None
    token: "IdToken | None" = None

    @property
    def is_demo(self) -> bool:
        """Return true for a demo organisation of this machine, whose keys are known."""
        return self.url is None and API_KEYS.get(self.org) == self.key

    @property
    def place(self) -> str:
        """The arguments that lead there again, without the key."""
        return f"{f'--url {self.url} ' if self.url else ''}--org {self.org} --user {self.user}"


class IdToken(httpx.Auth):
    """A Google ID token for Cloud Run's door, from a command that prints one; renewed before it ends."""

    def __init__(self, command: str) -> None:
        self._command = shlex.split(command)
        self._text = ""
        self._until = 0.0
        if not self._command:
            raise AccessError("--id-token-command: give a command, such as 'gcloud auth print-identity-token'.")

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Send the request with the token."""
        if time.time() >= self._until:
            self._text, self._until = self._printed()
        request.headers["Authorization"] = f"Bearer {self._text}"
        yield request

    def _printed(self) -> tuple[str, float]:
        """Run the command, and return the token and when to ask for the next. Raises AccessError."""
        try:
            done = subprocess.run(
                self._command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=_COMMAND_SECONDS, check=True
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise AccessError(f"{self._command[0]} printed no ID token: {_reason(error)}.") from None
        text = done.stdout.decode(errors="replace").strip()
        try:
            payload = text.split(".")[1]
            claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
            return text, float(claims["exp"]) - _RENEWED_BEFORE_SECONDS
        except (ValueError, LookupError, TypeError):
            raise AccessError(f"{self._command[0]} printed something else than an ID token.") from None


def add_access(parser: argparse.ArgumentParser) -> None:
    """Declare where to ask, and as whom."""
    parser.add_argument("--port", type=port, default=8002, help="where the product is served on this machine (8002)")
    parser.add_argument("--url", help="where it is served elsewhere, such as https://chat.example.com")
    parser.add_argument("--org", help=f"the organisation's slug; on this machine also {', '.join(API_KEYS)} (acme_inc)")
    parser.add_argument("--user", default="terminal", help="the person who asks (terminal)")
    parser.add_argument(
        "--key-file",
        metavar="FILE",
        help=f"the file that holds the organisation's API key, - is standard input; or give it in {CHAT_API_KEY}",
    )
    parser.add_argument("--key-prompt", action="store_true", help="ask for the API key")
    parser.add_argument(
        "--id-token-command",
        metavar="COMMAND",
        help="prints the Google ID token for a function that is not public: 'gcloud auth print-identity-token'",
    )


def access_of(args: argparse.Namespace, *, reads_input: bool) -> Access:
    """Read who asks and where; ``reads_input`` where standard input holds what is asked. Raises AccessError."""
    url = _address(args.url) if args.url else None
    org = args.org or (None if url else "acme_inc")
    if org is None:
        raise AccessError("Name the organisation: --org SLUG.")
    if reads_input and args.key_file == "-":
        raise AccessError("--key-file: standard input holds your questions. Name a file, or use --key-prompt.")
    key = _key(args, None if url else API_KEYS.get(org))
    if key is None and url is None:
        raise AccessError(
            f"There is no demo organisation {org!r}; use one of {', '.join(API_KEYS)}, or give the organisation's API "
            "key: --key-file FILE"
        )
    if key is None:
        raise AccessError(f"Give the organisation's API key: --key-file FILE, --key-prompt, or in {CHAT_API_KEY}.")
    if _KEY.fullmatch(key) is None:
        raise AccessError("The API key must be 1 to 512 printable ASCII characters on one line.")
    try:
        parse_org_slug(org)
    except BadSlug:
        raise AccessError("--org: a slug has 3 to 50 lower-case letters, digits and underscores.") from None
    return Access(org, args.user, key, url, IdToken(args.id_token_command) if args.id_token_command else None)


def _key(args: argparse.Namespace, known: str | None) -> str | None:
    if args.key_file == "-":
        return sys.stdin.readline().strip()
    if args.key_file:
        try:
            return Path(args.key_file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise AccessError(f"{args.key_file} cannot be read: {_reason(error)}.") from None
    if args.key_prompt:
        return getpass.getpass("API key (not shown): ").strip()
    return known or os.environ.get(CHAT_API_KEY, "").strip() or None


def _address(url: str) -> str:
    """The address without its last slash. Raises AccessError where it is none, or where a key would be readable."""
    try:
        parts = urlsplit(url)
        named = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        named = False
    if not named or parts.query or parts.fragment or parts.username:
        raise AccessError(f"--url: {url!r} is no address, such as https://chat.example.com")
    if parts.scheme == "http" and not is_own(url):
        raise AccessError("--url: use https; over http everybody on the way could read the key.")
    return url.rstrip("/")


def _reason(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        return f"it ended with {error.returncode}"
    if isinstance(error, subprocess.TimeoutExpired):
        return f"it took longer than {_COMMAND_SECONDS:.0f} s"
    return getattr(error, "strerror", None) or "it is no text in UTF-8"
