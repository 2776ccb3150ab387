"""What else there is at an address: the smaller stream, and a recorder's other inputs. Tried by an edge, politely.

    given address ─► rule? ─no─► only itself
                      └► given input: main, then sub ─► the other inputs, two at a time, main only

A recorder is a small machine that serves a dozen viewers at once, and counts failed sign-ins. The input that a person
gave is tried first and alone; a refused password ends everything, as does a recorder that does not answer. Any other
fault is that input's own: most recorders have empty ones.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from incamera.devices.address import CameraAddress, CameraLogin
from incamera.devices.stream_rules import StreamPair, find_rule
from incamera.protocol.messages import CameraFault, ProbeResult

AT_ONCE: Final = 2
LONGEST_S: Final = 45.0  # of one request; what is left is for the next one
_NOBODY_THERE: Final = 2  # unanswered tries in a row: the recorder is gone
_ENDS_ALL: Final = frozenset(
    {CameraFault.REFUSED_PASSWORD, CameraFault.NEEDS_PASSWORD, CameraFault.ADDRESS_REFUSED, CameraFault.NAME_NOT_FOUND}
)

Try = Callable[[CameraAddress], Awaitable[ProbeResult]]
Monotonic = Callable[[], float]


@dataclass(frozen=True, slots=True)
class FoundStream:
    """One input. `sub`: only if the rule's smaller stream is there. `fault` `not_tried`: ask again from its number."""

    number: int
    main: CameraAddress
    sub: CameraAddress | None
    fault: CameraFault | Literal["not_tried"]
    result: ProbeResult | None = None


class StreamSearch:
    """One search. `try_one` tries an address by way of an edge; errors of the uplink go through."""

    def __init__(self, login: CameraLogin, try_one: Try, monotonic: Monotonic) -> None:
        self._known = find_rule(login.address)
        self._given = login.address
        self._try = try_one
        self._monotonic = monotonic
        self._until_s = monotonic() + LONGEST_S
        self._unanswered = 0
        self._is_over = False

    @property
    def brand(self) -> str:
        """Whose way of writing addresses this is; empty if it is nobody's, or we do not know."""
        return self._known.rule.brand if self._known is not None else ""

    async def run(self, first: int, count: int) -> list[FoundStream]:
        """Inputs `first` to `first + count - 1` of the same device; `count` 0: just the given one."""
        if self._known is None:
            result = await self._try(self._given)
            return [FoundStream(1, self._given, None, result.fault, result)]
        pairs = list(self._known.pairs(first, count)) if count else [self._known.pair(self._known.number)]
        if not pairs:
            return []
        given = next((pair for pair in pairs if pair.number == self._known.number), pairs[0])
        start = await self._look_at(given)
        has_sub = start.fault is CameraFault.NONE and await self._has_sub(given)
        others = [pair for pair in pairs if pair is not given]
        found = [_with_sub(start, given, has_sub), *await self._look_at_all(others, has_sub)]
        return sorted(found, key=lambda one: one.number)

    async def _has_sub(self, pair: StreamPair) -> bool:
        if pair.sub == self._given:  # a person gave the smaller one: then there is one
            return True
        return (await self._try(pair.sub)).fault is CameraFault.NONE

    async def _look_at_all(self, pairs: Sequence[StreamPair], has_sub: bool) -> list[FoundStream]:
        turns = asyncio.Semaphore(AT_ONCE)

        async def in_turn(pair: StreamPair) -> FoundStream:
            async with turns:
                return _with_sub(await self._look_at(pair), pair, has_sub)

        tasks = [asyncio.create_task(in_turn(pair)) for pair in pairs]
        try:
            return await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()

    async def _look_at(self, pair: StreamPair) -> FoundStream:
        if self._is_over or self._monotonic() >= self._until_s:
            return FoundStream(pair.number, pair.main, None, "not_tried")
        result = await self._try(pair.main)
        self._unanswered = self._unanswered + 1 if result.fault is CameraFault.UNREACHABLE else 0
        self._is_over = self._is_over or result.fault in _ENDS_ALL or self._unanswered >= _NOBODY_THERE
        return FoundStream(pair.number, pair.main, None, result.fault, result)


def _with_sub(found: FoundStream, pair: StreamPair, has_sub: bool) -> FoundStream:
    sub = pair.sub if has_sub and found.fault is CameraFault.NONE else None
    return FoundStream(found.number, found.main, sub, found.fault, found.result)
