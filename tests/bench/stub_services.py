"""What the product calls, in one process that answers at a set pace: a provider, and BigQuery as a replay.

It is told its pace with ``POST /pace`` and asked what it saw with ``GET /seen``.
"""

import argparse
import asyncio
import gc
import json
import os
import sys
from typing import Any

from tests.bench.http_server import Asked, Connection, plain
from tests.bench.provider import Pace, Provider, provider_of
from tests.bench.warehouse_replay import WarehouseReplay


class StubServices:
    """Hands a request to whom it is for."""

    def __init__(self, emulator: str) -> None:
        self._provider = Provider()
        self.warehouse = WarehouseReplay(emulator)

    async def answer(self, asked: Asked, transport: asyncio.Transport) -> None:
        if (name := provider_of(asked.path)) is not None:
            await self._provider.answer(name, asked, transport)
        elif asked.path == "/pace":
            transport.write(plain(self._paced(json.loads(asked.body))))
        elif asked.path == "/seen":
            transport.write(plain(self._seen()))
        else:
            await self.warehouse.answer(asked, transport)

    def _paced(self, pace: dict[str, Any]) -> dict[str, Any]:
        self._provider.pace = Pace(**pace["model"])
        self.warehouse.delays = dict(pace["warehouse"])
        return self._seen()

    def _seen(self) -> dict[str, Any]:
        seen = {"model_calls": self._provider.count, "asked": self._provider.asked}
        return seen | {"warehouse": self.warehouse.counts}


async def _serve(emulator: str) -> None:
    stub_services = StubServices(emulator)
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), lambda: None if os.read(sys.stdin.fileno(), 4096) else ended.set())
    server = await loop.create_server(lambda: Connection(stub_services.answer), "127.0.0.1", 0, backlog=2048)
    sys.stdout.write(json.dumps({"port": server.sockets[0].getsockname()[1]}) + "\n")
    sys.stdout.flush()
    # A search for garbage would hold up every stream, of the product and of its rivals.
    gc.freeze()
    gc.disable()
    await ended.wait()
    loop.remove_reader(sys.stdin.fileno())
    server.close()
    await stub_services.warehouse.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bigquery", required=True, help="where the emulator is that is asked once")
    asyncio.run(_serve(parser.parse_args().bigquery))
