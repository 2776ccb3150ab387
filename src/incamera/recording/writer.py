"""Files of one volume: sealed, written and synced by one thread, so that a stalled disk stops nothing else.

The event loop hands over jobs and awaits them. The thread takes all that wait, does them, then syncs each file they
touched once, and only then answers: an answer means *durable*. On a slow disk more work gathers per round and syncs
become rarer by themselves; what waits is bounded by the spans, and the edge's spool covers the difference.
"""

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Final, NamedTuple, TypeVar, cast

from incamera.kit.files import sync_folder
from incamera.protocol.frames import MediaFrame
from incamera.recording.segment import (
    Binding,
    Opening,
    SegmentIndex,
    SegmentSealer,
    render_header,
)
from incamera.storage.vault import ScopeKey

_MAX_PARTS: Final = 1000  # IOV_MAX is 1024 on Linux
_STOP_TIMEOUT_S: Final = 10.0

Result = TypeVar("Result")


class Closed(NamedTuple):
    """A finished file."""

    footer_offset: int
    size_bytes: int
    chunks: int


class SegmentFile:
    """One segment on its way to the disk. All methods run in the writer thread, except reading `index` and `path`."""

    def __init__(self, path: Path, binding: Binding, hour_key: ScopeKey, media_key: ScopeKey, opening: Opening) -> None:
        self.path = path
        self.opening = opening
        self.index = SegmentIndex(opening.first_sequence)
        self._sealer = SegmentSealer(hour_key, binding)
        self._header = render_header(binding, media_key)
        self._descriptor = -1
        self._end = 0
        self._is_named = False  # the folder entry is durable
        self.is_dirty = False

    def create(self) -> None:
        """Makes the file with header and record 0; never overwrites one."""
        self._descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._write([self._header, *self._sealer.seal_opening(self.opening).parts])

    def append(self, frames: Sequence[tuple[MediaFrame, int]]) -> None:
        """Seals and writes chunks, each with the wall time to index it by, in one `writev`."""
        sealed = [self._sealer.seal_chunk(frame, wall_us) for frame, wall_us in frames]
        end = self._end
        self._write([part for record in sealed for part in record.parts])
        for record in sealed:
            self.index.add(end, record.head)
            end = self.index.end(len(self.index) - 1)

    def sync(self) -> None:
        """After this everything appended survives a power cut."""
        os.fdatasync(self._descriptor)
        if not self._is_named:
            sync_folder(self.path.parent)
            self._is_named = True
        self.is_dirty = False

    def finish(self, chunks: int) -> Closed:
        """Keeps the first `chunks`, writes the footer, syncs and closes. Without a chunk the file is removed."""
        if not chunks:
            self.discard()
            return Closed(0, 0, 0)
        if chunks < len(self.index):
            self.index = self.index.upto(chunks)
        self._end = self.index.end(chunks - 1)
        os.ftruncate(self._descriptor, self._end)  # also cuts off what a failed write left behind
        footer = self._sealer.seal_footer(self.index, self._end)
        footer_offset = self._end
        try:
            self._write([footer])
            self.sync()
        except OSError:
            # Recovery writes it at the next start; the row stays open until then.
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, footer_offset)
            raise
        finally:
            self.release()
        return Closed(footer_offset, footer_offset + len(footer), chunks)

    def discard(self) -> None:
        """Closes and removes the file."""
        self.release()
        try:
            self.path.unlink(missing_ok=True)
        except OSError:
            if self.path.exists():  # a read-only volume refuses to remove even what is not there
                raise

    def release(self) -> None:
        """Closes the file as it is."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        self.is_dirty = False

    def _write(self, parts: list[bytes]) -> None:
        self.is_dirty = True
        for start in range(0, len(parts), _MAX_PARTS):
            self._write_some(parts[start : start + _MAX_PARTS])

    def _write_some(self, parts: list[bytes]) -> None:
        wanted = sum(map(len, parts))
        written = os.pwritev(self._descriptor, parts, self._end)
        if written < wanted:  # the disk fills up: the second try tells by its error
            rest = memoryview(b"".join(parts))[written:]
            while rest:
                step = os.pwrite(self._descriptor, rest, self._end + wanted - len(rest))
                rest = rest[step:]
        self._end += wanted


class _Job(NamedTuple):
    work: Callable[[], Any]
    file: SegmentFile | None
    answer: "asyncio.Future[Any]"


class VolumeWriter:
    """The writer thread of one volume."""

    def __init__(self, name: str = "media-writer") -> None:
        self._loop = asyncio.get_running_loop()
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._busy_since_s: float | None = None
        # A daemon: a disk that never answers must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    async def run(self, work: Callable[[], Result], file: SegmentFile | None = None) -> Result:
        """Does `work` in the thread; with a `file`, answers only after that file was synced."""
        answer: asyncio.Future[Any] = self._loop.create_future()
        self._queue.put(_Job(work, file, answer))
        return cast("Result", await answer)

    def post(self, work: Callable[[], None]) -> None:
        """Does `work` after all that waits, for a caller that is being cancelled and cannot await it."""
        answer: asyncio.Future[Any] = self._loop.create_future()
        answer.cancel()
        self._queue.put(_Job(work, None, answer))

    def busy_s(self) -> float:
        """For how long the thread has been at the same round of jobs, in seconds; 0 while it has none."""
        since_s = self._busy_since_s
        return 0.0 if since_s is None else time.monotonic() - since_s

    async def stop(self) -> None:
        """Ends after all that was handed over, or gives up on a disk that does not answer."""
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join, _STOP_TIMEOUT_S)

    def _run(self) -> None:
        is_running = True
        while is_running:
            self._busy_since_s = None
            jobs = self._take()
            self._busy_since_s = time.monotonic()
            if jobs[-1] is None:
                is_running = False
            outcomes = [(job, *_outcome(job.work)) for job in jobs if job is not None]
            failed = _sync_all({job.file for job, _, error in outcomes if job.file is not None and error is None})
            answers = [(job.answer, result, error or failed.get(job.file)) for job, result, error in outcomes]
            with contextlib.suppress(RuntimeError):  # the loop was closed under a writer that is being given up
                self._loop.call_soon_threadsafe(_deliver, answers)

    def _take(self) -> list[_Job | None]:
        jobs = [self._queue.get()]
        while jobs[-1] is not None and not self._queue.empty():
            jobs.append(self._queue.get())
        return jobs


def _outcome(work: Callable[[], Any]) -> tuple[Any, Exception | None]:
    try:
        return work(), None
    except Exception as error:  # noqa: BLE001 - it is raised again where the job is awaited
        return None, error


def _sync_all(files: set[SegmentFile]) -> dict[SegmentFile | None, Exception]:
    failed: dict[SegmentFile | None, Exception] = {}
    for file in files:
        if not file.is_dirty:
            continue
        try:
            file.sync()
        except OSError as error:
            failed[file] = error
    return failed


def _deliver(answers: list[tuple["asyncio.Future[Any]", Any, Exception | None]]) -> None:
    for answer, result, error in answers:
        if answer.done():
            continue
        if error is None:
            answer.set_result(result)
        else:
            answer.set_exception(error)
