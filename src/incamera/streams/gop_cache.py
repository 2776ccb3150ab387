"""What a newcomer gets at once: the chunks of a stream that decode without anything before them.

Picture: everything since the last sync sample. Sound, where every chunk is a sync sample: as much as a usual GOP lasts,
so that both begin together. Both are bounded; nothing here reaches a disk.
"""

from collections import deque
from collections.abc import Sequence
from typing import Final

from incamera.protocol.messages import StreamKind
from incamera.streams.model import LiveChunk

GOP_CACHE_BYTES: Final = 16 * 1024 * 1024
GOP_CACHE_S: Final = 30.0
SOUND_CACHE_S: Final = 2.0
_CHUNK_COSTS_BYTES: Final = 512  # beside its media: tiny chunks must not fill the memory by their number


class ChunkCache:
    """Chunks of the current run in order."""

    def __init__(self) -> None:
        self._chunks: deque[LiveChunk] = deque()
        self._bytes = 0
        self._timescale = 1

    @property
    def chunks(self) -> Sequence[LiveChunk]:
        """A copy: the first one, if any, is a sync sample."""
        return tuple(self._chunks)

    @property
    def duration_s(self) -> float:
        """Between the first chunk and the newest; 0 when there is none."""
        return self._duration_ticks() / self._timescale if self._chunks else 0.0

    def begin(self, timescale: int) -> None:
        """A run with these ticks per second starts."""
        self.clear()
        self._timescale = timescale

    def add(self, chunk: LiveChunk) -> None:
        raise NotImplementedError

    def drop_if_older(self, published_at: float) -> None:
        """Empties itself when even the newest chunk was published before that moment."""
        if self._chunks and self._chunks[-1].published_at < published_at:
            self.clear()

    def clear(self) -> None:
        self._chunks = deque()
        self._bytes = 0

    def _append(self, chunk: LiveChunk) -> None:
        self._chunks.append(chunk)
        self._bytes += chunk.size_bytes + _CHUNK_COSTS_BYTES

    def _duration_ticks(self) -> int:
        return self._chunks[-1].decode_time - self._chunks[0].decode_time


class GopCache(ChunkCache):
    """The chunks since the last sync sample; empty while a GOP is longer than the limits."""

    def add(self, chunk: LiveChunk) -> None:
        if chunk.is_sync:
            self.clear()
        elif not self._chunks:
            return  # this GOP is already beyond the limits
        self._append(chunk)
        if self._bytes > GOP_CACHE_BYTES or self._duration_ticks() > GOP_CACHE_S * self._timescale:
            self.clear()


class SoundCache(ChunkCache):
    """The last SOUND_CACHE_S of sound."""

    def add(self, chunk: LiveChunk) -> None:
        self._append(chunk)
        while len(self._chunks) > 1 and self._is_long():
            self._bytes -= self._chunks.popleft().size_bytes + _CHUNK_COSTS_BYTES

    def _is_long(self) -> bool:
        return self._duration_ticks() > SOUND_CACHE_S * self._timescale or self._bytes > GOP_CACHE_BYTES


def make_cache(stream: StreamKind) -> ChunkCache:
    """The cache that suits a stream."""
    return SoundCache() if stream is StreamKind.AUDIO else GopCache()
