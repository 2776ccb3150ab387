"""The edge's side of `encoder.nursery`: children that may open devices, although the edge itself may not."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable
from typing import TypeVar

from incamera.edge.child_process import ChildProcess

Child = TypeVar("Child", bound=ChildProcess)


class NurseryGone(OSError):
    """The process that starts children for devices has ended; only a new edge has a new one."""


class Nursery:
    """One per edge, started before it confines itself. Used from the event loop only."""

    def __init__(self, door: socket.socket, process: "subprocess.Popen[bytes]") -> None:
        self._door = door
        self._process = process
        self._turn = asyncio.Lock()

    @classmethod
    def start(cls, devices: Iterable[str]) -> "Nursery":
        """Its children may open these devices, each as `FORMAT:DEVICE`. Raises OSError."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            process = subprocess.Popen(  # noqa: S603  # our own module, devices that the operator named
                [sys.executable, "-I", "-m", "incamera.edge.encoder.nursery", str(theirs.fileno()), *devices],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                env={}, cwd="/", pass_fds=(theirs.fileno(),), start_new_session=True,
            )  # fmt: skip
        return cls(ours, process)

    async def child(self, kind: type[Child]) -> Child:
        """A fresh child. Raises NurseryGone, or OSError where there are no descriptors left."""
        async with self._turn:
            stdin, to_child = os.pipe()
            from_child, stdout = os.pipe()
            try:
                pidfd = await asyncio.to_thread(self._ask, stdin, stdout)
            except OSError as error:
                os.close(to_child)
                os.close(from_child)
                raise NurseryGone from error
            finally:
                os.close(stdin)
                os.close(stdout)
        writer = await _writer(to_child)
        reader, from_it = await _reader(from_child)
        return kind(_Foreign(pidfd, from_it), writer, reader)

    def close(self) -> None:
        """No more children; those that run go on until they are killed."""
        self._door.close()
        self._process.wait()

    def _ask(self, stdin: int, stdout: int) -> int:
        socket.send_fds(self._door, [b"?"], [stdin, stdout])
        _, descriptors, _, _ = socket.recv_fds(self._door, 16, 1)
        if len(descriptors) != 1:
            raise NurseryGone
        return descriptors[0]


class _Foreign:
    """A child of the nursery, by its pidfd: readable once it has ended. What it says is read until then."""

    def __init__(self, pidfd: int, from_it: asyncio.ReadTransport) -> None:
        self._pidfd = pidfd
        self._from_it = from_it

    def kill(self) -> None:
        if self._pidfd >= 0:
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    async def wait(self) -> None:
        pidfd, self._pidfd = self._pidfd, -1
        if pidfd < 0:
            return
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(pidfd, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(pidfd)
            os.close(pidfd)
            self._from_it.close()


async def _writer(descriptor: int) -> asyncio.StreamWriter:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)  # for what a writer wants of it; nothing is read from a pipe's end
    transport, _ = await loop.connect_write_pipe(lambda: protocol, os.fdopen(descriptor, "wb", buffering=0))
    return asyncio.StreamWriter(transport, protocol, reader, loop)


async def _reader(descriptor: int) -> tuple[asyncio.StreamReader, asyncio.ReadTransport]:
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", buffering=0)
    )
    return reader, transport
