"""The Google ID token that Cloud Run asks for before the product sees a request: printed by a command, and renewed."""

import base64
import json
import re
import shlex
import subprocess
import time
from collections.abc import Generator
from pathlib import Path

import httpx

AUDIENCE = "{audience}"
_COMMAND_SECONDS = 60.0
_RENEWED_BEFORE_SECONDS = 120.0


class AccessError(Exception):
    """The arguments name no place, or no key to be let in with; the text says what to give."""


class IdToken(httpx.Auth):
    """Adds the ID token to each request; of the function that serves its path, where the command names an audience."""

    def __init__(self, command: str, endpoints: str | None = None) -> None:
        self._command = shlex.split(command)
        if not self._command:
            raise AccessError("--id-token-command: give a command, such as 'gcloud auth print-identity-token'.")
        self._needs_audience = any(AUDIENCE in part for part in self._command)
        if self._needs_audience and endpoints is None:
            raise AccessError(f"--id-token-command: {AUDIENCE} is read from --endpoints FILE.")
        self._audiences = _read(endpoints) if endpoints and self._needs_audience else []
        self._tokens: dict[str, tuple[str, float]] = {}

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Send the request with the token. Raises AccessError."""
        audience = self._audience_of(request.url.path) if self._needs_audience else ""
        text, until = self._tokens.get(audience, ("", 0.0))
        if time.time() >= until:
            text, until = self._tokens[audience] = self._printed(audience)
        request.headers["Authorization"] = f"Bearer {text}"
        yield request

    def _audience_of(self, path: str) -> str:
        for pattern, audience in self._audiences:
            if pattern.fullmatch(path):
                return audience
        raise AccessError(f"--endpoints: no function serves {path}.")

    def _printed(self, audience: str) -> tuple[str, float]:
        """Run the command, and return the token and when to ask for the next. Raises AccessError."""
        command = [part.replace(AUDIENCE, audience) for part in self._command]
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=_COMMAND_SECONDS, check=True
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise AccessError(f"{command[0]} printed no ID token: {reason_of(error)}.") from None
        text = done.stdout.decode(errors="replace").strip()
        try:
            payload = text.split(".")[1]
            claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
            return text, float(claims["exp"]) - _RENEWED_BEFORE_SECONDS
        except (ValueError, LookupError, TypeError):
            raise AccessError(f"{command[0]} printed something else than an ID token.") from None


def reason_of(error: Exception) -> str:
    """Say why a command or a file gave nothing."""
    if isinstance(error, subprocess.CalledProcessError):
        return f"it ended with {error.returncode}"
    if isinstance(error, subprocess.TimeoutExpired):
        return f"it took longer than {_COMMAND_SECONDS:.0f} s"
    return getattr(error, "strerror", None) or "it is no text in UTF-8"


def _read(file: str) -> list[tuple[re.Pattern[str], str]]:
    """The audience of each path, as Terraform's output has them. Raises AccessError."""
    try:
        endpoints = json.loads(Path(file).read_text(encoding="utf-8"))
        return [(_pattern(path), str(endpoint["audience"])) for path, endpoint in endpoints.items()]
    except OSError as error:
        raise AccessError(f"--endpoints: {file} cannot be read: {reason_of(error)}.") from None
    except (ValueError, LookupError, TypeError, AttributeError):
        raise AccessError(f"--endpoints: {file} is not what terraform output -json endpoints prints.") from None


def _pattern(path: str) -> re.Pattern[str]:
    parts = re.split(r"(\{\w+\})", path)
    return re.compile("".join("[^/]+" if part.startswith("{") else re.escape(part) for part in parts))
