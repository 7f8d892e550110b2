"""Puts a simulated host further away: a TCP relay that holds every byte back for half a round trip, each way.

It delays what a long line delays and nothing else: connections, TLS or NTLM exchanges, HTTP and SMB alike, without
limiting how much is on the way. It runs in a process of its own, so that it costs the measured one nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
from collections.abc import Iterator
from multiprocessing.connection import Connection

_CHUNK_BYTES = 256 << 10
_CHUNKS_ON_THE_WAY = 1024


@contextlib.contextmanager
def at_distance(address: str, via: str, ports: tuple[int, ...], round_trip_ms: float) -> Iterator[str]:
    """The address under which ``address`` is reached with ``round_trip_ms`` added; without any, the address itself.

    :param via: a free loopback address to listen on.
    """
    if not round_trip_ms:
        yield address
        return
    context = multiprocessing.get_context("spawn")
    ready, tell = context.Pipe(duplex=False)
    relay = context.Process(target=_run, args=(address, via, ports, round_trip_ms / 2000, tell), daemon=True)
    relay.start()
    try:
        if not ready.poll(30) or ready.recv() != "ready":
            raise RuntimeError(f"the relay to {address} does not start")
        yield via
    finally:
        relay.terminate()
        relay.join()


def _run(address: str, via: str, ports: tuple[int, ...], one_way_s: float, tell: Connection) -> None:
    asyncio.run(_serve(address, via, ports, one_way_s, tell))


async def _serve(address: str, via: str, ports: tuple[int, ...], one_way_s: float, tell: Connection) -> None:
    async def accepted(port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(2 * one_way_s)  # the handshake of TCP
        far_reader, far_writer = await asyncio.open_connection(address, port)
        await asyncio.gather(
            _carry(reader, far_writer, one_way_s), _carry(far_reader, writer, one_way_s), return_exceptions=True
        )

    def handler(port: int) -> object:
        return lambda reader, writer: accepted(port, reader, writer)

    for port in ports:
        await asyncio.start_server(handler(port), via, port)  # type: ignore[arg-type]
    tell.send("ready")
    await asyncio.Event().wait()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, one_way_s: float) -> None:
    """One direction: each chunk leaves when it has been on the way long enough; the order is kept."""
    loop = asyncio.get_running_loop()
    line: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_CHUNKS_ON_THE_WAY)

    async def arrive() -> None:
        while True:
            due, data = await line.get()
            await asyncio.sleep(max(0.0, due - loop.time()))
            if not data:
                break
            writer.write(data)
            await writer.drain()
        writer.close()

    arriving = asyncio.create_task(arrive())
    try:
        while data := await reader.read(_CHUNK_BYTES):
            await line.put((loop.time() + one_way_s, data))
    except ConnectionError:
        pass  # the other side is told by the close below
    await line.put((loop.time() + one_way_s, b""))
    await arriving
