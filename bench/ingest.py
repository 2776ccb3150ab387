"""What a recorded camera costs without viewers: 1, 10 and 50 cameras of 4 Mbit/s over RTSP.

Ours is the whole product: edge and server together, idle cost, index and keys included. Peers in the same run, none of
which seals, syncs or serves anything: one `ffmpeg -rtsp_transport tcp -c copy -f segment` per camera; motion, where it
is installed or named; MediaMTX, where it is named. go2rtc records nothing: where it is named, `pull_*` say what pulling
alone costs. What else a peer does differently stands in the notes. A peer's memory is its whole process over the number
of cameras.

    ./dev bench ingest [--counts 1,10,50] [--seconds 10] [--profile steady|variable|bframes|long-gop|sound|all]
                       [--motion PATH] [--mediamtx PATH] [--go2rtc PATH]

`all` goes through the profiles, all but the first with the highest count alone; figures of others than `steady` carry
their name.
"""

import contextlib
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

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
    small_cameras,
    wait_until_online,
)
from bench.meter import Usage, measure, rss_mib_of
from bench.peers import go2rtc as go2rtc_peer
from bench.peers import mediamtx as mediamtx_peer
from bench.peers import motion as motion_peer
from bench.peers.motion import find_motion
from bench.peers.programs import read_version
from tests.support.server import Server

_SETTLE_S = 5.0
_RTSP_PORT_TIMEOUT_US = "5000000"


StartServer = Callable[[], contextlib.AbstractContextManager[tuple[Server, Sequence[int]]]]
"""A server without cameras, and the roots of its process trees."""


StartRecorder = Callable[[Sequence[str], Path], contextlib.AbstractContextManager[tuple[int, str]]]
"""Somebody else's recorder of these cameras into this folder, all in one process: its id and its version."""


@dataclass(frozen=True, slots=True)
class Recorder:
    """A peer. `differs` says what it does that we do not, and what it leaves out; `prefix` goes before its figures."""

    name: str
    start: StartRecorder
    differs: str
    prefix: str = ""


def run(options: Sequence[str]) -> Report:
    return measure_ingest("ingest", options, _our_server, all_peers=True)


@contextlib.contextmanager
def _our_server() -> Iterator[tuple[Server, Sequence[int]]]:
    with our_server() as server:
        yield server, [server.pid]


def measure_ingest(name: str, options: Sequence[str], start: StartServer, *, all_peers: bool = False) -> Report:
    """The benchmark; each profile meets a fresh server. Without `all_peers` ffmpeg is the only one."""
    paths = dict.fromkeys(("motion", "mediamtx", "go2rtc"), "") if all_peers else {}
    given = parse_options(options, counts="1,10,50", seconds=10.0, profile="steady", **paths)
    counts = sorted(int(count) for count in given["counts"].split(","))
    chosen = given["profile"]
    if chosen not in (*PROFILES, "all"):
        raise BenchError(f"there is no profile {chosen!r}: choose one of {', '.join(PROFILES)}, or all")
    profiles = list(PROFILES) if chosen == "all" else [chosen]
    report = Report(name, f"cpu_percent_per_camera_{counts[-1]}{_suffix(profiles[0])}")
    recorders = _recorders(given) if all_peers else []
    for profile in profiles:
        some = counts if profile == profiles[0] else counts[-1:]
        _measure_profile(report, profile, some, given["seconds"], start, recorders)
    return report


def _measure_profile(
    report: Report,
    profile: str,
    counts: Sequence[int],
    seconds: float,
    start: StartServer,
    recorders: Sequence[Recorder],
) -> None:
    with clip_cameras(counts[-1], profile) as addresses:
        with start() as (server, pids):
            _measure_ours(report, profile, addresses, counts, seconds, server, pids)
        try:
            _measure_ffmpeg(report, profile, addresses, counts, seconds)
        except BenchError as error:
            report.notes.append(f"{profile}: ffmpeg left out: {error}")
        for recorder in recorders:
            try:
                _measure_recorder(report, recorder, profile, addresses, counts, seconds)
            except BenchError as error:
                report.notes.append(f"{profile}: {recorder.name} left out: {error}")


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
        written_before, started = _bytes_below(server.data / "media"), time.monotonic()
        usage = measure(pids, seconds)
        rate = (_bytes_below(server.data / "media") - written_before) * 8 / (time.monotonic() - started) / 1e6 / count
        report.figures += _figures(count, profile, usage.cpu_percent, usage.growth_mib(base.rss_mib_of))
        report.add(f"recorded_mbit_s_per_camera_{count}{_suffix(profile)}", rate, "Mbit/s")
        _check_rate(report, f"{count} cameras, {profile}", rate, profile)


