"""The playground: a page on which the product is tried out, bundled on first use from local/playground by Node."""

import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping
from html import escape
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.types import Receive, Scope, Send

from common import app
from common.tenant import parse_org_slug
from common.tools.registry import Tool
from common.web import openapi
from local.data.organizations import Organization
from local.docs_page import STYLE, docs_page
from local.sign_in import PEOPLE, LocalIssuer, people

SOURCES = Path(__file__).parent / "playground"
BUILT = Path(__file__).parents[1] / ".cache" / "playground"
ASSETS = "/playground/"
ORGANIZATIONS = f"{ASSETS}organizations"
TOOLS = f"{ASSETS}tools"
ISSUER = f"{ASSETS}issuer"
DOCS = "/docs"
NODE_NEEDED = "The playground page needs Node.js (node and npm). Everything else is served."
# Nothing is loaded from anywhere else, no script is inline or evaluated, and nobody frames the page.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_REFUSED = {"detail": "Only the page itself is told the demo keys.", "code": "origin_refused"}
_WAITING = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Cloud-cost chat</title>{again}</head>
<body><h1>Cloud-cost chat</h1><p>{said}</p></body></html>"""
_KINDS = {".js": "text/javascript", ".css": "text/css"}


def policy() -> str:
    """The policy of the page: it asks the product, and the store that takes a document's bytes."""
    store = os.environ.get("STORAGE_EMULATOR_HOST", "")
    return POLICY.replace("connect-src 'self'", f"connect-src 'self' {store}".rstrip())


def _headers() -> dict[str, str]:
    return {
        "Content-Security-Policy": policy(),
        "Cache-Control": "no-cache",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "same-origin",
    }


class BuildFailed(Exception):
    """The page cannot be bundled; the message says why."""


class Page:
    """Answers for the page and its files; while it is entered, its bundle is made in a thread where it is not there."""

    def __init__(
        self,
        organizations: tuple[Organization, ...],
        say: Callable[[str], None],
        issuer: LocalIssuer | None = None,
    ) -> None:
        self._organizations = organizations
        self._issuer = issuer or LocalIssuer()
        self._say = say
        self._bundle = Bundle()
        self._problem = ""
        self._thread = threading.Thread(target=self._build, name="playground", daemon=True)

    def answers(self, method: str, path: str) -> bool:
        """Return true if the request is the page's."""
        return method in ("GET", "HEAD") and (path in ("/", DOCS, STYLE) or path.startswith(ASSETS))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        signing_in = request.url.path == f"{ISSUER}/token"
        response = await self._token(request) if signing_in else self._response(request)
        await response(scope, receive, send)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bundle.stop()
        self._thread.join(5)

    def join(self) -> None:
        """Wait until the bundle is there or cannot be made."""
        self._thread.join()

    def _build(self) -> None:
        try:
            self._bundle.make(self._say)
        except BuildFailed as failure:
            self._problem = str(failure)
            self._say(self._problem)

    async def _token(self, request: Request) -> Response:
        """Sign somebody in, for the page itself alone."""
        if not _is_of_own_page(request):
            return JSONResponse(_REFUSED, 403, headers=_headers())
        slugs = {each.slug for each in self._organizations}
        org, named = (request.query_params.get(name, "") for name in ("org", "person"))
        person = next((each for each in PEOPLE if each.user_id == named), None)
        if org not in slugs or person is None:
            return JSONResponse({"detail": "Nobody of this name may sign in here.", "code": "not_found"}, 404)
        url = f"http://{request.url.netloc}{ISSUER}"
        token = await self._issuer.sign_in(app.services(), parse_org_slug(org), person, url)
        return JSONResponse({"token": token}, headers={**_headers(), "Cache-Control": "no-store"})

    def _response(self, request: Request) -> Response:
        path = request.url.path
        if path == f"{ISSUER}/keys":
            return JSONResponse(self._issuer.key_set, headers=_headers())
        if path == ORGANIZATIONS:
            if not _is_of_own_page(request):
                return JSONResponse(_REFUSED, 403, headers=_headers())
            return JSONResponse([_shown(each) for each in self._organizations], headers=_headers())
        if path == TOOLS:
            listed = [_tool(each) for each in app.services().registry.tools]
            return JSONResponse(listed, headers=_headers())
        if path == DOCS:
            return HTMLResponse(
                docs_page(openapi.document(app.services().settings.service_version, "/")), headers=_headers()
            )
        if path == STYLE:
            return FileResponse(Path(__file__).with_name("docs.css"), headers=_headers())
        folder = self._bundle.folder
        if path == "/":
            if folder.exists():
                return FileResponse(SOURCES / "index.html", headers=_headers())
            return HTMLResponse(self._waiting(), headers=_headers())
        file = folder / path.removeprefix(ASSETS)
        if file.suffix in _KINDS and file.parent == folder and file.is_file():
            return FileResponse(file, headers=_headers(), media_type=_KINDS[file.suffix])
        return JSONResponse({"detail": "There is nothing at this address.", "code": "not_found"}, 404)

    def _waiting(self) -> str:
        if self._problem:
            return _WAITING.format(again="", said=escape(self._problem))
        again = '<meta http-equiv="refresh" content="1">'
        return _WAITING.format(again=again, said="The page is being made; this happens once and takes a moment.")


