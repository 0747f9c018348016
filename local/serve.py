"""``make run``: the emulators, the demo data and every function, on one machine and one port."""

import argparse
import json
import os
import signal
import socket
import threading
from contextlib import ExitStack, nullcontext, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import uvicorn
from google.cloud import bigquery
from rich.console import Console
from rich.table import Table

from common import app
from common.app import Services
from common.settings import InvalidSettings, load_settings
from common.stopping import hold
from common.telemetry.readiness import Probe
from common.web.http_protocol import HttpProtocol
from local import embedding
from local.data.__main__ import add_bill, emulated_bigquery, emulated_kms
from local.data.documents import load_documents
from local.data.focus.problems import FocusFileError
from local.data.organizations import API_KEYS, DEMO, Organization, focus_organization
from local.data.prepare import FOCUS_ORG, prepare
from local.data.warehouse import COSTS, SHARED, create_shared, has_rows, tenant_dataset
from local.draining import Draining
from local.emulators.process import EmulatorProcess, EmulatorStartError
from local.emulators.storage.subscriber import deliver_uploads
from local.page import Page
from local.ports import port, problem_of
from local.request_lines import show_requests
from local.running import MODEL_ADDRESSES, AlreadyRunningError, announced
from local.sign_in import LocalIssuer
from local.state import StateError, StateFolder

PROJECT = "local-dev-project"
HOSTS = (
    "BIGQUERY_EMULATOR_HOST", "FIRESTORE_EMULATOR_HOST", "KMS_EMULATOR_HOST", "STORAGE_EMULATOR_HOST",
    "CLOUD_TASKS_EMULATOR_HOST",
)  # fmt: skip


class Death:
    """The end of the emulators before ours; it stops this process, which then says so."""

    def __init__(self) -> None:
        self.sentence = ""

    def of_emulators(self, code: int, told: str) -> None:
        """Stop the process as Ctrl-C does."""
        last = f" Their last word was: {told.splitlines()[-1]}" if told else ""
        self.sentence = (
            f"The emulators ended by themselves (code {code}), so nothing can be served. What was stored is kept; "
            f"start again with make run.{last}"
        )
        os.kill(os.getpid(), signal.SIGINT)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--port", type=port, default=8002, help="the port on 127.0.0.1 (8002)")
    parser.add_argument(
        "--state", type=Path, default=Path(".local"), help="where the local cloud keeps its data (.local)"
    )
    parser.add_argument(
        "--json-logs", action="store_true", help="print the records as JSON instead of one short line a request"
    )
    parser.add_argument(
        "--empty", action="store_true", help="without demo organisations and the page: a project as an apply leaves it"
    )
    add_bill(parser)


def run(args: argparse.Namespace) -> int:
    """Serve until SIGTERM or Ctrl-C, then return 0; 1 when something cannot start, 2 for a FOCUS file it cannot read.

    Where the environment names all emulator hosts, those serve; else they are started here and keep their data
    under ``state``.
    """
    console = Console()
    if args.empty and args.focus:
        _say(console, "--empty serves without focus_inc. Load a bill with: python -m local focus load")
        return 2
    # A stop at any moment ends by the with statements below, so that nothing that was started stays.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    problem = problem_of(args.port)
    if problem is not None:
        _say(console, problem)
        return 1
    # The environment is the functions' own configuration; it is set before any of them is imported.
    os.environ.setdefault("GCP_PROJECT_ID", PROJECT)
    os.environ.setdefault("ENVIRONMENT", "local")
    for name, value in embedding.environment().items():
        os.environ.setdefault(name, value)
    for name, value in _delivering(args.port).items():
        os.environ.setdefault(name, value)
    # One person's laptop: scripts may ask faster than a person of an organisation does.
    for name in ("USER_MESSAGES_PER_MINUTE", "ORG_MESSAGES_PER_MINUTE"):
        os.environ.setdefault(name, "600")
    loading = threading.Thread(target=_load_demo_model, daemon=True)
    loading.start()
    death = Death()
    try:
        # It returns without one where a shell has what it runs in the background ignore Ctrl-C.
        with suppress(KeyboardInterrupt):
            _serve_all(console, args, loading, death)
        _say(console, death.sentence or "Stopped.")
    except FocusFileError as error:
        _say(console, str(error))
        return error.exit_code
    except (AlreadyRunningError, EmulatorStartError, StateError, InvalidSettings) as error:
        _say(console, str(error))
        return 1
    return 1 if death.sentence else 0


