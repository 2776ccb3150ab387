"""A bad line below TCP: two network namespaces joined by TUN devices, and a thread that carries the packets over.

What netem does where a kernel has it: packets are dropped, delayed, put into the wrong order, held to a rate with a
bounded queue, or swallowed altogether. Both ends are real TCP stacks of the kernel, so their retransmissions, windows
and time-outs are real, too. Everything lives in namespaces of its own; the machine's network is not touched.

    with two_places() as places:
        with places.near():                  # this thread is there: sockets and processes made now are, too
            server = subprocess.Popen(...)   # reached from far as NEAR
        with places.far(): ...
        places.line.up.loss = 0.1            # from far to near
"""

import contextlib
import ctypes
import fcntl
import heapq
import os
import random
import select
import shutil
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

NEAR: Final = "192.0.2.1"  # RFC 5737: addresses of nobody
FAR: Final = "10.77.0.2"  # private, as cameras and edges have it
_CLONE_NEWNET: Final = 0x40000000
_TUNSETIFF: Final = 0x400454CA
_IFF_TUN_WITHOUT_HEADER: Final = 0x0001 | 0x1000
_MTU: Final = 1500
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass
class Way:
    """One direction. Change what you like while packets are under way; queued ones keep their time."""

    loss: float = 0.0
    delay_s: float = 0.0
    disorder: float = 0.0  # this share of the packets arrives 20 ms later than it should
    bytes_per_s: float | None = None
    rate_port: int | None = None  # the rate holds for packets to this TCP port only: one person's line, not the house's
    queue_bytes: int = 64 * 1024  # what a rate makes wait; beyond it packets are dropped, as routers do
    is_silent: bool = False
    carried: int = 0
    dropped: int = 0
    _free_at_s: float = 0.0

    def arrival_s(self, packet: bytes, now_s: float, chance: random.Random) -> float | None:
        """When a packet gets to the other end; None when it does not."""
        if self.is_silent or chance.random() < self.loss:
            self.dropped += 1
            return None
        leaves_s = now_s
        if self.bytes_per_s is not None and self._is_held(packet):
            waiting_s = max(0.0, self._free_at_s - now_s)
            if waiting_s * self.bytes_per_s > self.queue_bytes:
                self.dropped += 1
                return None
            leaves_s = self._free_at_s = now_s + waiting_s + len(packet) / self.bytes_per_s
        self.carried += 1
        late_s = 0.02 if chance.random() < self.disorder else 0.0
        return leaves_s + self.delay_s + late_s

    def _is_held(self, packet: bytes) -> bool:
        if self.rate_port is None:
            return True
        head_bytes = (packet[0] & 15) * 4  # IPv4 (RFC 791 clause 3.1); TCP's destination port is its second word
        return int.from_bytes(packet[head_bytes + 2 : head_bytes + 4], "big") == self.rate_port


@dataclass
class TunLine:
    """Both directions, carried by one thread. `seed` makes losses the same in every run."""

    up: Way = field(default_factory=Way)  # far to near
    down: Way = field(default_factory=Way)
    seed: int = 1

    @property
    def ways(self) -> tuple[Way, Way]:
        return self.up, self.down

    def fall_silent(self) -> None:
        """Nothing arrives any more, and nobody is told."""
        for way in self.ways:
            way.is_silent = True

    def heal(self) -> None:
        """As good as a cable again."""
        for way in self.ways:
            way.loss, way.delay_s, way.disorder, way.is_silent = 0.0, 0.0, 0.0, False
            way.bytes_per_s, way.rate_port = None, None

    def suffer(self, *, loss: float = 0.0, delay_s: float = 0.0, disorder: float = 0.0) -> None:
        """The same in both directions; delay is one way's."""
        for way in self.ways:
            way.loss, way.delay_s, way.disorder = loss, delay_s, disorder

    def carry(self, near: int, far: int, stop: threading.Event) -> None:
        """The thread: reads both devices and writes each packet when its time has come."""
        chance, under_way, number = random.Random(self.seed), list[tuple[float, int, int, bytes]](), 0
        ends = {far: (self.up, near), near: (self.down, far)}
        while not stop.is_set():
            patience_s = min(0.1, max(0.0, under_way[0][0] - time.monotonic())) if under_way else 0.1
            readable, _, _ = select.select(list(ends), [], [], patience_s)
            now_s = time.monotonic()
            for device in readable:
                way, other = ends[device]
                packet = os.read(device, 65536)
                due_s = way.arrival_s(packet, now_s, chance)
                if due_s is not None:
                    number += 1
                    heapq.heappush(under_way, (due_s, number, other, packet))
            while under_way and under_way[0][0] <= now_s:
                _, _, device, packet = heapq.heappop(under_way)
                with contextlib.suppress(OSError):  # a device that goes down at the end
                    os.write(device, packet)


@dataclass
class Places:
    """The namespaces of a test and the line between them."""

    line: TunLine
    _near: int
    _far: int

    @contextlib.contextmanager
    def near(self) -> Iterator[None]:
        """This thread is on the server's side."""
        with self._at(self._near):
            yield

    @contextlib.contextmanager
    def far(self) -> Iterator[None]:
        """This thread is on the side of the edge or the camera."""
        with self._at(self._far):
            yield

    @contextlib.contextmanager
    def _at(self, namespace: int) -> Iterator[None]:
        before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _enter(namespace)
            yield
        finally:
            _enter(before)
            os.close(before)


@contextlib.contextmanager
def two_places(*, seed: int = 1) -> Iterator[Places]:
    """Near and far, joined. Skips the test where the kernel or our rights do not allow it."""
    _check()
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    opened = [home]
    try:
        near_namespace, near_device = _make_place(NEAR, FAR)
        opened += [near_namespace, near_device]
        _enter(home)
        far_namespace, far_device = _make_place(FAR, NEAR)
        opened += [far_namespace, far_device]
        _enter(home)
        line, stop = TunLine(seed=seed), threading.Event()
        carrier = threading.Thread(target=line.carry, args=(near_device, far_device, stop), name="line", daemon=True)
        carrier.start()
        try:
            yield Places(line, near_namespace, far_namespace)
        finally:
            stop.set()
            carrier.join(5)
    finally:
        _enter(home)
        for descriptor in opened:
            os.close(descriptor)


def _check() -> None:
    if os.geteuid() != 0:
        pytest.skip("a line that loses packets needs network namespaces, and those need root")
    if not Path("/dev/net/tun").exists() or shutil.which("ip") is None:
        pytest.skip("a line that loses packets needs /dev/net/tun and the command ip")


def _make_place(address: str, peer: str) -> tuple[int, int]:
    """A fresh namespace, in which this thread then is, with a TUN device; both descriptors."""
    if _libc.unshare(_CLONE_NEWNET) != 0:
        pytest.skip(f"a line that loses packets needs network namespaces: {os.strerror(ctypes.get_errno())}")
    namespace = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
    fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH22x", b"line0", _IFF_TUN_WITHOUT_HEADER))
    for command in (
        ("link", "set", "lo", "up"),
        ("addr", "add", address, "peer", peer, "dev", "line0"),
        ("link", "set", "line0", "mtu", str(_MTU), "txqueuelen", "1000", "up"),
    ):
        subprocess.run(("ip", *command), check=True, capture_output=True)
    return namespace, device


def _enter(namespace: int) -> None:
    if _libc.setns(namespace, _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "this thread could not change its network namespace")
