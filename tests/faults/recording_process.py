"""A recorder in a process of its own, to be killed: `python -m tests.faults.recording_process HOME CHANNEL DEVICE`.

Feeds one span as fast as it is acknowledged. Prints what a power cut may not take back, one line each:
`synced NAME SIZE` when a file was synced, `acked SEQUENCE` when a chunk was acknowledged.
"""

import asyncio
import os
import sys
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from incamera.devices.model import RecordingPlan
from incamera.recording import span as span_module
from incamera.recording.writer import SegmentFile
from tests.support.recordings import Span, a_studio

SPAN_ID, RUN_ID = UUID(int=1), UUID(int=2)


def report_syncs() -> None:
    """Has every file say how long it was when it was synced."""
    real = SegmentFile.sync

    def sync(file: SegmentFile) -> None:
        size = os.fstat(file._descriptor).st_size
        real(file)
        print(f"synced {file.path.name} {size}", flush=True)

    SegmentFile.sync = sync  # type: ignore[method-assign]


async def record(home: Path, channel: UUID, device: UUID) -> None:
    async with a_studio(home) as studio:
        await studio.vault.create_epoch_key(device, 1)
        studio.channels.rules[channel] = RecordingPlan(device, 1, True, False, timedelta(days=7))
        span = Span(studio, channel, picture_bytes=2000, started_us=studio.clock.now_us() - 3_000_000_000)
        span.opened = type(span.opened)(
            **{name: getattr(span.opened, name) for name in span.opened.__struct_fields__}
            | {"span_id": SPAN_ID, "run_id": RUN_ID}
        )
        await span.open()
        for first in range(0, 1_000_000, 20):
            span.send(*range(first, first + 20))
            await asyncio.sleep(0.002)
            if first - span.acked > 500:
                await span.durable(first - 500)
            print(f"acked {span.acked}", flush=True)


if __name__ == "__main__":
    span_module.FLUSH_S = 0.02  # type: ignore[misc]
    report_syncs()
    asyncio.run(record(Path(sys.argv[1]), UUID(sys.argv[2]), UUID(sys.argv[3])))
