"""The emulators together: started in one process, announced in one line of JSON, stopped on a signal."""

import asyncio
import gc
import json
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

SERVICES = ("bigquery", "firestore", "kms", "storage", "tasks")


def kms_key_name(project: str) -> str:
    """The key that wraps the providers' keys, made when the cluster starts."""
    return f"projects/{project}/locations/global/keyRings/cloudact-keyring/cryptoKeys/api-key-encryption"


def kms_token_key_name(project: str) -> str:
    """The key that wraps the secrets of token issuers, made when the cluster starts."""
    return f"projects/{project}/locations/global/keyRings/cloudact-keyring/cryptoKeys/token-secret-encryption"


def documents_bucket(project: str) -> str:
    """The bucket of the organisations' documents, made when the cluster starts."""
    return f"{project}-documents"


class UnreadableDataError(OSError):
    """The data of a service is broken, of another version, or in use by another process."""


@dataclass(frozen=True, slots=True)
class ClusterSettings:
    """Which emulators run, for which project, where their data lives and on which ports (0: any free one)."""

    project: str
    directory: Path | None = None
    services: tuple[str, ...] = SERVICES
    ports: dict[str, int] = field(default_factory=dict)

    def place(self, service: str) -> Path | None:
        """The folder of one service's data, None to keep it in memory."""
        return self.directory / service if self.directory else None

    def port(self, service: str) -> int:
        """The port asked for, 0 for any."""
        return self.ports.get(service, 0)


class Cluster:
    """The running emulators and the environment that points the Google clients at them."""

    def __init__(self, settings: ClusterSettings) -> None:
        self._settings = settings
        self._stack = AsyncExitStack()
        self.environment: dict[str, str] = {}

    async def start(self) -> None:
        """Start every service asked for; when one cannot start, none stays."""
        starts: dict[str, Callable[[], Awaitable[None]]] = {
            "bigquery": self._start_bigquery,
            "firestore": self._start_firestore,
            "kms": self._start_kms,
            "storage": self._start_storage,
            "tasks": self._start_tasks,
        }
        try:
            # The keys first: where there is data of the others, there is the key that it was sealed with.
            for service in sorted(self._settings.services, key=lambda service: service != "kms"):
                await self._start(service, starts[service])
        except BaseException:
            await self.stop()
            raise

    async def _start(self, service: str, start: Callable[[], Awaitable[None]]) -> None:
        try:
            await start()
        except OSError:
            raise
        except Exception as error:
            place = self._settings.place(service)
            if place is None:
                raise
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise UnreadableDataError(
                f"the data of {service} in {place} cannot be opened ({reason}). Remove the folder of all the data, "
                f"{place.parent}, to begin anew"
            ) from error

    async def stop(self) -> None:
        """Stop every service, the last started first."""
        await self._stack.aclose()

    # Each service is imported when it is started: one that is not asked for costs nothing.

    async def _start_bigquery(self) -> None:
        from local.emulators.bigquery import BigQueryEmulator

        settings = self._settings
        emulator = BigQueryEmulator(settings.project, settings.place("bigquery"), settings.port("bigquery"))
        await asyncio.to_thread(emulator.start)
        self._stack.push_async_callback(asyncio.to_thread, emulator.stop)
        self.environment["BIGQUERY_EMULATOR_HOST"] = emulator.url

    async def _start_firestore(self) -> None:
        from local.emulators.firestore import FirestoreEmulator

        settings = self._settings
        emulator = FirestoreEmulator(settings.project, settings.place("firestore"), settings.port("firestore"))
        await emulator.start()
        self._stack.push_async_callback(emulator.stop)
        self.environment["FIRESTORE_EMULATOR_HOST"] = emulator.host

    async def _start_kms(self) -> None:
        from local.emulators.kms import KmsEmulator

        settings = self._settings
        names = (kms_key_name(settings.project), kms_token_key_name(settings.project))
        emulator = KmsEmulator(names, settings.place("kms"), settings.port("kms"))
        await emulator.start()
        self._stack.push_async_callback(emulator.stop)
        self.environment["KMS_EMULATOR_HOST"] = emulator.host

    async def _start_storage(self) -> None:
        from local.emulators.storage import StorageEmulator

        settings = self._settings
        bucket = documents_bucket(settings.project)
        emulator = StorageEmulator(bucket, settings.place("storage"), settings.port("storage"))
        emulator.start()
        self._stack.push_async_callback(asyncio.to_thread, emulator.stop)
        self.environment["STORAGE_EMULATOR_HOST"] = emulator.url

    async def _start_tasks(self) -> None:
        from local.emulators.tasks import TasksEmulator

        emulator = TasksEmulator(self._settings.port("tasks"))
        emulator.start()
        self._stack.push_async_callback(asyncio.to_thread, emulator.stop)
        self.environment["CLOUD_TASKS_EMULATOR_HOST"] = emulator.url


async def run(settings: ClusterSettings, until_stdin_closes: bool) -> None:
    """Serve until SIGTERM or SIGINT, or until standard input ends when asked to watch it."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    if until_stdin_closes:
        threading.Thread(target=_watch_stdin, args=(loop, stopped), daemon=True).start()
    cluster = Cluster(settings)
    await cluster.start()
    # What was imported and loaded stays: to look through it for garbage would hold every call up.
    gc.freeze()
    try:
        sys.stdout.write(json.dumps(cluster.environment) + "\n")
        sys.stdout.flush()
        await stopped.wait()
    finally:
        await cluster.stop()


def _watch_stdin(loop: asyncio.AbstractEventLoop, stopped: asyncio.Event) -> None:
    # The raw descriptor: a daemon thread holding sys.stdin's lock would disturb the interpreter's exit.
    stdin = sys.stdin.fileno()
    while _read(stdin):
        pass
    try:
        loop.call_soon_threadsafe(stopped.set)
    except RuntimeError:  # the loop has ended by itself
        return


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 4096)
    except OSError:  # a closed descriptor is an end too
        return b""
