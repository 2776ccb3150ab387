"""Taking turns at one host: a recorder with 64 inputs is one small machine.

After a power cut all its streams want to connect at the same moment. It serves them all once they play, but signs in
few at a time: those that are too many it drops, and they come again, and again too many.
"""

import asyncio
import contextlib
import weakref
from collections.abc import AsyncIterator
from typing import Final
from urllib.parse import urlsplit

from incamera.protocol.messages import AnySource

AT_ONCE: Final = 4  # conversations up to PLAY per host; a camera has two streams, so that it never waits


class OpeningTurns:
    """One per edge."""

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._at_once = at_once
        # A host is forgotten with the last stream that has, or waits for, its turn.
        self._hosts: weakref.WeakValueDictionary[str, asyncio.Semaphore] = weakref.WeakValueDictionary()

    @contextlib.asynccontextmanager
    async def at(self, source: AnySource) -> AsyncIterator[None]:
        """Waits until this stream may connect. Files and devices of this machine never wait."""
        host = _host(source)
        if host is None:
            yield
            return
        turn = self._hosts.setdefault(host, asyncio.Semaphore(self._at_once))
        async with turn:
            yield


def _host(source: AnySource) -> str | None:
    try:
        return urlsplit(getattr(source, "url", "")).hostname
    except ValueError:  # no address at all: whoever opens it says so
        return None