def _delivering(at: int) -> dict[str, str]:
    """The settings with which notices are delivered here, to receivers on this machine as well."""
    return {
        "DELIVER_QUEUE": f"projects/{PROJECT}/locations/local/queues/deliver",
        "DELIVER_URL": f"http://127.0.0.1:{at}/deliver",
        "CHAT_PAGE_URL": f"http://127.0.0.1:{at}/",
        "LOCAL_DESTINATIONS": "true",
    }


def _model_addresses() -> dict[str, str]:
    """The addresses of models, for commands beside this one: they check a key where the product sends it."""
    return {name: os.environ.get(name, "") for name in MODEL_ADDRESSES}


def _serve_all(console: Console, args: argparse.Namespace, loading: threading.Thread, death: Death) -> None:
    """Start what is to be served with, prepare its data, and serve until stopped."""
    with ExitStack() as stack:
        probes: dict[str, Probe] = {}
        # Emulators that are somebody else's are drained by somebody else.
        own = not all(os.environ.get(name) for name in HOSTS)
        if own:
            state = stack.enter_context(StateFolder(args.state, args.port))
            with console.status("Starting the emulators"):
                emulators = stack.enter_context(EmulatorProcess(os.environ["GCP_PROJECT_ID"], state.emulators))
            emulators.watch(death.of_emulators)
            os.environ.update(emulators.environment)
            deliver_uploads(os.environ["STORAGE_EMULATOR_HOST"], args.port)
            stack.enter_context(announced(args.state, {**emulators.environment, **_model_addresses()}))
            probes["state"] = state.probe
        warehouse = emulated_bigquery(os.environ)
        page = None
        if args.empty:
            create_shared(warehouse, SHARED)
        else:
            today = datetime.now(UTC).date()
            prepare(warehouse, emulated_kms(os.environ), today, args.focus, console, args.team_tag)
            issuer = LocalIssuer(args.state / "issuer.pem" if own else None)
            page = stack.enter_context(Page(_loaded(warehouse), partial(_say, console), issuer))
        with console.status("Loading the demo model"):
            loading.join()
        app.use(Services(load_settings(), more_probes=probes))
        _serve(console, args, page, drained=own)


def _serve(console: Console, args: argparse.Namespace, page: Page | None, *, drained: bool) -> None:
    from local.gateway import Gateway
    from local.own_machine import OwnMachine

    if not args.json_logs:
        show_requests(app.services(), console, args.state)
    draining = Draining(OwnMachine(Gateway(page)), args.port)

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                (_greet_empty if page is None else _greet)(console, args.port)
            if self.started and page is not None:
                # In the background: reading them takes seconds, and who asks about costs need not wait.
                hold(_load_documents(console))

    # Open connections get a moment to end when it is stopped, not for ever.
    config = uvicorn.Config(
        draining, host="127.0.0.1", port=args.port, log_level="warning", lifespan="off", timeout_graceful_shutdown=5,
        http=HttpProtocol,
    )  # fmt: skip
    with draining if drained else nullcontext():
        Server(config).run()


async def _load_documents(console: Console) -> None:
    if problem := await load_documents(app.services(), DEMO):
        _say(console, problem)


def _load_demo_model() -> None:
    """Import litellm, which takes seconds, and register the demo model with it, while the data is loading."""
    from local.demo_model.provider import register

    register()


def _greet(console: Console, port: int) -> None:
    table = Table(title=f"http://127.0.0.1:{port}", title_justify="left")
    table.add_column("X-Org-Slug")
    table.add_column("X-API-Key")
    for slug, key in API_KEYS.items():
        table.add_row(slug, key if slug in DEMO else f"{key}  (once a FOCUS file was loaded)")
    console.print(table)
    body = json.dumps({"message": "Top 3 services by cost last month"})
    console.print(
        f'Open http://127.0.0.1:{port}/ in a browser; or ask with make ask Q="…", or with curl:', highlight=False
    )
    console.print(
        f"  curl -s -X POST http://127.0.0.1:{port}/api/v1/chat/acme_inc/send "
        f"-H 'X-Org-Slug: acme_inc' -H 'X-API-Key: {API_KEYS['acme_inc']}' -H 'X-User-Id: u1' "
        f"-H 'Content-Type: application/json' -d '{body}'",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    console.print("Ctrl-C stops everything.")


def _greet_empty(console: Console, at: int) -> None:
    _say(console, f"http://127.0.0.1:{at} serves a project without organisations. Make one: python -m local org create")
    console.print("Ctrl-C stops everything.")


def _loaded(client: bigquery.Client) -> tuple[Organization, ...]:
    """The organisations that have data: the demo's, and focus_inc once a FOCUS file was loaded."""
    costs = f"{client.project}.{tenant_dataset(FOCUS_ORG)}.{COSTS}"
    return (*DEMO.values(), *([focus_organization("USD")] if has_rows(client, costs) else []))


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
