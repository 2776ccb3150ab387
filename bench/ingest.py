"""What a recorded camera costs without viewers: 1, 10 and 50 cameras of 4 Mbit/s over RTSP.

Ours is the whole product: edge and server together, idle cost, index and keys included. The peer in the same run is one
`ffmpeg -rtsp_transport tcp -c copy -f segment` per camera, which neither indexes, seals, syncs nor serves anything.

    ./dev bench ingest [--counts 1,10,50] [--seconds 10] [--profile steady|variable|bframes|long-gop|sound|all]

`all` goes through the profiles, all but the first with the highest count alone; figures of others than `steady` carry
their name.
"""

import contextlib
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil

from bench.clip import PROFILES, SECONDS, reference_clip
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


StartServer = Callable[[], contextlib.AbstractContextManager[tuple[Server, Sequence[int]]]]
"""A server without cameras, and the roots of its process trees."""


def run(options: Sequence[str]) -> Report:
    return measure_ingest("ingest", options, _our_server)


@contextlib.contextmanager
def _our_server() -> Iterator[tuple[Server, Sequence[int]]]:
    with our_server() as server:
        yield server, [server.pid]


def measure_ingest(name: str, options: Sequence[str], start: StartServer) -> Report:
    """The benchmark; each profile meets a fresh server."""
    given = parse_options(options, counts="1,10,50", seconds=10.0, profile="steady")
    counts = sorted(int(count) for count in given["counts"].split(","))
    chosen = given["profile"]
    if chosen not in (*PROFILES, "all"):
        raise BenchError(f"there is no profile {chosen!r}: choose one of {', '.join(PROFILES)}, or all")
    profiles = list(PROFILES) if chosen == "all" else [chosen]
    report = Report(name, f"cpu_percent_per_camera_{counts[-1]}{_suffix(profiles[0])}")
    for profile in profiles:
        some = counts if profile == profiles[0] else counts[-1:]
        _measure_profile(report, profile, some, given["seconds"], start)
    return report


def _measure_profile(report: Report, profile: str, counts: Sequence[int], seconds: float, start: StartServer) -> None:
    with clip_cameras(counts[-1], profile) as addresses:
        with start() as (server, pids):
            _measure_ours(report, profile, addresses, counts, seconds, server, pids)
        try:
            _measure_ffmpeg(report, profile, addresses, counts, seconds)
        except BenchError as error:
            report.notes.append(f"{profile}: peer left out: {error}")


def _suffix(profile: str) -> str:
    return "" if profile == "steady" else f"_{profile.replace('-', '_')}"


def _measure_ours(
    report: Report,
    profile: str,
    addresses: Sequence[str],
    counts: Sequence[int],
    seconds: float,
    server: Server,
    pids: Sequence[int],
) -> None:
    time.sleep(_SETTLE_S)
    base = measure(pids, seconds / 2)
    report.add(f"cpu_percent_idle{_suffix(profile)}", base.cpu_percent, "%")
    added = 0
    for count in counts:
        for number in range(added, count):
            sound = PROFILES[profile].has_sound
            add_camera(server, addresses[number], mode="record", name=f"Camera {number}", sound=sound)
        added = count
        wait_until_online(server)
        time.sleep(_SETTLE_S)
        written_before, started = _media_bytes(server.data), time.monotonic()
        usage = measure(pids, seconds)
        rate = (_media_bytes(server.data) - written_before) * 8 / (time.monotonic() - started) / 1e6 / count
        report.figures += _figures(count, profile, usage.cpu_percent, usage.growth_mib(base.rss_mib_of))
        report.add(f"recorded_mbit_s_per_camera_{count}{_suffix(profile)}", rate, "Mbit/s")
        sent = _sent_mbit_s(profile)
        if rate < 0.9 * sent:
            report.notes.append(f"{count} cameras, {profile}: only {rate:.2f} of {sent:.2f} Mbit/s were written")


def _sent_mbit_s(profile: str) -> float:
    """The picture's bit rate on average over the clip."""
    return reference_clip(profile).stat().st_size * 8 / SECONDS / 1e6


def _measure_ffmpeg(
    report: Report, profile: str, addresses: Sequence[str], counts: Sequence[int], seconds: float
) -> None:
    program = shutil.which("ffmpeg")
    if program is None:
        raise BenchError("there is no ffmpeg here")
    if not report.peers:
        version = subprocess.run([program, "-version"], capture_output=True, text=True, check=True).stdout.split()[2]
        report.peers.append(Peer("ffmpeg -c copy -f segment", version, []))
    for count in counts:
        with _segmenters(program, addresses[:count]) as pids:
            time.sleep(_SETTLE_S)
            usages = _measure_all(pids, seconds)
            cpu_percent, rss_mib = sum(it.cpu_percent for it in usages), sum(it.rss_mib for it in usages)
            report.peers[0].figures.extend(_figures(count, profile, cpu_percent, rss_mib))


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


def _figures(count: int, profile: str, cpu_percent: float, rss_mib: float) -> list[Figure]:
    return [
        Figure(f"cpu_percent_per_camera_{count}{_suffix(profile)}", round(cpu_percent / count, 4), "%"),
        Figure(f"rss_mib_per_camera_{count}{_suffix(profile)}", round(rss_mib / count, 4), "MiB"),
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
