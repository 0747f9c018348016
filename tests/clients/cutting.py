"""A network between client and product that drops a connection when it is told to."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


class Cutting:
    """Passes bytes on, and drops the first connection that carries ``at`` to the client, just after it.

    With ``unnoticed`` the product's answer is read to its end first, so that the product never knows.
    """

    def __init__(self, product: int, at: bytes, *, unnoticed: bool) -> None:
        self.port = 0
        self.cuts = 0
        self._product = product
        self._at = at
        self._unnoticed = unnoticed
        self._open: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def listen(self) -> asyncio.Server:
        self._server = await asyncio.start_server(self.connected, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self._server

    def refuse(self) -> None:
        """Drop every connection, and let nobody connect any more."""
        assert self._server is not None
        self._server.close()
        for writer in self._open:
            writer.close()

    async def connected(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        product, to_product = await asyncio.open_connection("127.0.0.1", self._product)
        asking = asyncio.create_task(_pass_on(client, to_product))
        self._open |= {to_product, to_client}
        try:
            await self._answer(product, to_client)
        finally:
            asking.cancel()
            to_product.close()
            to_client.close()

    async def _answer(self, product: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        heard, passed = b"", 0
        while piece := await product.read(1024):
            heard += piece
            cut = not self.cuts and self._at in heard
            end = heard.index(self._at) + len(self._at) if cut else len(heard)
            to_client.write(heard[passed:end])
            passed = end
            if cut:
                self.cuts += 1
                while self._unnoticed and b"event: done" not in heard:
                    heard += await product.read(1024)
                return


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while piece := await reader.read(1024):
            writer.write(piece)
            await writer.drain()


@asynccontextmanager
async def cutting(url: str, at: bytes, *, unnoticed: bool) -> AsyncIterator[Cutting]:
    """A port of its own before the product's."""
    network = Cutting(int(url.rsplit(":", 1)[1]), at, unnoticed=unnoticed)
    async with await network.listen():
        yield network
        network.refuse()
