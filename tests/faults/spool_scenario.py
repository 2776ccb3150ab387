"""An edge without its server: chunks go to sealed files, span after span, and nobody but the server can read them."""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Final
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from incamera.edge import courier as courier_module
from incamera.edge.courier import Courier, SpoolLimits
from incamera.edge.parcels import OutChunk, Span
from incamera.edge.spool import FormerFile, SpoolDirectory
from incamera.kit.clock import SystemClock
from incamera.kit.ids import new_id
from incamera.protocol.frames import MediaFrame
from incamera.protocol.messages import GapCause, StreamKind, StreamOpen
from incamera.protocol.spool import RecordCipher, SpoolRecord, SpoolUnreadable, unwrap_spool_key
from tests.faults.shim import note

SPANS: Final = 3
CHUNKS: Final = 9
BATCH: Final = 3
_SERVER_KEY: Final = X25519PrivateKey.from_private_bytes(bytes(range(32)))
_PUBLIC: Final = _SERVER_KEY.public_key().public_bytes_raw()

courier_module._HOUSEKEEPING_S = 0.002  # type: ignore[misc]


async def prepare(home: Path) -> None:
    """Nothing: also the folder is made by the first life."""


async def act(home: Path) -> None:
    """Three spans; a note for each chunk that is on the disk, whoever dies now."""
    courier = await started_until_it_runs(home)
    housekeeping = asyncio.create_task(courier.run())
    for number in range(SPANS):
        span: Span = courier.open_span(opening(number), is_recorded=True)
        for first in range(0, CHUNKS, BATCH):
            for sequence in range(first, first + BATCH):
                courier.append(span, a_chunk(sequence))
            await spooled(span, first + BATCH)
            note(f"spooled {span.id} {first + BATCH - 1}")
        courier.close_span(span, GapCause.LINE_LOST)
    await courier.close(patience_s=0.5)
    housekeeping.cancel()


async def check(home: Path, notes: list[str]) -> None:
    """The next life finds whole records only, all that were promised, and goes on."""
    await check_spans(home, notes, may_drop_oldest=False)


async def check_spans(home: Path, notes: list[str], *, may_drop_oldest: bool) -> None:
    """As `check`; a disk that is full may have cost the oldest spans, each of them whole."""
    spooled_until = {UUID(text.split()[1]): int(text.split()[2]) for text in notes if text.startswith("spooled ")}
    found: dict[UUID, list[int]] = {}
    before = SpoolDirectory(home / "spool").open()
    for opened, sequences in filter(None, map(read_as_server, before)):
        found[opened.span_id] = sequences
        assert sequences == list(range(opened.first_sequence, opened.first_sequence + len(sequences)))
    dropped = [span_id for span_id in spooled_until if span_id not in found] if may_drop_oldest else []
    assert dropped == list(spooled_until)[: len(dropped)], "the oldest go first"
    for span_id, last in spooled_until.items():
        assert span_id in dropped or last in found.get(span_id, []), (
            f"{last} of {span_id} was on the disk; {found.get(span_id)} is left"
        )
    await act(home)
    files = SpoolDirectory(home / "spool").open()
    assert len(files) == len(before) + SPANS
    for file in files:
        file.path.unlink()


async def open_courier(home: Path) -> Courier:
    courier = Courier(home / "spool", SystemClock(), SpoolLimits(memory_bytes=600))
    await courier.open()
    courier.prepare_key(_PUBLIC)
    return courier


async def started_until_it_runs(home: Path) -> Courier:
    """An edge whose folder cannot be used says so and ends; whoever runs it starts it again."""
    for _ in range(100):
        with suppress(OSError):
            return await open_courier(home)
    raise AssertionError("it does not start")


async def spooled(span: Span, end: int) -> None:
    """Until all chunks before `end` are on the disk."""
    async with asyncio.timeout(10):
        while span.spilled_end < end:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.001)


def opening(number: int) -> StreamOpen:
    """The span with this number, the same in no two lives."""
    return StreamOpen(
        span_id=new_id(),
        run_id=UUID(int=1),
        channel_id=UUID(int=2),
        stream=StreamKind.MAIN,
        epoch=1,
        is_backlog=True,
        codec="avc1.640028",
        timescale=90_000,
        init_segment=b"init segment",
        width=1920,
        height=1080,
        run_started_us=0,
        run_decode_time=number,
        gap_cause=GapCause.LINE_LOST,
    )


def a_chunk(sequence: int) -> OutChunk:
    return OutChunk(sequence * 3600, 0, sequence % 3 == 0, sequence * 40_000, b"%08d" % sequence * 80, 0.0)


def read_as_server(file: FormerFile) -> tuple[StreamOpen, list[int]] | None:
    """What a file tells whoever has the server's key: the span, and its chunks up to the first that does not open."""
    cipher = RecordCipher(unwrap_spool_key(file.header.wrapped_key, _SERVER_KEY), file.header.salt)
    records: list[SpoolRecord] = []
    with suppress(SpoolUnreadable):
        for number, sealed in enumerate(file.read(0, 1 << 30) if file.count_records() else []):
            records.append(cipher.open(number, sealed))
    if not records:
        return None
    opened, *rest = records
    assert isinstance(opened, StreamOpen)
    frames = [record for record in rest if isinstance(record, MediaFrame)]
    assert all(frame.chunk == a_chunk(frame.sequence).data for frame in frames)
    return opened, [frame.sequence for frame in frames]
