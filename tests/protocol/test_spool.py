"""A spool record opens for the server alone, whole and in its place."""

from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from incamera.protocol import spool
from incamera.protocol.frames import MediaFrame
from incamera.protocol.messages import GapCause, StreamClose, StreamKind, StreamOpen

SALT = b"s" * spool.SALT_BYTES
OPENED = StreamOpen(
    span_id=uuid4(),
    run_id=uuid4(),
    channel_id=uuid4(),
    stream=StreamKind.MAIN,
    epoch=3,
    is_backlog=True,
    codec="avc1.640028",
    timescale=90_000,
    init_segment=b"ftypmoov",
    run_started_us=1,
    run_decode_time=0,
    gap_cause=GapCause.LINE_LOST,
)
FRAME = MediaFrame(0, True, True, 7, 90_000, -3, 1_700_000_000_000_000, b"moofmdat")
CLOSED = StreamClose(span_id=OPENED.span_id, last_sequence=7, cause=GapCause.EDGE_STOPPED)


def test_the_server_unwraps_the_key_and_reads_every_record() -> None:
    server = X25519PrivateKey.generate()
    key = spool.new_spool_key()
    header = spool.SpoolFileHeader(SALT, spool.wrap_spool_key(key, server.public_key().public_bytes_raw()))
    writer = spool.RecordCipher(key, SALT)
    sealed = [writer.seal(number, record) for number, record in enumerate((OPENED, FRAME, CLOSED))]

    read = spool.parse_file_header(spool.render_file_header(header))
    reader = spool.RecordCipher(spool.unwrap_spool_key(read.wrapped_key, server), read.salt)

    assert [reader.open(number, record) for number, record in enumerate(sealed)] == [OPENED, FRAME, CLOSED]


def test_another_server_cannot_unwrap_the_key() -> None:
    wrapped = spool.wrap_spool_key(spool.new_spool_key(), X25519PrivateKey.generate().public_key().public_bytes_raw())

    with pytest.raises(spool.SpoolUnreadable):
        spool.unwrap_spool_key(wrapped, X25519PrivateKey.generate())
    with pytest.raises(spool.SpoolUnreadable):
        spool.unwrap_spool_key(wrapped[:-1], X25519PrivateKey.generate())


def test_a_changed_or_moved_record_does_not_open() -> None:
    cipher = spool.RecordCipher(spool.new_spool_key(), SALT)
    sealed = cipher.seal(1, FRAME)

    with pytest.raises(spool.SpoolUnreadable):
        cipher.open(2, sealed)
    with pytest.raises(spool.SpoolUnreadable):
        cipher.open(1, sealed[:-1] + bytes([sealed[-1] ^ 1]))
    with pytest.raises(spool.SpoolUnreadable):
        cipher.open(1, b"")


def test_a_torn_file_header_is_refused() -> None:
    with pytest.raises(spool.SpoolUnreadable):
        spool.parse_file_header(b"INCSPOOL\x01torn")
