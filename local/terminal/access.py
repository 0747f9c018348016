"""The access of the terminal: a demo organisation of this machine, or any organisation by its API key, at an address.

A key comes from a file, standard input, a prompt or the environment, never from an argument, which every process of the
machine could read.
"""

import argparse
import getpass
import os
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from common.errors import BadSlug
from common.tenant import parse_org_slug
from local.data.organizations import API_KEYS
from local.own_machine import is_own
from local.ports import port
from local.terminal.id_token import AccessError, IdToken, reason_of

CHAT_API_KEY = "CHAT_API_KEY"
_KEY = re.compile(r"[\x21-\x7e]{1,512}")


@dataclass(frozen=True, slots=True)
class Access:
    """An organisation and a person, the key that lets them in, and the address; None is the product of this machine."""

    org: str
    user: str
    key: str = field(repr=False)
    url: str | None = None
    token: IdToken | None = None

    @property
    def is_demo(self) -> bool:
        """Return true for a demo organisation of this machine, whose keys are known."""
        return self.url is None and API_KEYS.get(self.org) == self.key

    @property
    def place(self) -> str:
        """The arguments that lead there again, without the key."""
        return f"{f'--url {self.url} ' if self.url else ''}--org {self.org} --user {self.user}"


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
        help="prints the Google ID token for a function that is not public: 'gcloud auth print-identity-token'; in it "
        "{audience} is the function's own, from --endpoints",
    )
    parser.add_argument(
        "--endpoints", metavar="FILE", help="what terraform output -json endpoints says: the audience of each path"
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
    token = IdToken(args.id_token_command, args.endpoints) if args.id_token_command else None
    return Access(org, args.user, key, url, token)


def _key(args: argparse.Namespace, known: str | None) -> str | None:
    if args.key_file == "-":
        return sys.stdin.readline().strip()
    if args.key_file:
        try:
            return Path(args.key_file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise AccessError(f"{args.key_file} cannot be read: {reason_of(error)}.") from None
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
