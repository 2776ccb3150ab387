"""A child of the edge that reads hostile bytes in its place: no environment, no descriptors but its two pipes.

What goes through the pipes is a length (u32, big-endian) and a body. A child may be taken over by what it reads: its
answers are judged like those of a camera.
"""

import asyncio
import contextlib
import os
import sys
from collections.abc import Iterable
from typing import Final, Protocol, Self

LENGTH_BYTES: Final = 4
MAX_MESSAGE_BYTES: Final = 20 * 1024 * 1024  # a sync sample of at most 16 MiB and its init segment


class Process(Protocol):
    """Of `asyncio.subprocess.Process`, what ends one."""

    def kill(self) -> None: ...

    async def wait(self) -> object: ...


class ChildProcess:
    """One child and the two pipes to it."""

    def __init__(self, process: Process, stdin: asyncio.StreamWriter, stdout: asyncio.StreamReader) -> None:
        self._process = process
        self._stdin, self._stdout = stdin, stdout

    @classmethod
    async def start(cls, module: str, *, descriptors: Iterable[int] = ()) -> Self:
        """A fresh child that runs a module of ours; it also gets these descriptors. Raises OSError."""
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-m", module,
            stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.DEVNULL, env={}, cwd="/", pass_fds=tuple(descriptors),
        )  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        return cls(process, process.stdin, process.stdout)

    @property
    def waiting_bytes(self) -> int:
        """What was sent and not read yet."""
        return self._stdin.transport.get_write_buffer_size()

    def send(self, body: bytes) -> None:
        """Never waits; look at `waiting_bytes` before sending more. That a child is gone is told by `receive` alone."""
        if not self._stdin.transport.is_closing():  # uvloop raises where asyncio forgets
            self._stdin.write(len(body).to_bytes(LENGTH_BYTES, "big") + body)

    async def receive(self) -> bytes:
        """The next answer; EOFError when the child is gone or says something of absurd length."""
        try:
            length = int.from_bytes(await self._stdout.readexactly(LENGTH_BYTES), "big")
            if length > MAX_MESSAGE_BYTES:
                raise EOFError("an answer of absurd length")
            return await self._stdout.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise EOFError("the child is gone") from error

    async def kill(self) -> None:
        """Ends the child now."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        self._stdin.close()
        await self._process.wait()
        with contextlib.suppress(ConnectionError):
            await self._stdin.wait_closed()


def read_body() -> bytes | None:
    """In the child: the next request from stdin; None at its end."""
    length = int.from_bytes(_read_exactly(LENGTH_BYTES), "big")
    if not 0 < length <= MAX_MESSAGE_BYTES:
        return None
    body = _read_exactly(length)
    return body if len(body) == length else None


def write_bodies(bodies: Iterable[bytes]) -> None:
    """In the child: answers to stdout, in one write if the pipe takes it."""
    view = memoryview(b"".join(part for body in bodies for part in (len(body).to_bytes(LENGTH_BYTES, "big"), body)))
    while view:
        view = view[os.write(1, view) :]


def _read_exactly(count: int) -> bytes:
    parts: list[bytes] = []
    while count:
        part = os.read(0, min(count, 1 << 20))
        if not part:
            break
        parts.append(part)
        count -= len(part)
    return b"".join(parts)
