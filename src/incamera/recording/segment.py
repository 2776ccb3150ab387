"""The sealed segment format: bytes of a recording as they lie on a disk. No I/O here (`docs/design/segments.md`).

```
file    = header record*  footer                        one span, about a minute, append-only
header  = "incamseg" version(1) zero(7) segment-id(16) label(70)       label: what this is, sealed under `media`
record  = head(36+16) body(n+16)                        record 0: run and init segment; then one record per chunk
footer  = salt(16) index(n+16)                          times, sizes, sync flags, number of records
```

Heads hold the sizes and are sealed like the bodies: on the disk a record has no visible border, so that nobody reads
motion from the sizes of pictures. Keys: segment key = HKDF(hour key, segment id); nonce = part and record counter,
which starts at 0 and is never resumed, since nothing is appended to a file that was once let go. The footer has a key
of its own by a fresh salt: after a crash it may follow a shorter run of records than before, and no nonce may repeat.

Everything is bound, as associated data, to format version, epoch, device, channel, stream, hour and segment id; the
body also to its head. So a record that was cut, moved, swapped, altered or taken from elsewhere does not open, and
the count in the footer (and in the index row) shows a tail that is missing.
"""

import hashlib
import os
import struct
import zlib
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from mmap import mmap
from typing import Final, NamedTuple
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from incamera.protocol.frames import MAX_CHUNK_BYTES, MediaFrame
from incamera.protocol.messages import GapCause, StreamKind
from incamera.storage.vault import EpochRef, HourRef, ScopeKey, SealBroken, derive_key

FORMAT_VERSION: Final = 1
TAG_BYTES: Final = 16
SALT_BYTES: Final = 16
MAX_RECORDS: Final = 1_000_000  # of a segment of at most two minutes: a bound for hostile index data

_MAGIC: Final = b"incamseg"
_HEADER = struct.Struct(">8sB7s16s")
_LABEL = struct.Struct(">16sI16sBI")  # device, epoch, channel, stream, hour
_LABEL_BYTES: Final = 1 + 12 + _LABEL.size + TAG_BYTES
HEADER_BYTES: Final = _HEADER.size + _LABEL_BYTES
_HEAD = struct.Struct(">BBxxIqiqQ")  # type, flags, body size, decode time, composition offset, wall time, sequence
HEAD_BYTES: Final = _HEAD.size + TAG_BYTES
_NONCE = struct.Struct(">IQ")  # part, counter
_COUNTER = struct.Struct(">Q")
_FOOTER_PLACE = struct.Struct(">QQ")  # offset, records
_INDEX = struct.Struct(">BQI")  # version, first sequence, chunks
_PART_HEAD, _PART_BODY = 0, 1
_TYPE_OPENING, _TYPE_CHUNK = 0, 1
_FLAG_SYNC = 0x01
_STREAMS: Final = (StreamKind.MAIN, StreamKind.SUB, StreamKind.AUDIO)
MAX_OPENING_BYTES: Final = 1024 * 1024


class NotASegment(ValueError):
    """The file does not begin like a segment, or its label does not open."""


class RecordDamaged(ValueError):
    """A record or footer does not open: altered, cut, moved or from elsewhere. Never play what came after it."""


@dataclass(frozen=True, slots=True)
class Binding:
    """What a segment belongs to; all of it is authenticated with every record."""

    segment_id: UUID
    hour: HourRef
    stream: StreamKind

    def digest(self) -> bytes:
        text = f"{FORMAT_VERSION}/{self.hour.name}/{self.stream}/{self.segment_id}"
        return hashlib.sha256(_MAGIC + text.encode()).digest()