class Bundle:
    """The page's files, made once for the sources they are of."""

    def __init__(self) -> None:
        self.folder = BUILT / _digest([*_sources(), SOURCES / "package.json", SOURCES / "package-lock.json"])
        self._process: subprocess.Popen[bytes] | None = None
        self._stopped = False

    def make(self, say: Callable[[str], None]) -> None:
        """Make them where they are not there. Raises BuildFailed."""
        if self.folder.exists():
            return
        BUILT.mkdir(parents=True, exist_ok=True)
        with (BUILT / "lock").open("w") as lock:
            # Another process may be making the same.
            fcntl.flock(lock, fcntl.LOCK_EX)
            if self.folder.exists():
                return
            npm = shutil.which("npm")
            if npm is None or shutil.which("node") is None:
                raise BuildFailed(NODE_NEEDED)
            self._install(npm, say)
            made = BUILT / "made"
            shutil.rmtree(made, ignore_errors=True)
            self._run([npm, "run", "--silent", "build", "--", f"--outdir={made}"])
            for old in BUILT.iterdir():
                if old.is_dir() and old != made:
                    shutil.rmtree(old)
            made.rename(self.folder)

    def stop(self) -> None:
        """Stop what is under way."""
        self._stopped = True
        process = self._process
        if process is not None and process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)

    def _install(self, npm: str, say: Callable[[str], None]) -> None:
        """The packages that the lock file pins, once for the lock file they are of."""
        stamp = SOURCES / "node_modules" / ".of-lock"
        digest = _digest([SOURCES / "package-lock.json"])
        if stamp.exists() and stamp.read_text() == digest:
            return
        say("Installing what the playground page is made of (once, some seconds) …")
        self._run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        stamp.write_text(digest)

    def _run(self, command: list[str]) -> None:
        if self._stopped:
            raise BuildFailed("Stopped before the playground page was made.")
        # In a group of its own, so that what npm starts stops with it.
        self._process = subprocess.Popen(
            command, cwd=SOURCES, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
        )
        output, _ = self._process.communicate()
        if self._process.returncode != 0:
            told = output.decode(errors="replace").strip()[-2000:]
            raise BuildFailed(f"The playground page could not be made; everything else is served.\n{told}")


def _is_of_own_page(request: Request) -> bool:
    """Tell whether the page itself asks, or no page at all; another port of this machine is another page."""
    origin = request.headers.get("origin", f"http://{request.url.netloc}")
    return origin == f"http://{request.url.netloc}" and request.headers.get("sec-fetch-site", "none") in (
        "same-origin",
        "none",
    )


def _tool(tool: Tool) -> Mapping[str, str]:
    return {"name": tool.name, "title": tool.title, "description": tool.description}


def _shown(organization: Organization) -> Mapping[str, Any]:
    """The data of the page: also the key, which a real frontend keeps on its own server."""
    return {
        "slug": organization.slug,
        "name": organization.company_name,
        "key": organization.api_key,
        "people": people(),
    }


def _sources() -> list[Path]:
    return sorted(file for file in (SOURCES / "src").rglob("*") if file.is_file())


def _digest(files: list[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]
