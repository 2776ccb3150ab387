"""`python -m bench.viewers ws|http PORT PATH COUNT SECONDS [--hello FILE]`: N light viewers of one stream.

Prints `STEADY` two seconds after the last viewer has connected, and one JSON object at the end: how many received
media, the lowest and the median rate, the longest silence of any of them. In `ws` mode each line of FILE is the first
message of one viewer. Nothing is parsed, so that the load stays below that of the server it measures.
"""

import base64
import json
import os
import resource
import select
import socket
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path

SETTLE_S = 2.0
PAUSE_S = 0.004  # between two connections
HEAD_TIMEOUT_S = 15.0


@dataclass(slots=True)
class Viewer:
    """One connection and what it received in the steady window."""

    line: socket.socket
    received: int = 0
    last_at: float = 0.0
    longest_gap_s: float = 0.0


def main() -> int:
    mode, port, path, count, seconds = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4]), float(sys.argv[5])
    hello = Path(sys.argv[7]).read_text().splitlines() if mode == "ws" else []
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    poll, viewers = select.epoll(), {}
    buffer = memoryview(bytearray(1 << 18))
    for number in range(count):
        line = _open(port, path, hello[number] if hello else None)
        viewers[line.fileno()] = Viewer(line)
        poll.register(line.fileno(), select.EPOLLIN)
        _read(poll, viewers, buffer, time.monotonic() + PAUSE_S)
    _read(poll, viewers, buffer, time.monotonic() + SETTLE_S)
    for viewer in viewers.values():
        viewer.received, viewer.longest_gap_s = 0, 0.0
    print("STEADY", flush=True)
    started = time.monotonic()
    _read(poll, viewers, buffer, started + seconds)
    _report(list(viewers.values()), count, time.monotonic() - started)
    return 0


def _open(port: int, path: str, hello: str | None) -> socket.socket:
    line = socket.create_connection(("127.0.0.1", port), timeout=HEAD_TIMEOUT_S)
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    head = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}"]
    if hello is not None:
        key = base64.b64encode(os.urandom(16)).decode()
        head += ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}"]
    line.sendall("\r\n".join([*head, "", ""]).encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += line.recv(1)
    if answer[9:12] not in (b"101", b"200"):
        raise SystemExit(f"refused: {answer[:60]!r}")
    if hello is not None:
        line.sendall(_masked_text(hello.encode()))
    line.setblocking(False)
    return line


def _masked_text(text: bytes) -> bytes:
    assert len(text) < 65536
    length = bytes((0x80 | len(text),)) if len(text) < 126 else b"\xfe" + len(text).to_bytes(2, "big")
    return b"\x81" + length + bytes(4) + text


def _read(poll: select.epoll, viewers: dict[int, Viewer], buffer: memoryview, until: float) -> None:
    while (left := until - time.monotonic()) > 0:
        for number, _ in poll.poll(left, 512):
            viewer = viewers[number]
            try:
                size = viewer.line.recv_into(buffer)
            except BlockingIOError:
                continue
            except ConnectionError:
                size = 0
            if not size:
                poll.unregister(number)
                continue
            now = time.monotonic()
            viewer.received += size
            viewer.longest_gap_s = max(viewer.longest_gap_s, now - viewer.last_at if viewer.last_at else 0.0)
            viewer.last_at = now


def _report(viewers: list[Viewer], count: int, seconds: float) -> None:
    rates = sorted(viewer.received * 8 / seconds / 1e6 for viewer in viewers)
    print(
        json.dumps(
            {
                "viewers": count,
                "receiving": sum(rate > 0.01 for rate in rates),
                "min_mbit_s": round(rates[0], 3),
                "median_mbit_s": round(statistics.median(rates), 3),
                "longest_gap_ms": round(max(viewer.longest_gap_s for viewer in viewers) * 1000, 1),
            }
        )
    )


if __name__ == "__main__":
    sys.exit(main())
