"""A way to a server that can be cut: before an order goes through, or before its answer comes."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

Cut = Literal["order", "answer"]

_HEADER = 5
_PARSE = b"P"


class Proxy:
    """Passes on what clients and the server say; cuts where it is told."""

    def __init__(self, server: Path) -> None:
        self._server = server
        self.cut: Cut | None = None
        """Cut the next COMMIT: the order does not arrive, or its answer does not."""
        self.cuts = 0
        """How often that was done."""
        self._clients: set[asyncio.Task[None]] = set()

    def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on for one client."""
        task = asyncio.create_task(self._pass_on(reader, writer))
        self._clients.add(task)
        task.add_done_callback(self._clients.discard)

    async def close(self) -> None:
        """Let go of all clients."""
        clients = [*self._clients]
        for task in clients:
            task.cancel()
        await asyncio.gather(*clients, return_exceptions=True)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends = [writer]
        tasks: list[asyncio.Task[None]] = []
        try:
            there, back = await asyncio.open_unix_connection(self._server)
            ends.append(back)
            lost = asyncio.Event()
            tasks += [
                asyncio.create_task(self._orders(reader, back, lost)),
                asyncio.create_task(self._answers(there, writer, lost)),
            ]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for end in ends:
                with contextlib.suppress(OSError):
                    end.close()
                    await end.wait_closed()

    async def _orders(
        self, reader: asyncio.StreamReader, back: asyncio.StreamWriter, lost: asyncio.Event
    ) -> None:
        (length,) = struct.unpack("!i", await reader.readexactly(4))
        back.write(struct.pack("!i", length) + await reader.readexactly(length - 4))
        while True:
            head = await reader.readexactly(_HEADER)
            (length,) = struct.unpack("!i", head[1:])
            body = await reader.readexactly(length - 4)
            if self.cut is not None and head[:1] == _PARSE and b"COMMIT\0" in body:
                self.cuts += 1
                cut, self.cut = self.cut, None
                if cut == "order":
                    return
                lost.set()
            back.write(head + body)
            await back.drain()

    async def _answers(
        self, there: asyncio.StreamReader, writer: asyncio.StreamWriter, lost: asyncio.Event
    ) -> None:
        while data := await there.read(1 << 16):
            if lost.is_set() and b"COMMIT\0" in data:
                return  # it is done, and nobody is told
            if not lost.is_set():
                writer.write(data)
                await writer.drain()


@asynccontextmanager
async def proxied(server: Path, folder: Path) -> AsyncIterator[Proxy]:
    """Put a proxy before a server's socket; its own is in `folder`, of the same name."""
    proxy = Proxy(server)
    listening = await asyncio.start_unix_server(proxy.serve, folder / server.name)
    try:
        yield proxy
    finally:
        listening.close()
        await proxy.close()
