"""Spool files on a real disk, and the rules of spans that fill them."""

import os
import threading
from pathlib import Path
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from incamera.edge.desired_store import DesiredStore
from incamera.edge.errors import DataDirectoryUnusable, EdgeAlreadyRunning
from incamera.edge.identity import IdentityStore, hold_data_directory
from incamera.edge.parcels import OutChunk, Span
from incamera.edge.spool import SpoolDirectory, SpoolKey
from incamera.kit.ids import new_id
from incamera.protocol import spool
from incamera.protocol.frames import MediaFrame
from incamera.protocol.messages import (
    Desired,
    DesiredChannel,
    DesiredStream,
    GapCause,
    RtspSource,
    StreamClose,
    StreamKind,
    StreamMode,
    StreamOpen,
)

SERVER = X25519PrivateKey.generate()
KEY = SpoolKey.for_server(SERVER.public_key().public_bytes_raw())


def a_span() -> Span:
    opened = StreamOpen(
        span_id=new_id(),
        run_id=new_id(),
        channel_id=UUID(int=1),
        stream=StreamKind.MAIN,
        epoch=1,
        is_backlog=True,
        codec="avc1.640028",
        timescale=90_000,
        init_segment=b"init",
        run_started_us=1,
        run_decode_time=0,
        gap_cause=GapCause.LINE_LOST,
    )
    return Span(opened, is_recorded=True, started_s=0.0)


def fill(span: Span, count: int) -> None:
    for number in range(count):
        span.append(
            OutChunk(number * 3600, 0, number % 10 == 0, number * 40_000, b"picture %d" % number, float(number))
        )


def folder(tmp_path: Path) -> SpoolDirectory:
    directory = SpoolDirectory(tmp_path / "spool")
    directory.open()
    return directory


def test_a_span_goes_to_the_disk_and_comes_back(tmp_path: Path) -> None:
    span = a_span()
    fill(span, 30)
    span.release(4)
    file = folder(tmp_path).create("1", KEY)

    records, end, with_close = span.records_to_spill()
    file.append(records)
    span.file = file
    freed = span.spilled(end, with_close)
    span.restart(0)
    assert span.frame(span.cursor) is None, "it must be read first"
    span.stage(span.read_ahead())
    frame = span.frame(5)

    assert freed == sum(len(b"picture %d" % number) for number in range(5, 30))
    assert span.memory_bytes == 0
    assert span.cursor == 5
    assert frame is not None
    assert frame[1] == b"picture 5"


def test_a_file_with_a_stretch_left_out_is_read_back_right(tmp_path: Path) -> None:
    span = a_span()
    span.file = folder(tmp_path).create("1", KEY)

    def spill() -> None:
        assert span.file is not None
        records, end, with_close = span.records_to_spill()
        span.file.append(records)
        span.spilled(end, with_close)

    fill(span, 10)
    span.file.append([span.open_message()])
    spill()
    fill(span, 10)
    span.release(14)  # acknowledged while it was in memory only
    spill()
    span.closed_by = GapCause.EDGE_STOPPED
    spill()

    span.restart(17)
    span.stage(span.read_ahead())
    frame = span.frame(17)
    assert frame is not None
    assert frame[1] == b"picture 7"


def test_the_next_life_reads_sealed_records_that_the_server_opens(tmp_path: Path) -> None:
    span = a_span()
    fill(span, 12)
    span.closed_by = GapCause.EDGE_STOPPED
    file = folder(tmp_path).create("1", KEY)
    file.append(span.records_to_spill()[0])

    [former] = SpoolDirectory(tmp_path / "spool").open()
    sealed = former.read(0, 1 << 20)
    cipher = spool.RecordCipher(spool.unwrap_spool_key(former.header.wrapped_key, SERVER), former.header.salt)
    records = [cipher.open(number, record) for number, record in enumerate(sealed)]

    assert len(records) == former.count_records() == 14
    assert isinstance(records[0], StreamOpen)
    assert [record.sequence for record in records[1:-1] if isinstance(record, MediaFrame)] == list(range(12))
    assert isinstance(records[-1], StreamClose)
    assert former.read(5, 1) == sealed[5:6], "at least one, however small the bound"


