"""A TCP line between edge and server that a test can slow down, cut, or let go silent."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Self


@contextlib.contextmanager
def bad_line(target_port: int) -> Iterator[tuple["BadLine", Callable[[Callable[[], None]], None]]]:
    """A line for tests without a loop, and how to call its methods: it lives in a loop and thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    line = BadLine(target_port)
    asyncio.run_coroutine_threadsafe(line.__aenter__(), loop).result(10)
    try:
        yield line, lambda action: loop.call_soon_threadsafe(action) and None
    finally:
        asyncio.run_coroutine_threadsafe(line.__aexit__(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


class BadLine:
    """Forwards one port to another until told otherwise."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self.bytes_per_s: float | None = None  # upstream
        self._speaks = asyncio.Event()
        self._speaks.set()
        self.port = 0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32 * 1024)  # no megabytes hidden in the kernel
        listening.bind(("127.0.0.1", 0))
        self._server = await asyncio.start_server(self._serve, sock=listening, limit=16 * 1024)
        self.port = listening.getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def fall_silent(self) -> None:
        """Both sides stay open and hear nothing."""
        self._speaks.clear()

    def speak_again(self) -> None:
        self._speaks.set()

    def cut(self) -> None:
        """Ends every connection; new ones are taken."""
        for task in self._tasks:
            task.cancel()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        server_writer: asyncio.StreamWriter | None = None
        try:
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass(reader, server_writer, is_upstream=True))
                group.create_task(self._pass(server_reader, writer, is_upstream=False))
        except* (OSError, EOFError, asyncio.CancelledError):
            pass
        finally:
            for one in (writer, server_writer):
                if one is not None:
                    one.transport.abort()
            self._tasks.discard(task)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_upstream: bool) -> None:
        while data := await reader.read(4096):
            await self._speaks.wait()
            if is_upstream and self.bytes_per_s is not None:
                await asyncio.sleep(len(data) / self.bytes_per_s)
            writer.write(data)
            with contextlib.suppress(ConnectionError):
                await writer.drain()
        raise EOFError
