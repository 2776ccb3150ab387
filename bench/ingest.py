"""What a recorded camera costs without viewers: 1, 10 and 50 cameras of 4 Mbit/s over RTSP.

Ours is the whole product: edge and server together, idle cost, index and keys included. The peer in the same run is one
`ffmpeg -rtsp_transport tcp -c copy -f segment` per camera, which neither indexes, seals, syncs nor serves anything.

    ./dev bench ingest [--counts 1,10,50] [--seconds 10]
"""

import contextlib
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil

from bench.harness import (
    BenchError,
    Figure,
    Peer,
    Report,
    add_camera,
    clip_cameras,
    our_server,
    parse_options,
    wait_until_online,
)
from bench.meter import Usage, measure, rss_mib_of
from tests.support.server import Server

_SETTLE_S = 5.0
_RTSP_PORT_TIMEOUT_US = "5000000"


def run(options: Sequence[str]) -> Report:
    with our_server() as server:
        return measure_ingest("ingest", options, server, [server.pid])


def measure_ingest(name: str, options: Sequence[str], server: Server, pids: Sequence[int]) -> Report:
    """The benchmark over a server without cameras; `pids` are the roots of its process trees."""
    given = parse_options(options, counts="1,10,50", seconds=10.0)
    counts = sorted(int(count) for count in given["counts"].split(","))
    report = Report(name, f"cpu_percent_per_camera_{counts[-1]}")
    with clip_cameras(counts[-1]) as addresses:
        _measure_ours(report, addresses, counts, given["seconds"], server, pids)
        try:
            report.peers.append(_measure_ffmpeg(addresses, counts, given["seconds"]))
        except BenchError as error:
            report.notes.append(f"peer left out: {error}")
    return report


def _measure_ours(
    report: Report,
    addresses: Sequence[str],
    counts: Sequence[int],
    seconds: float,
    server: Server,
    pids: Sequence[int],
) -> None:
    time.sleep(_SETTLE_S)
    base = measure(pids, seconds / 2)
    report.add("cpu_percent_idle", base.cpu_percent, "%")
    added = 0
    for count in counts:
        for number in range(added, count):
            add_camera(server, addresses[number], mode="record", name=f"Camera {number}")
        added = count
        wait_until_online(server)
        time.sleep(_SETTLE_S)
        written_before, started = _media_bytes(server.data), time.monotonic()
        usage = measure(pids, seconds)
        rate = (_media_bytes(server.data) - written_before) * 8 / (time.monotonic() - started) / 1e6 / count
        report.figures += _figures(count, usage.cpu_percent, usage.growth_mib(base.rss_mib_of))
        report.add(f"recorded_mbit_s_per_camera_{count}", rate, "Mbit/s")
        if rate < 3.6:
            report.notes.append(f"{count} cameras: only {rate:.2f} of 4.06 Mbit/s were written")


def _measure_ffmpeg(addresses: Sequence[str], counts: Sequence[int], seconds: float) -> Peer:
    program = shutil.which("ffmpeg")
    if program is None:
        raise BenchError("there is no ffmpeg here")
    version = subprocess.run([program, "-version"], capture_output=True, text=True, check=True).stdout.split()[2]
    peer = Peer("ffmpeg -c copy -f segment", version, [])
    for count in counts:
        with _segmenters(program, addresses[:count]) as pids:
            time.sleep(_SETTLE_S)
            usages = _measure_all(pids, seconds)
            peer.figures.extend(_figures(count, sum(it.cpu_percent for it in usages), sum(it.rss_mib for it in usages)))
    return peer


@contextlib.contextmanager
def _segmenters(program: str, addresses: Sequence[str]) -> Iterator[list[int]]:
    with tempfile.TemporaryDirectory(prefix="incamera-bench-") as folder, contextlib.ExitStack() as stack:
        pids = []
        for number, address in enumerate(addresses):
            target = str(Path(folder) / f"{number}-%05d.mp4")
            command = [program, "-loglevel", "error", "-rtsp_transport", "tcp", "-timeout", _RTSP_PORT_TIMEOUT_US]
            command += ["-i", address, "-c", "copy", "-f", "segment", "-segment_time", "60", "-reset_timestamps", "1"]
            process = subprocess.Popen([*command, target], stdin=subprocess.DEVNULL)
            stack.callback(_end, process)
            pids.append(process.pid)
        yield pids


def _measure_all(pids: Sequence[int], seconds: float) -> list[Usage]:
    """One window for many processes."""
    before = {pid: _cpu_seconds(pid) for pid in pids}
    started = time.monotonic()
    time.sleep(seconds)
    elapsed = time.monotonic() - started
    return [Usage(100 * (_cpu_seconds(pid) - before[pid]) / elapsed, rss_mib_of(pid)) for pid in pids]


def _cpu_seconds(pid: int) -> float:
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.NoSuchProcess:
        raise BenchError("an ffmpeg ended by itself") from None
    return float(times.user + times.system)


def _figures(count: int, cpu_percent: float, rss_mib: float) -> list[Figure]:
    return [
        Figure(f"cpu_percent_per_camera_{count}", round(cpu_percent / count, 4), "%"),
        Figure(f"rss_mib_per_camera_{count}", round(rss_mib / count, 4), "MiB"),
    ]


def _media_bytes(data: Path) -> int:
    return sum(path.stat().st_size for path in (data / "media").rglob("*") if path.is_file())


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(3)
    if process.poll() is None:
        process.kill()
        process.wait()
