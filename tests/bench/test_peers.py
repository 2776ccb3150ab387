"""Other people's programs: what they are told, what is said when one is not there, and how their pictures are found.

go2rtc and MediaMTX come as binaries that no package brings, so nothing here runs them; motion does run where it is
installed.
"""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from bench import fanout, first_picture, ingest, ttff
from bench.everything import _options_of
from bench.harness import BenchError, child, small_cameras, viewers_program
from bench.peers import go2rtc, mediamtx
from bench.peers.motion import find_motion, motion, render_settings
from bench.peers.programs import free_port, read_version, running
from incamera.media.cmaf import Packager
from incamera.media.rtp.h264 import packetise_h264
from incamera.media.rtp.sender import RtpSender, RtpStart
from incamera.media.sample import Sample

SOURCES = ["rtsp://127.0.0.1:5554/camera0", "rtsp://127.0.0.1:5554/camera1"]
IDR, OTHER, SETS = b"\x65", b"\x41", b"\x67 a sequence parameter set"


# --- what they are told ---------------------------------------------------------------------------------------------


def addresses_in(settings: dict[str, Any]) -> list[str]:
    """Where a server would listen."""
    inner = [address for value in settings.values() if isinstance(value, dict) for address in addresses_in(value)]
    return inner + [str(value) for key, value in settings.items() if key == "listen" or key.endswith("Address")]


def test_mediamtx_records_every_camera_and_listens_on_loopback_only(tmp_path: Path) -> None:
    settings = json.loads(json.dumps(mediamtx.render_settings(SOURCES, 9554, tmp_path)))

    assert [path["source"] for path in settings["paths"].values()] == SOURCES
    assert {path["recordFormat"] for path in settings["paths"].values()} == {"fmp4"}
    assert all(
        path["record"] and path["recordPath"].startswith(f"{tmp_path}/%path/") for path in settings["paths"].values()
    )
    assert not any(path["sourceOnDemand"] for path in settings["paths"].values())
    assert addresses_in(settings) == ["127.0.0.1:9554"]
    others = ("rtmp", "hls", "webrtc", "srt", "api", "metrics", "pprof", "playback")  # each listens unless told not to
    assert not any(settings[name] for name in others)


def test_mediamtx_records_nothing_where_only_viewers_are_measured() -> None:
    [path] = mediamtx.render_settings(SOURCES[:1], 9554, None)["paths"].values()

    assert path["record"] is False


@pytest.mark.parametrize("preloads", [True, False])
def test_go2rtc_pulls_before_anybody_watches_only_when_told(*, preloads: bool) -> None:
    settings = go2rtc.render_settings(SOURCES, 1984, 8554, preloads=preloads)

    assert settings["streams"] == {"camera0": SOURCES[0], "camera1": SOURCES[1]}
    assert settings.get("preload", {}) == ({"camera0": "video", "camera1": "video"} if preloads else {})
    assert sorted(addresses_in(settings)) == ["", "127.0.0.1:1984", "127.0.0.1:8554"]


def test_motion_writes_the_main_stream_and_looks_at_the_small_one(tmp_path: Path) -> None:
    files = render_settings(tmp_path, SOURCES, ["rtsp://127.0.0.1:1/a", "rtsp://127.0.0.1:1/b"])

    main = dict(line.split(" ", 1) for line in files["motion.conf"].splitlines() if not line.startswith("camera "))
    assert {main[name] for name in ("movie_passthrough", "emulate_motion", "pause")} == {"on"}
    assert {main[name] for name in ("webcontrol_port", "stream_port")} == {"0"}
    included = [line.split()[1] for line in files["motion.conf"].splitlines() if line.startswith("camera ")]
    assert included == [str(tmp_path / name) for name in files if name != "motion.conf"]
    second = dict(line.split(" ", 1) for line in files["camera1.conf"].splitlines())
    assert (second["netcam_high_url"], second["netcam_url"]) == (SOURCES[1], "rtsp://127.0.0.1:1/b")


# --- when one is not there ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("measure", "option"),
    [
        *((ingest.run, option) for option in ("--motion", "--mediamtx", "--go2rtc")),
        *((measure, option) for measure in (fanout.run, ttff.run) for option in ("--mediamtx", "--go2rtc")),
    ],
)
def test_a_path_without_a_program_is_said_before_anything_is_measured(
    measure: Any, option: str, tmp_path: Path
) -> None:
    with pytest.raises(BenchError, match=f"no program at {tmp_path}/absent: give the path of its binary"):
        measure([option, str(tmp_path / "absent")])


