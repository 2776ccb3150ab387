"""motion (a Debian package), set to what a recorder alone would do, as far as it can be.

It cannot record without looking: the main stream goes into files as it comes (`movie_passthrough`), but motion lives on
decoded pictures, so a second, small stream is decoded beside it. Here that is as small as it gets (two pictures a
second of 160x120), detection is paused, and all of time is one event (`emulate_motion`). A file a minute; no index, no
encryption, no sync, no sound.
"""

import contextlib
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.clip import SMALL_FPS, SMALL_HEIGHT, SMALL_WIDTH
from bench.harness import BenchError
from bench.peers.programs import read_version, start

DIFFERS: Final = f"also decodes a stream of {SMALL_WIDTH}x{SMALL_HEIGHT} with {SMALL_FPS} pictures/s; no index or sync"
_RECORDING_S: Final = 30.0
_SEGMENT_S: Final = 60


@dataclass(frozen=True, slots=True)
class Motion:
    """It runs, and every camera is being recorded into `recordings`."""

    pid: int
    version: str
    recordings: Path


def find_motion(given: str) -> Path | None:
    """The program at a given path, else the installed one, if any."""
    found = given or shutil.which("motion")
    return Path(found) if found else None


def render_settings(folder: Path, sources: Sequence[str], small: Sequence[str]) -> dict[str, str]:
    """The text of each file: `motion.conf` and one per camera."""
    common = {
        "daemon": "off",
        "setup_mode": "off",
        "log_level": "4",
        "log_file": folder / "motion.log",
        "target_dir": folder / "recordings",
        "webcontrol_port": "0",
        "stream_port": "0",
        "netcam_use_tcp": "on",
        "picture_output": "off",
        "movie_output": "on",
        "movie_passthrough": "on",
        "movie_max_time": _SEGMENT_S,
        "emulate_motion": "on",
        "pause": "on",
        "width": SMALL_WIDTH,
        "height": SMALL_HEIGHT,
        "framerate": SMALL_FPS,
    }
    files = {}
    for number, (source, small_source) in enumerate(zip(sources, small, strict=True)):
        camera = {
            "camera_id": number + 1,
            "movie_filename": f"camera{number}-%Y%m%d%H%M%S",
            "netcam_url": small_source,
            "netcam_high_url": source,
        }
        files[f"camera{number}.conf"] = _render(camera)
    includes = "".join(f"camera {folder / name}\n" for name in files)
    return {"motion.conf": _render(common) + includes, **files}


def _render(settings: "dict[str, object]") -> str:
    return "".join(f"{name} {value}\n" for name, value in settings.items())


@contextlib.contextmanager
def motion(program: Path, folder: Path, sources: Sequence[str], small: Sequence[str]) -> Iterator[Motion]:
    """Raises BenchError if the program does not run, or does not record every camera."""
    version = read_version(program, "-h")
    recordings = folder / "recordings"
    recordings.mkdir(parents=True)
    for name, text in render_settings(folder, sources, small).items():
        (folder / name).write_text(text)
    with start([str(program), "-n", "-c", str(folder / "motion.conf")]) as process:
        deadline = time.monotonic() + _RECORDING_S
        while len({it.name.partition("-")[0] for it in recordings.iterdir() if it.stat().st_size}) < len(sources):
            if process.poll() is not None or time.monotonic() > deadline:
                log = folder / "motion.log"
                words = log.read_text(errors="replace")[-400:].strip() if log.exists() else ""
                raise BenchError(f"motion does not record all of {len(sources)} cameras: {words or 'it said nothing'}")
            time.sleep(0.1)
        yield Motion(process.pid, version, recordings)