@pytest.mark.parametrize("torn_bytes", [1, 3, 20])
def test_a_torn_tail_is_left_out(tmp_path: Path, torn_bytes: int) -> None:
    span = a_span()
    fill(span, 3)
    file = folder(tmp_path).create("1", KEY)
    file.append(span.records_to_spill()[0])
    os.truncate(file.path, file.size_bytes - torn_bytes)

    [former] = SpoolDirectory(tmp_path / "spool").open()

    assert former.count_records() == 3


def test_what_is_not_ours_or_empty_goes(tmp_path: Path) -> None:
    directory = folder(tmp_path)
    directory.create("1", KEY)
    (tmp_path / "spool" / "2.spool").write_bytes(b"something else" * 20)

    assert SpoolDirectory(tmp_path / "spool").open() == []
    assert list((tmp_path / "spool").iterdir()) == []


def test_files_are_for_this_user_only_and_say_nothing(tmp_path: Path) -> None:
    span = a_span()
    fill(span, 3)
    file = folder(tmp_path).create("1", KEY)
    file.append(span.records_to_spill()[0])

    assert file.path.stat().st_mode & 0o777 == 0o600
    content = file.path.read_bytes()
    assert not any(word in content for word in (b"picture", b"avc1", b"init", span.id.bytes, str(span.id).encode()))


def test_an_identity_survives_and_is_private(tmp_path: Path) -> None:
    first = IdentityStore(tmp_path).load_or_create()

    assert IdentityStore(tmp_path).load_or_create() == first
    assert (tmp_path / "identity.json").stat().st_mode & 0o777 == 0o600
    assert "private_key" not in repr(first)
    assert repr(first.private_key) not in repr(first)


def test_a_damaged_identity_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "identity.json").write_text("{")

    with pytest.raises(DataDirectoryUnusable, match="remove it to enrol again"):
        IdentityStore(tmp_path).load_or_create()
    assert (tmp_path / "identity.json").read_text() == "{"


def test_a_data_folder_is_held_by_one_edge(tmp_path: Path) -> None:
    with (
        hold_data_directory(tmp_path / "edge"),
        pytest.raises(EdgeAlreadyRunning),
        hold_data_directory(tmp_path / "edge"),
    ):
        pass
    with hold_data_directory(tmp_path / "edge") as data:
        assert data.stat().st_mode & 0o777 == 0o700


def test_the_desired_state_is_kept_sealed_without_watchers(tmp_path: Path) -> None:
    identity = IdentityStore(tmp_path).load_or_create()
    source = RtspSource(url="rtsp://camera.example/", username="admin", password="secret")
    stream = DesiredStream(stream=StreamKind.MAIN, mode=StreamMode.RECORD, is_watched=True)
    channel = DesiredChannel(channel_id=UUID(int=1), epoch=1, source=source, streams=(stream,))
    written = DesiredStore(tmp_path).save(identity, Desired(version=5, channels=(channel,)))
    assert written is not None
    written.result(10)

    loaded = DesiredStore(tmp_path).load(identity)

    assert loaded is not None
    assert loaded.channels[0].source == source
    assert not loaded.channels[0].streams[0].is_watched
    assert b"secret" not in (tmp_path / "desired.sealed").read_bytes()
    assert (tmp_path / "desired.sealed").stat().st_mode & 0o777 == 0o600
    (tmp_path / "desired.sealed").write_bytes(b"damaged")
    assert DesiredStore(tmp_path).load(identity) is None


def test_a_disk_that_stalls_does_not_hold_up_who_keeps_the_desired_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity, is_back = IdentityStore(tmp_path).load_or_create(), threading.Event()
    monkeypatch.setattr("incamera.kit.files.os.fsync", lambda _descriptor: is_back.wait(10))
    store = DesiredStore(tmp_path)

    written = store.save(identity, Desired(version=1, channels=()))

    assert written is not None
    assert not written.done()
    is_back.set()
    written.result(10)
    assert store.save(identity, Desired(version=2, channels=())) is None, "nothing has changed that lasts"
