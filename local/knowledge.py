"""``python -m local knowledge``: an organisation's documents, in the terminal."""

import argparse
import hashlib
import mimetypes
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from local.terminal.access import access_of, add_access
from local.terminal.client import Client, ConnectionLostError, RefusedError
from local.terminal.id_token import AccessError
from local.terminal.screen import Screen
from local.terminal.served import NotServedError, served
from local.terminal.work import size

_POLL_SECONDS = 0.5
_READ_SECONDS = 900.0
_REASONS = {
    "no_text": "there is no text in it; a scanned document has to be recognised first",
    "encrypted": "it is protected by a password",
    "too_large": "it is too large",
    "not_supported": "it is none of PDF, DOCX, TXT, Markdown, HTML and CSV",
    "broken": "it is damaged",
    "not_uploaded": "its bytes never arrived",
    "not_as_announced": "its bytes are others than were announced",
}
_WAITS: Mapping[str, str] = {
    "embedding_unavailable": "waits for the embedding model, which does not answer",
    "cost_ceiling": "waits: what models may use here is used up",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    actions = parser.add_subparsers(dest="action", required=True)
    added = actions.add_parser("add", allow_abbrev=False, help="upload files and wait until they answer")
    listed = actions.add_parser("list", allow_abbrev=False, help="list the documents and what became of them")
    deleted = actions.add_parser("delete", allow_abbrev=False, help="delete documents: they are in no answer any more")
    added.add_argument("files", nargs="+", metavar="FILE", type=Path, help="PDF, DOCX, TXT, Markdown, HTML or CSV")
    deleted.add_argument("files", nargs="+", metavar="NAME", help="names of documents, or their ids")
    for action in (added, listed, deleted):
        add_access(action)


def run(args: argparse.Namespace) -> int:
    """Do it: 0 done, 1 where something is refused or failed, 2 not understood."""
    screen = Screen()
    actions: Mapping[str, Callable[[Screen, Client, Any], int]] = {"add": _add, "list": _list, "delete": _delete}
    try:
        access = access_of(args, reads_input=False)
        with served(args.port, screen.note, elsewhere=access.url) as url, Client(url, access) as client:
            return actions[args.action](screen, client, getattr(args, "files", ()))
    except AccessError as error:
        screen.complain(str(error))
        return 2
    except (RefusedError, ConnectionLostError) as error:
        screen.complain(error.detail)
    except NotServedError as error:
        screen.complain(str(error))
    except KeyboardInterrupt:
        screen.complain("Stopped. What was uploaded is read all the same; list says what became of it.")
        return 130
    return 1


def _add(screen: Screen, client: Client, files: list[Path]) -> int:
    """Upload each file, then wait until all are read; one that cannot be taken does not hold up the others."""
    begun: dict[str, str] = {}
    failed = 0
    for path in files:
        try:
            begun[_upload(screen, client, path)] = path.name
        except (OSError, RefusedError) as error:
            said = error.detail if isinstance(error, RefusedError) else error.strerror or "it cannot be read"
            screen.complain(f"{path.name}: {said}")
            failed += 1
    until = time.monotonic() + _READ_SECONDS
    while begun and time.monotonic() < until:
        for document_id, name in list(begun.items()):
            document = client.document(document_id)
            if document["state"] in ("ready", "failed"):
                del begun[document_id]
                failed += document["state"] == "failed"
                (screen.say if document["state"] == "ready" else screen.complain)(f"{name}: {_state(document)}")
        if begun:
            time.sleep(_POLL_SECONDS)
    for name in begun.values():
        screen.complain(f"{name}: is still being read; list says what became of it")
    return 1 if failed or begun else 0


def _upload(screen: Screen, client: Client, path: Path) -> str:
    """Announce a file and send its bytes where the product says. Returns the document's id."""
    data = path.read_bytes()
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    announced = {"name": path.name, "type": kind, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    started = client.announce(announced)
    if started["upload_url"] is None:
        screen.note(f"{path.name}: these bytes are there already")
    else:
        shown = -1

        def progress(sent: int) -> None:
            nonlocal shown
            share = 100 * sent // max(1, len(data))
            if share // 25 > shown:
                shown = share // 25
                screen.note(f"{path.name}: {share} % of {size(len(data))}")

        client.upload(started["upload_url"], started["headers"], data, progress)
    return str(started["document_id"])


def _list(screen: Screen, client: Client, _: Any) -> int:
    documents = client.documents()
    rows = [(each["name"], _state(each), size(each["bytes"]), each["document_id"]) for each in documents]
    screen.table(("Document", "State", "Size", "Id"), rows)
    if not documents:
        screen.note("There is no document yet. Add some: python -m local knowledge add FILE…")
    return 0


def _delete(screen: Screen, client: Client, names: list[str]) -> int:
    documents, failed = client.documents(), 0
    for name in names:
        found = [each for each in documents if name in (each["name"], each["document_id"])]
        if len(found) != 1:
            several = "several documents have this name; say the id of one, which list has"
            screen.complain(f"{name}: {several if found else 'there is no such document'}")
            failed += 1
            continue
        client.delete_document(found[0]["document_id"])
        screen.say(f"{found[0]['name']}: deleted")
    return 1 if failed else 0


def _state(document: Mapping[str, Any]) -> str:
    """The state of a document in words."""
    state = document["state"]
    if state == "failed":
        reason = str(document["reason"])
        return f"cannot be read ({reason}): {_REASONS.get(reason, 'its reason is not known')}"
    if state != "ready":
        if document["reason"] in _WAITS:
            return _WAITS[document["reason"]]
        return {"waiting": "waits for its bytes", "processing": "is being read"}.get(state, str(state))
    counts = [_count(document["pages"], "page")] if document["pages"] else []
    counts.append(_count(document["passages"], "passage"))
    return ", ".join(["is being read anew" if document["reindexing"] else "ready", *counts])


def _count(amount: int, noun: str) -> str:
    return f"{amount:,} {noun}{'s' * (amount != 1)}"