def _check_rate(report: Report, who: str, rate: float, profile: str) -> None:
    sent = _sent_mbit_s(profile)
    if rate < 0.9 * sent:
        report.notes.append(f"{who}: only {rate:.2f} of {sent:.2f} Mbit/s were written")


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


def _recorders(given: Mapping[str, Any]) -> list[Recorder]:
    """Those that are here, by the options; one that is named and missing ends the benchmark before it begins."""
    found = []
    if (motion_program := find_motion(given["motion"])) is not None:
        read_version(motion_program, "-h")
        found.append(Recorder("motion", partial(_motion, motion_program), motion_peer.DIFFERS))
    if given["mediamtx"]:
        read_version(Path(given["mediamtx"]), "--version")
        found.append(Recorder("MediaMTX", partial(_mediamtx, Path(given["mediamtx"])), mediamtx_peer.DIFFERS))
    if given["go2rtc"]:
        read_version(Path(given["go2rtc"]), "-version")
        found.append(Recorder("go2rtc", partial(_go2rtc, Path(given["go2rtc"])), go2rtc_peer.DIFFERS, "pull_"))
    return found


@contextlib.contextmanager
def _motion(program: Path, addresses: Sequence[str], folder: Path) -> Iterator[tuple[int, str]]:
    with small_cameras(len(addresses)) as small, motion_peer.motion(program, folder, addresses, small) as peer:
        yield peer.pid, peer.version


@contextlib.contextmanager
def _mediamtx(program: Path, addresses: Sequence[str], folder: Path) -> Iterator[tuple[int, str]]:
    with mediamtx_peer.mediamtx(program, addresses, folder) as peer:
        yield peer.pid, peer.version


@contextlib.contextmanager
def _go2rtc(program: Path, addresses: Sequence[str], _folder: Path) -> Iterator[tuple[int, str]]:
    with go2rtc_peer.go2rtc(program, addresses, preloads=True) as peer:
        yield peer.pid, peer.version


def _measure_recorder(
    report: Report,
    recorder: Recorder,
    profile: str,
    addresses: Sequence[str],
    counts: Sequence[int],
    seconds: float,
) -> None:
    for count in counts:
        with (
            tempfile.TemporaryDirectory(prefix="incamera-bench-") as folder,
            recorder.start(addresses[:count], Path(folder)) as (pid, version),
        ):
            time.sleep(_SETTLE_S)
            written_before, started = _bytes_below(Path(folder)), time.monotonic()
            usage = measure(pid, seconds)
            written = _bytes_below(Path(folder)) - written_before
            rate = written * 8 / (time.monotonic() - started) / 1e6 / count
        peer = next((it for it in report.peers if it.name == recorder.name), None)
        if peer is None:
            peer = Peer(recorder.name, version, [])
            report.peers.append(peer)
            report.notes.append(f"{recorder.name}: {recorder.differs}")
        figures = _figures(count, profile, usage.cpu_percent, usage.rss_mib)
        if not recorder.prefix:
            figures.append(Figure(f"recorded_mbit_s_per_camera_{count}{_suffix(profile)}", round(rate, 4), "Mbit/s"))
            _check_rate(report, f"{recorder.name}, {count} cameras, {profile}", rate, profile)
        peer.figures.extend(replace(it, name=f"{recorder.prefix}{it.name}") for it in figures)


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


def _bytes_below(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(3)
    if process.poll() is None:
        process.kill()
        process.wait()
