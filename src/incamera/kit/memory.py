"""The memory of this process: kept to itself, since keys and pictures in it are for no core file and no other process,
and left alone by the garbage collector where there is nothing to collect.
"""

import ctypes
import gc
import resource
import sys
from typing import Final

_PR_SET_DUMPABLE: Final = 4
_COLLECT_AFTER: Final = 10_000  # more objects that could be part of a cycle than there were


def keep_memory_private() -> bool:
    """No core file of this process, and no other process of the same user may trace it or read its environment.

    A camera's bytes are parsed by a child of the same user; should they take it over, they still find no root key in
    `/proc/PID/environ` or `/proc/PID/mem` of its parent (proc(5), ptrace(2)). Holds until another program is executed.
    False where only the core file could be forbidden.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
    if sys.platform != "linux":
        return False
    return int(ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)) == 0


def give_back_memory() -> None:
    """Returns what is free inside the C library's heaps to the system; takes some milliseconds, in any thread.

    A TLS connection needs some 30 kB in pieces of all sizes. Thousands that come and go leave holes between what stays,
    and glibc gives back only what is free at the end: a server with six thousand viewers in twenty minutes had grown by
    100 MB, of which it used nothing (mallinfo2). Does nothing where the C library has no such function.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def settle_memory() -> None:
    """To be called once all that lives as long as the process is there: the collector need not visit it any more.

    What comes and goes with every picture holds no cycles, so a look for some is worth while only now and then.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER, 10, 10)