class Opening(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """Record 0: the run, as the edge described it, and the span."""

    run_id: UUID
    span_id: UUID
    codec: str
    timescale: int
    init_segment: bytes
    width: int
    height: int
    run_started_us: int
    run_decode_time: int
    gap_cause: GapCause
    first_sequence: int


class RecordHead(NamedTuple):
    """What the sealed head of a record says. `size` is that of the body without its tag."""

    kind: int
    is_sync: bool
    size: int
    decode_time: int
    composition_offset: int
    wall_us: int
    sequence: int


class SealedRecord(NamedTuple):
    """Ciphertext to append, and the head it was made from."""

    head: RecordHead
    parts: tuple[bytes, bytes]


@dataclass(slots=True)
class SegmentIndex:
    """Where each chunk of a segment lies and when it was. Chunk i is record i + 1 and has sequence first + i."""

    first_sequence: int
    offsets: "array[int]" = field(default_factory=lambda: array("Q"))  # of the sealed head, from the start of the file
    sizes: "array[int]" = field(default_factory=lambda: array("L"))  # of the chunk in clear
    decode_times: "array[int]" = field(default_factory=lambda: array("q"))
    wall_us: "array[int]" = field(default_factory=lambda: array("q"))
    syncs: "array[int]" = field(default_factory=lambda: array("L"))  # numbers of the chunks that start a fragment

    def __len__(self) -> int:
        return len(self.sizes)

    def add(self, offset: int, head: RecordHead) -> None:
        if head.is_sync:
            self.syncs.append(len(self.sizes))
        self.offsets.append(offset)
        self.sizes.append(head.size)
        self.decode_times.append(head.decode_time)
        self.wall_us.append(head.wall_us)

    def end(self, chunk: int) -> int:
        """Offset just after this chunk's record."""
        return self.offsets[chunk] + HEAD_BYTES + self.sizes[chunk] + TAG_BYTES

    def is_sync(self, chunk: int) -> bool:
        place = bisect_left(self.syncs, chunk)
        return place < len(self.syncs) and self.syncs[place] == chunk

    def upto(self, chunks: int) -> "SegmentIndex":
        """A copy that knows the first `chunks` only, for a reader beside a writer that goes on."""
        return SegmentIndex(
            self.first_sequence,
            self.offsets[:chunks],
            self.sizes[:chunks],
            self.decode_times[:chunks],
            self.wall_us[:chunks],
            self.syncs[: bisect_left(self.syncs, chunks)],
        )

    def sync_at_or_before(self, wall_us: int) -> int | None:
        """The last sync sample that was not after this wall time; None if all are later."""
        found = None
        for chunk in self.syncs:
            if self.wall_us[chunk] <= wall_us:
                found = chunk
        return found

    def sync_after(self, chunk: int) -> int | None:
        """The next sync sample behind this chunk."""
        place = bisect_left(self.syncs, chunk + 1)
        return self.syncs[place] if place < len(self.syncs) else None

    def render(self) -> bytes:
        count = len(self)
        flags = bytearray(count)
        for chunk in self.syncs:
            flags[chunk] = _FLAG_SYNC
        columns = struct.pack(f">{count}I{count}q{count}q", *self.sizes, *self.decode_times, *self.wall_us)
        return _INDEX.pack(FORMAT_VERSION, self.first_sequence, count) + zlib.compress(columns + bytes(flags), 1)

    @classmethod
    def parse(cls, data: bytes, first_offset: int) -> "SegmentIndex":
        """`first_offset`: where the record after record 0 begins."""
        try:
            version, first_sequence, count = _INDEX.unpack_from(data)
            if version != FORMAT_VERSION or count > MAX_RECORDS:
                raise RecordDamaged(f"index of version {version} with {count} chunks")
            columns = zlib.decompressobj().decompress(data[_INDEX.size :], count * 21 + 1)
        except (struct.error, zlib.error) as error:
            raise RecordDamaged("index that cannot be read") from error
        if len(columns) != count * 21:
            raise RecordDamaged("index of the wrong length")
        numbers = struct.unpack_from(f">{count}I{count}q{count}q", columns)
        index = cls(first_sequence)
        offset = first_offset
        for chunk in range(count):
            head = RecordHead(
                _TYPE_CHUNK,
                bool(columns[count * 20 + chunk] & _FLAG_SYNC),
                numbers[chunk],
                numbers[count + chunk],
                0,
                numbers[2 * count + chunk],
                0,
            )
            index.add(offset, head)
            offset = index.end(chunk)
        return index


class _Sealing:
    """What writing and reading share: the segment's key and the associated data of a record."""

    def __init__(self, hour_key: ScopeKey, binding: Binding) -> None:
        self.binding = binding
        self._secret = hour_key.derive(b"segment " + binding.segment_id.bytes)
        self._cipher = AESGCM(self._secret)
        self._digest = binding.digest()

    def _footer_cipher(self, salt: bytes) -> AESGCM:
        return AESGCM(derive_key(self._secret, b"footer " + salt))


class SegmentSealer(_Sealing):
    """Seals the records of one new segment, in order, once. Belongs to whoever writes the file."""

    def __init__(self, hour_key: ScopeKey, binding: Binding) -> None:
        super().__init__(hour_key, binding)
        self._counter = 0

    @property
    def records(self) -> int:
        """How many were sealed."""
        return self._counter

    def seal_opening(self, opening: Opening) -> SealedRecord:
        body = msgspec.msgpack.encode(opening)
        return self._seal(RecordHead(_TYPE_OPENING, False, len(body), 0, 0, 0, opening.first_sequence), body)

    def seal_chunk(self, frame: MediaFrame, wall_us: int) -> SealedRecord:
        head = RecordHead(
            _TYPE_CHUNK,
            frame.is_sync,
            len(frame.chunk),
            frame.decode_time,
            frame.composition_offset,
            wall_us,
            frame.sequence,
        )
        return self._seal(head, frame.chunk)

    def seal_footer(self, index: SegmentIndex, offset: int) -> bytes:
        """The footer at `offset`. May be made again (after a crash): each has a key of its own."""
        salt = os.urandom(SALT_BYTES)
        place = self._digest + _FOOTER_PLACE.pack(offset, len(index) + 1)
        return salt + self._footer_cipher(salt).encrypt(_NONCE.pack(0, 0), index.render(), place)

    def _seal(self, head: RecordHead, body: bytes) -> SealedRecord:
        counter = self._counter
        self._counter = counter + 1
        kind, is_sync, size, decode_time, composition_offset, wall_us, sequence = head
        plain = _HEAD.pack(kind, is_sync, size, decode_time, composition_offset, wall_us, sequence)
        place = self._digest + _COUNTER.pack(counter)
        sealed_head = self._cipher.encrypt(_NONCE.pack(_PART_HEAD, counter), plain, place)
        sealed_body = self._cipher.encrypt(_NONCE.pack(_PART_BODY, counter), body, place + plain)
        return SealedRecord(head, (sealed_head, sealed_body))


class SegmentOpener(_Sealing):
    """Opens records by their number. Raises RecordDamaged for whatever was not sealed at that very place."""

    def open_head(self, counter: int, sealed: bytes | memoryview) -> RecordHead:
        head, _ = self._open_head(counter, sealed)
        return head

    def open_record(self, counter: int, sealed: bytes | memoryview) -> tuple[RecordHead, bytes]:
        """Head and body of a whole record."""
        head, plain = self._open_head(counter, sealed[:HEAD_BYTES])
        if len(sealed) != HEAD_BYTES + head.size + TAG_BYTES:
            raise RecordDamaged(f"record {counter} is cut or has grown")
        place = self._digest + _COUNTER.pack(counter) + plain
        return head, self._decrypt(_PART_BODY, counter, sealed[HEAD_BYTES:], place)

    def open_opening(self, sealed: bytes | memoryview) -> Opening:
        """Record 0."""
        head, body = self.open_record(0, sealed)
        if head.kind != _TYPE_OPENING:
            raise RecordDamaged("record 0 does not open a run")
        return msgspec.msgpack.decode(body, type=Opening)

    def open_chunk(self, counter: int, sealed: bytes | memoryview) -> tuple[RecordHead, bytes]:
        head, body = self.open_record(counter, sealed)
        if head.kind != _TYPE_CHUNK:
            raise RecordDamaged(f"record {counter} holds no chunk")
        return head, body

    def open_footer(self, sealed: bytes | memoryview, offset: int, records: int, first_offset: int) -> SegmentIndex:
        """The index, if the footer closes exactly `records` records and stands at `offset`."""
        salt, body = bytes(sealed[:SALT_BYTES]), sealed[SALT_BYTES:]
        place = self._digest + _FOOTER_PLACE.pack(offset, records)
        try:
            plain = self._footer_cipher(salt).decrypt(_NONCE.pack(0, 0), body, place)
        except (InvalidTag, ValueError) as error:
            raise RecordDamaged("the footer does not open") from error
        index = SegmentIndex.parse(plain, first_offset)
        if len(index) + 1 != records or (len(index) and index.end(len(index) - 1) != offset):
            raise RecordDamaged("the footer counts other records")
        return index

    def _open_head(self, counter: int, sealed: bytes | memoryview) -> tuple[RecordHead, bytes]:
        place = self._digest + _COUNTER.pack(counter)
        plain = self._decrypt(_PART_HEAD, counter, sealed, place)
        kind, flags, size, decode_time, composition_offset, wall_us, sequence = _HEAD.unpack(plain)
        if size > max(MAX_CHUNK_BYTES, MAX_OPENING_BYTES):
            raise RecordDamaged(f"record {counter} claims {size} bytes")
        head = RecordHead(kind, bool(flags & _FLAG_SYNC), size, decode_time, composition_offset, wall_us, sequence)
        return head, plain

    def _decrypt(self, part: int, counter: int, sealed: bytes | memoryview, place: bytes) -> bytes:
        try:
            return self._cipher.decrypt(_NONCE.pack(part, counter), sealed, place)
        except (InvalidTag, ValueError) as error:
            raise RecordDamaged(f"record {counter} does not open") from error


def render_header(binding: Binding, media_key: ScopeKey) -> bytes:
    """The first HEADER_BYTES of a file: names the segment, and says in sealed form what it holds.

    Needed when the index row is lost (a restored database, a power cut): the file finds its place again.
    """
    hour = binding.hour
    label = _LABEL.pack(
        hour.epoch.device_id.bytes,
        hour.epoch.number,
        hour.channel_id.bytes,
        _STREAMS.index(binding.stream),
        hour.hour,
    )
    head = _HEADER.pack(_MAGIC, FORMAT_VERSION, bytes(7), binding.segment_id.bytes)
    return head + media_key.seal(label, _label_context(binding.segment_id))


def parse_header(data: bytes, media_key: ScopeKey) -> Binding:
    """What a file is; raises NotASegment."""
    if len(data) < HEADER_BYTES:
        raise NotASegment("the file is shorter than a header")
    magic, version, reserved, segment_bytes = _HEADER.unpack_from(data)
    if (magic, version) != (_MAGIC, FORMAT_VERSION) or any(reserved):
        raise NotASegment("the file does not begin like a segment of this version")
    segment_id = UUID(bytes=segment_bytes)
    try:
        label = media_key.open(data[_HEADER.size : HEADER_BYTES], _label_context(segment_id))
        device, epoch, channel, stream, hour = _LABEL.unpack(label)
    except (SealBroken, struct.error) as error:
        raise NotASegment("the label of the segment does not open") from error
    return Binding(
        segment_id, HourRef(UUID(bytes=channel), EpochRef(UUID(bytes=device), epoch), hour), _STREAMS[stream]
    )


def _label_context(segment_id: UUID) -> str:
    return f"segment/{segment_id}"


@dataclass(frozen=True, slots=True)
class Scan:
    """What a forward reading of a file found to be sound."""

    opening: Opening
    index: SegmentIndex
    end: int  # offset after the last record that opens
    has_footer: bool  # and nothing but a footer that fits follows

    def upto(self, chunks: int) -> "Scan":
        """The same with its first `chunks` only, fewer than it has."""
        index = self.index.upto(chunks)
        return Scan(self.opening, index, index.end(chunks - 1) if chunks else 0, False)


def scan(opener: SegmentOpener, data: bytes | mmap) -> Scan:
    """Reads a whole file (header included) record by record up to the first that does not open.

    Raises NotASegment when not even record 0 opens: then nothing in the file was ever acknowledged.
    """
    view = memoryview(data)
    try:
        head = opener.open_head(0, view[HEADER_BYTES : HEADER_BYTES + HEAD_BYTES])
        end = HEADER_BYTES + HEAD_BYTES + head.size + TAG_BYTES
        opening = opener.open_opening(view[HEADER_BYTES:end])
    except (RecordDamaged, msgspec.MsgspecError) as error:
        raise NotASegment("record 0 does not open") from error
    first_offset = end
    index = SegmentIndex(opening.first_sequence)
    for head in _sound_chunks(opener, view, first_offset):
        index.add(end, head)
        end = index.end(len(index) - 1)
    try:
        opener.open_footer(view[end:], end, len(index) + 1, first_offset)
    except RecordDamaged:
        return Scan(opening, index, end, False)
    return Scan(opening, index, end, True)


def _sound_chunks(opener: SegmentOpener, view: memoryview, offset: int) -> Iterator[RecordHead]:
    for counter in range(1, MAX_RECORDS):
        try:
            size = opener.open_head(counter, view[offset : offset + HEAD_BYTES]).size
            end = offset + HEAD_BYTES + size + TAG_BYTES
            head, _ = opener.open_chunk(counter, view[offset:end])
        except RecordDamaged:
            return
        yield head
        offset = end