def test_a_file_that_is_no_program_is_said(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("MediaMTX 1.18")

    with pytest.raises(BenchError, match="does not run here"):
        read_version(tmp_path / "notes", "--version")


def test_a_version_is_found_among_other_words() -> None:
    said = read_version(Path(sys.executable), "--version")

    assert said == ".".join(map(str, sys.version_info[:3]))


def test_a_server_that_ends_at_once_is_quoted() -> None:
    command = [sys.executable, "-c", "raise SystemExit('there is no such setting')"]

    with pytest.raises(BenchError, match="there is no such setting"), running(command, free_port()):
        pass


def test_a_server_runs_until_the_measurement_ends() -> None:
    port = free_port()
    with running([sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"], port) as pid:
        assert Path(f"/proc/{pid}").exists()

    assert not Path(f"/proc/{pid}").exists()


def test_all_gives_each_part_the_peers_it_can_take() -> None:
    given = {"go2rtc": "/g", "mediamtx": "", "motion": "/m", "drift_seconds": 0}

    assert _options_of("ingest", given, quick=False) == ["--go2rtc", "/g", "--motion", "/m"]
    assert _options_of("ttff", given, quick=False) == ["--go2rtc", "/g"]
    assert _options_of("timeline", given, quick=False) == []


# --- their pictures -------------------------------------------------------------------------------------------------


def packets(*nal_units: bytes) -> list[bytes]:
    return RtpSender(96, RtpStart(1, 2, 3)).render(0, packetise_h264(nal_units))


@pytest.mark.parametrize("size", [40, 9000], ids=["whole", "in fragments"])
def test_a_sync_sample_over_rtp_is_complete_with_its_last_packet(size: int) -> None:
    picture = first_picture.SyncSampleInRtp()
    *before, last = packets(SETS, IDR + bytes(size))

    for packet in [*packets(OTHER + bytes(size)), *before]:
        picture.take(packet, 0, len(packet), 0.0)
        assert not picture.is_complete
    picture.take(last, 0, len(last), 0.0)

    assert picture.is_complete


def test_a_sync_sample_whose_beginning_was_missed_is_none() -> None:
    picture = first_picture.SyncSampleInRtp()

    for packet in packets(IDR + bytes(9000))[1:]:
        picture.take(packet, 0, len(packet), 0.0)

    assert not picture.is_complete


def test_a_sync_sample_is_found_in_fragmented_mp4_byte_by_byte() -> None:
    packager, finder = Packager(90_000), first_picture.SyncSampleInMp4()
    chunks = [
        packager.push(Sample(number * 3600, 0, kind == IDR, len(unit).to_bytes(4, "big") + unit)).data
        for number, kind in enumerate((OTHER, IDR))
        if (unit := kind + bytes(60))
    ]

    assert not finder.take(chunks[0])
    answers = [finder.take(bytes([byte])) for byte in chunks[1]]

    assert answers == [False] * (len(chunks[1]) - 1) + [True]


def test_the_first_picture_over_rtsp_of_a_camera() -> None:
    with small_cameras(1) as [address]:
        port = int(address.split(":")[2].split("/")[0])

        assert 0 < first_picture.over_rtsp(port, "/camera0") < 15_000
        with pytest.raises(BenchError, match="no picture over RTSP"):
            first_picture.over_rtsp(port, "/absent")


@pytest.mark.slow
def test_light_viewers_watch_over_rtsp() -> None:
    try:
        program = viewers_program()
    except BenchError as error:
        pytest.skip(str(error))
    with small_cameras(1) as [address]:
        port = address.split(":")[2].split("/")[0]
        with child(str(program), "rtsp", port, "/camera0", "3", "2", ready="STEADY") as viewers:
            [window] = json.loads(viewers.output())

    assert window["receiving"] == 3
    assert window["min_mbit_s"] > 0


@pytest.mark.slow
def test_motion_records_every_camera_where_it_is_installed(tmp_path: Path) -> None:
    program = find_motion("")
    if program is None:
        pytest.skip("motion is not installed here")
    with small_cameras(2) as sources, motion(program, tmp_path, sources, sources) as recorder:
        found = {it.name.partition("-")[0] for it in recorder.recordings.iterdir()}

    assert found == {"camera0", "camera1"}
    assert recorder.version.startswith("4.")
