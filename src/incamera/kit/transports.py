"""How much of what was written still waits in this process, also when TLS is in between.

A TLS transport counts what it has not encrypted yet. What it has, lies in the plain transport below, and that one
takes everything at once whenever it has run dry: to whoever asks the TLS transport alone, seconds of media on a slow
line look like nothing (measured: a viewer 25 s behind, falling further back, with a count of 0 every few seconds).
"""

import asyncio
import gc
from collections.abc import Callable
from typing import cast


def count_unsent(transport: asyncio.Transport) -> Callable[[], int]:
    """A function that counts the bytes not yet given to the kernel; as quick as the transport's own without TLS."""
    below = find_below_tls(transport)
    if below is None:
        return transport.get_write_buffer_size
    count_above, count_below = transport.get_write_buffer_size, below.get_write_buffer_size
    return lambda: count_above() + count_below()


def find_below_tls(transport: asyncio.Transport) -> asyncio.Transport | None:
    """The transport that carries a TLS transport's bytes; None for one without TLS.

    Neither asyncio nor uvloop has a name for it. Both hold it in the protocol that a TLS transport holds, and the
    garbage collector can tell what an object holds, also one that is written in C.
    """
    if transport.get_extra_info("ssl_object") is None:
        return None
    held = [*gc.get_referents(transport), *getattr(transport, "__dict__", {}).values()]
    for protocol in held:
        if type(protocol).__name__ == "SSLProtocol":
            members = [*gc.get_referents(protocol), *getattr(protocol, "__dict__", {}).values()]
            for member in members:
                if member is not transport and _carries_bytes(member):
                    return cast("asyncio.Transport", member)
    return None


def _carries_bytes(thing: object) -> bool:
    """Whether this is a transport; uvloop's are none of asyncio's class."""
    return hasattr(thing, "get_write_buffer_size") and not type(thing).__name__.startswith("_SSLProtocolTransport")
