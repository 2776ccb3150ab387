"""Spool files on a real disk, and the rules of spans that fill them."""

import asyncio
import errno
import os
import threading
from pathlib import Path
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from incamera.edge.courier import Courier, SpoolLimits
from incamera.edge.desired_store import DesiredStore
from incamera.edge.errors import DataDirectoryUnusable, EdgeAlreadyRunning
from incamera.edge.identity import IdentityStore, hold_data_directory
from incamera.edge.parcels import OutChunk, Span
from incamera.edge.spool import SpoolDirectory, SpoolKey
from incamera.kit.clock import SystemClock
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

    batch = span.next_batch()
    span.file = folder(tmp_path).create(KEY, batch.records)
    freed = span.spilled(batch)
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
    span, directory = a_span(), folder(tmp_path)

    def spill() -> None:
        batch = span.next_batch()
        if span.file is None:
            span.file = directory.create(KEY, batch.records)
        else:
            span.file.append(batch.records)
        span.spilled(batch)

    fill(span, 10)
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
    folder(tmp_path).create(KEY, span.next_batch().records)

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
    file = folder(tmp_path).create(KEY, span.next_batch().records)
    os.truncate(file.path, file.size_bytes - torn_bytes)

    [former] = SpoolDirectory(tmp_path / "spool").open()

    assert former.count_records() == 3


def test_a_number_never_seals_two_records_whatever_the_disk_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk may keep what it said it had not taken: two records under one nonce would show the difference of both."""
    span, written = a_span(), []
    fill(span, 5)
    batch = span.next_batch()
    span.file = folder(tmp_path).create(KEY, batch.records)
    span.spilled(batch)

    def refuse_to_sync(descriptor: int) -> None:
        written.append(os.pread(descriptor, 1 << 20, span.disk_bytes))
        raise OSError(errno.EIO, "told to")

    fill(span, 5)
    with monkeypatch.context() as patch:
        patch.setattr("incamera.edge.spool.os.fdatasync", refuse_to_sync)
        for _ in range(2):
            with pytest.raises(OSError, match="told to"):
                span.file.append(span.next_batch().records)
            span.not_spilled()
            span.release(span.acknowledged + 3)  # the server gets some of it meanwhile
            fill(span, 1)
    size = span.disk_bytes
    span.file.append(batch_again := span.next_batch().records)
    assert span.file.path.read_bytes()[size:] == written[0] == written[1]
    monkeypatch.setattr("incamera.edge.spool.os.fdatasync", refuse_to_sync)
    with pytest.raises(OSError, match="told to"):
        span.file.append(batch_again)
    with pytest.raises(AssertionError, match="two records"):
        span.file.append(batch_again[1:])


def test_a_file_that_the_disk_does_not_let_go_is_removed_when_it_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    span, directory = a_span(), folder(tmp_path)
    fill(span, 3)
    file = directory.create(KEY, span.next_batch().records)

    def refuse(path: Path, missing_ok: bool = False) -> None:
        raise OSError(errno.EROFS, "told to")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refuse)
        directory.remove(file.path)
        directory.remove_left()
        assert directory.left_bytes == file.size_bytes
    directory.remove_left()

    assert directory.left_bytes == 0
    assert not file.path.exists()


def test_a_long_span_goes_to_the_disk_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("incamera.edge.parcels.SPILL_BYTES", 500)
    span, sizes = a_span(), []
    fill(span, 20)
    span.closed_by = GapCause.LINE_LOST

    while span.oldest_in_memory_s is not None:
        batch = span.next_batch()
        sizes.append(batch.end - batch.first)
        if span.file is None:
            span.file = folder(tmp_path).create(KEY, batch.records)
        else:
            span.file.append(batch.records)
        span.spilled(batch)

    assert sizes == [5, 5, 5, 5]
    assert span.is_close_spilled
    assert span.memory_bytes == 0
    assert span.file is not None
    assert span.file.record_count == 1 + 20 + 1


@pytest.mark.parametrize("is_stalled", [False, True])
async def test_an_edge_on_a_dead_disk_ends_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_stalled: bool
) -> None:
    monkeypatch.setattr("incamera.edge.courier._HOUSEKEEPING_S", 0.01)
    monkeypatch.setattr("incamera.edge.courier._STALLED_S", 0.1)
    is_back, asked = threading.Event(), threading.Event()

    def refuse_to_sync(_descriptor: int) -> None:
        asked.set()
        if is_stalled:
            is_back.wait(10)
        raise OSError(errno.EIO, "told to")

    monkeypatch.setattr("incamera.edge.spool.os.fdatasync", refuse_to_sync)
    courier = Courier(tmp_path / "spool", SystemClock(), SpoolLimits(memory_bytes=50))
    await courier.open()
    courier.prepare_key(SERVER.public_key().public_bytes_raw())
    housekeeping = asyncio.create_task(courier.run())
    span = courier.open_span(a_span().opened, is_recorded=True)
    courier.append(span, OutChunk(0, 0, True, 0, b"picture" * 10, 0.0))
    assert await asyncio.to_thread(asked.wait, 10)

    async with asyncio.timeout(5):
        await courier.close(patience_s=0.1)
    await asyncio.sleep(0.1)

    assert not housekeeping.done(), "who stops it last"
    housekeeping.cancel()
    is_back.set()


def test_what_is_not_ours_or_empty_goes(tmp_path: Path) -> None:
    directory = folder(tmp_path)
    directory.create(KEY, [])
    (tmp_path / "spool" / "2.spool").write_bytes(b"something else" * 20)

    assert SpoolDirectory(tmp_path / "spool").open() == []
    assert list((tmp_path / "spool").iterdir()) == []


def test_files_are_for_this_user_only_and_say_nothing(tmp_path: Path) -> None:
    span = a_span()
    fill(span, 3)
    file = folder(tmp_path).create(KEY, span.next_batch().records)

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
