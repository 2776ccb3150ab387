"""What the courier carries: spans of this life, and sealed spool files of earlier ones.

Both are opened by a message, get an index from the server, are sent frame by frame and acknowledged by number.

    WAITING ──open──► OPENING ──stream.start──► STARTED ──all sent, complete──► CLOSED ──last ack──► (done)
       ▲                 │ refused busy            │ line lost, resend after close,     │
       └─────────────────┴─────────────────────────┴─ no acknowledgement for 10 s ──────┘
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import Final
from uuid import UUID

import msgspec

from incamera.edge.spool import FormerFile, SpoolFile
from incamera.kit.ids import new_id
from incamera.protocol.frames import FLAG_BACKLOG, FLAG_SEALED, FLAG_SYNC, MediaFrame, render_uplink_header
from incamera.protocol.messages import GapCause, Message, SpoolOpen, StreamClose, StreamOpen
from incamera.protocol.spool import SpoolRecord

READ_BYTES: Final = 1024 * 1024


_RECORD_BYTES: Final = 100  # around a chunk in a file, about
SPILL_BYTES: Final = 4 * 1024 * 1024  # sealed and written at once: what a batch costs in memory, twice


class OutChunk(msgspec.Struct, frozen=True, gc=False):
    """A chunk on its way out."""

    decode_time: int
    composition_offset: int
    is_sync: bool
    wall_us: int
    data: bytes
    arrived_s: float  # monotonic


class ParcelState(Enum):
    WAITING = auto()
    OPENING = auto()
    STARTED = auto()
    CLOSED = auto()


class Parcel(ABC):
    """One thing to deliver. `cursor` is the next number to send on this connection, `acknowledged` the last durable."""

    id: UUID
    is_backlog: bool

    def __init__(self) -> None:
        self.state = ParcelState.WAITING
        self.index = 0
        self.cursor = 0
        self.acknowledged = -1
        self.retry_at_s = 0.0
        self.progress_at_s = 0.0  # when the last acknowledgement came, or the close was sent
        self.is_reading = False
        self.in_flight: dict[int, int] = {}  # number -> size of backlog frames sent and not acknowledged

    @property
    @abstractmethod
    def end(self) -> int:
        """One more than the last number there is by now."""

    @property
    @abstractmethod
    def is_complete(self) -> bool:
        """Whether nothing will be added any more."""

    @property
    @abstractmethod
    def disk_bytes(self) -> int: ...

    @abstractmethod
    def open_message(self) -> Message: ...

    @abstractmethod
    def close_message(self) -> StreamClose: ...

    @abstractmethod
    def frame(self, number: int) -> tuple[bytes, bytes] | None:
        """Header and payload of one frame; None while it must first be read from the disk."""

    @abstractmethod
    def read_ahead(self) -> dict[int, OutChunk] | dict[int, bytes]:
        """Blocking: what is on the disk from `cursor` on, about READ_BYTES. Raises OSError, SpoolUnreadable."""

    @abstractmethod
    def stage(self, read: dict[int, OutChunk] | dict[int, bytes]) -> None:
        """Takes what `read_ahead` brought."""

    @abstractmethod
    def release(self, number: int) -> int:
        """Forgets everything up to and including `number`; how many bytes of memory that freed."""

    @property
    @abstractmethod
    def path(self) -> Path | None:
        """Of its file, if there is one."""

    @property
    def is_delivered(self) -> bool:
        return self.is_complete and self.acknowledged >= self.end - 1

    def restart(self, number: int) -> None:
        """To be opened again, to send from `number` on."""
        self.state = ParcelState.WAITING
        self.cursor = max(number, self.acknowledged + 1)
        self.in_flight.clear()


@dataclass(frozen=True, slots=True)
class SpillBatch:
    """Records of a span on their way to the disk."""

    records: tuple[SpoolRecord, ...]
    first: int  # sequences from `first` to one before `end`
    end: int
    with_close: bool
    size_bytes: int


class Span(Parcel):
    """An ordered piece of one run of one stream.

    A recorded span keeps its chunks until they are acknowledged, in memory or in a spool file. What was acknowledged
    before it was written is missing in the file, so that is made of stretches. One that is only watched keeps chunks
    until they are sent.
    """

    def __init__(self, opened: StreamOpen, *, is_recorded: bool, started_s: float) -> None:
        super().__init__()
        self.id = opened.span_id
        self.opened = opened
        self.is_recorded = is_recorded
        self.is_backlog = opened.is_backlog
        self.started_s = started_s
        self.is_gone = False  # dropped or refused: the lane must begin another one
        self.was_opened = False  # the server may know it
        self.closed_by: GapCause | None = None
        self.cursor = self._end = opened.first_sequence
        self.acknowledged = opened.first_sequence - 1
        self.total_bytes = 0
        self.memory: dict[int, OutChunk] = {}
        self.memory_bytes = 0
        self.file: SpoolFile | None = None
        self._pieces: list[tuple[int, int]] = []  # (sequence, record number) where each stretch in the file begins
        self.spilled_end = opened.first_sequence  # sequences below it are on the disk or acknowledged
        self.is_close_spilled = False
        self._batch: SpillBatch | None = None  # being written; after a failure it goes again as it is
        self._staged: dict[int, OutChunk] = {}

    @property
    def end(self) -> int:
        return self._end

    @property
    def is_complete(self) -> bool:
        return self.closed_by is not None

    @property
    def disk_bytes(self) -> int:
        return 0 if self.file is None else self.file.size_bytes

    def append(self, chunk: OutChunk) -> int:
        """Adds a chunk; its sequence."""
        sequence = self._end
        self._end = sequence + 1
        self.memory[sequence] = chunk
        size = len(chunk.data)
        self.memory_bytes += size
        self.total_bytes += size
        return sequence

    def open_message(self) -> StreamOpen:
        self.was_opened = True
        return msgspec.structs.replace(self.opened, is_backlog=self.is_backlog, first_sequence=self.acknowledged + 1)

    def close_message(self) -> StreamClose:
        return StreamClose(span_id=self.id, last_sequence=self._end - 1, cause=self.closed_by or GapCause.LINE_LOST)

    def frame(self, number: int) -> tuple[bytes, bytes] | None:
        chunk = self.memory.get(number) or self._staged.pop(number, None)
        if chunk is None:
            return None
        flags = (FLAG_SYNC if chunk.is_sync else 0) | (FLAG_BACKLOG if self.is_backlog else 0)
        header = render_uplink_header(
            self.index, flags, number, chunk.decode_time, chunk.composition_offset, chunk.wall_us
        )
        return header, chunk.data

    def release(self, number: int) -> int:
        freed = 0
        for sequence in range(self.acknowledged + 1, number + 1):
            chunk = self.memory.pop(sequence, None)
            if chunk is not None:
                freed += len(chunk.data)
            self._staged.pop(sequence, None)
        self.acknowledged = max(self.acknowledged, number)
        self.spilled_end = max(self.spilled_end, number + 1)
        self.memory_bytes -= freed
        return freed

    def give_up(self) -> int:
        """Nothing of it is kept in memory; how many bytes that freed."""
        self.is_gone = True
        freed, self.memory_bytes = self.memory_bytes, 0
        self.memory.clear()
        self._staged.clear()
        self._batch = None
        return freed

    def sent_unrecorded(self, sequence: int) -> None:
        """A span that is only watched forgets what it sent."""
        chunk = self.memory.pop(sequence)
        self.memory_bytes -= len(chunk.data)
        self.acknowledged = sequence

    # --- the disk ---

    @property
    def oldest_in_memory_s(self) -> float | None:
        """When the oldest chunk arrived that is in memory only."""
        chunk = self.memory.get(self.spilled_end)
        return None if chunk is None else chunk.arrived_s

    @property
    def has_close_to_spill(self) -> bool:
        return self.file is not None and self.is_complete and not self.is_close_spilled

    def next_batch(self) -> "SpillBatch":
        """What is in memory only, oldest first, as records: about SPILL_BYTES of it.

        The same batch again until it is `spilled`, also if the server has got some of it meanwhile: a file takes no
        other records in place of those that it has failed to take (`SpoolFile.append`).
        """
        if self._batch is not None:
            return self._batch
        records: list[SpoolRecord] = []
        first = end = self.spilled_end
        size_bytes = 0
        if self.file is None:
            records.append(msgspec.structs.replace(self.opened, is_backlog=True, first_sequence=first))
        while end < self._end and size_bytes < SPILL_BYTES:
            chunk = self.memory[end]
            records.append(_as_record(end, chunk))
            size_bytes += len(chunk.data) + _RECORD_BYTES
            end += 1
        with_close = self.is_complete and end == self._end
        if with_close:
            records.append(self.close_message())
        self._batch = SpillBatch(tuple(records), first, end, with_close, size_bytes)
        return self._batch

    def not_spilled(self) -> None:
        """The batch failed. Where there is no file yet, the next try is free to bring what is there by then."""
        if self.file is None:
            self._batch = None

    def spilled(self, batch: "SpillBatch") -> int:
        """This batch is durable on the disk; how many bytes of memory that freed."""
        assert self.file is not None
        self._batch = None
        count = self.file.record_count - (batch.end - batch.first) - (1 if batch.with_close else 0)
        self._pieces.append((batch.first, count))
        freed = 0
        for sequence in range(self.spilled_end, batch.end):
            chunk = self.memory.pop(sequence, None)
            freed += len(chunk.data) if chunk is not None else 0
        self.spilled_end = max(self.spilled_end, batch.end)
        self.memory_bytes -= freed
        self.is_close_spilled = batch.with_close
        return freed

    def read_ahead(self) -> dict[int, OutChunk]:
        assert self.file is not None
        sequence, first_record = max(piece for piece in self._pieces if piece[0] <= self.cursor)
        number = first_record + self.cursor - sequence
        chunks: dict[int, OutChunk] = {}
        for record in self.file.read(number, READ_BYTES):
            if isinstance(record, MediaFrame):
                chunks[record.sequence] = OutChunk(
                    record.decode_time, record.composition_offset, record.is_sync, record.wall_us, record.chunk, 0.0
                )
        return chunks

    def stage(self, read: dict[int, OutChunk] | dict[int, bytes]) -> None:
        self._staged = {number: chunk for number, chunk in read.items() if isinstance(chunk, OutChunk)}

    def restart(self, number: int) -> None:
        super().restart(number)
        self.is_backlog = True
        self._staged.clear()

    @property
    def path(self) -> Path | None:
        return None if self.file is None else self.file.path


def _as_record(sequence: int, chunk: OutChunk) -> MediaFrame:
    times = (chunk.decode_time, chunk.composition_offset, chunk.wall_us)
    return MediaFrame(0, chunk.is_sync, True, sequence, *times, chunk.data)


class SealedFile(Parcel):
    """A spool file of an earlier life. Its records are numbered from 0; the first is the span's `stream.open`."""

    is_backlog = True

    def __init__(self, file: FormerFile) -> None:
        super().__init__()
        self.id = new_id()
        self._file = file
        self._count: int | None = None
        self._staged: dict[int, bytes] = {}

    @property
    def end(self) -> int:
        return 1 if self._count is None else self._count  # there is one record at least, or we would not be here

    @property
    def is_complete(self) -> bool:
        return self._count is not None

    @property
    def disk_bytes(self) -> int:
        return self._file.size_bytes

    def open_message(self) -> SpoolOpen:
        header = self._file.header
        return SpoolOpen(spool_id=self.id, salt=header.salt, wrapped_key=header.wrapped_key)

    def close_message(self) -> StreamClose:
        return StreamClose(span_id=self.id, last_sequence=self.end - 1, cause=GapCause.EDGE_RESTARTED)

    def frame(self, number: int) -> tuple[bytes, bytes] | None:
        sealed = self._staged.pop(number, None)
        if sealed is None:
            return None
        return render_uplink_header(self.index, FLAG_BACKLOG | FLAG_SEALED, number, 0, 0, 0), sealed

    def release(self, number: int) -> int:
        self.acknowledged = max(self.acknowledged, number)
        return 0

    def read_ahead(self) -> dict[int, bytes]:
        count = self._file.count_records()
        return dict(enumerate(self._file.read(self.cursor, READ_BYTES), self.cursor)) if self.cursor < count else {}

    def stage(self, read: dict[int, OutChunk] | dict[int, bytes]) -> None:
        self._count = self._file.count_records()  # known since read_ahead
        self._staged = {number: sealed for number, sealed in read.items() if isinstance(sealed, bytes)}

    def restart(self, number: int) -> None:
        super().restart(number)
        self._staged.clear()

    @property
    def path(self) -> Path | None:
        return self._file.path
