import inspect
import subprocess
import sys

import pytest

from incamera.kit import memory

# Gives up being root, if it is, because root may read everything; then another process of that user looks.
PROGRAM = """
import ctypes, os, resource, subprocess, sys, typing
if os.getuid() == 0:
    os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)
    ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # another user has already made it private: open it again
def is_read_by_another():
    found = subprocess.run(["/bin/cat", f"/proc/{os.getpid()}/environ"], capture_output=True, cwd="/")
    return b"A_ROOT_KEY" in found.stdout
before = is_read_by_another()
exec(sys.argv[1])
keep_memory_private()
print(before, is_read_by_another(), resource.getrlimit(resource.RLIMIT_CORE)[0])
"""


@pytest.mark.req("X-03")
@pytest.mark.skipif(sys.platform != "linux", reason="other systems keep processes apart in other ways")
def test_another_process_of_the_same_user_reads_nothing_any_more() -> None:
    told = subprocess.run(
        [sys.executable, "-I", "-c", PROGRAM, inspect.getsource(memory)],
        env={"A_ROOT_KEY": "00" * 32},
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )

    assert told.stdout.split() == ["True", "False", "0"], told.stderr


SETTLING = """
import gc
from incamera.kit.memory import settle_memory
class Node: pass
def leave_cycle():
    node = Node(); node.itself = node
    return id(node)
settle_memory()
before = gc.get_freeze_count()
for _ in range(30_000): leave_cycle()
print(before > 1000, sum(isinstance(it, Node) for it in gc.get_objects()) < 20_000)
"""


def test_what_lives_for_ever_is_left_alone_and_cycles_are_still_found() -> None:
    told = subprocess.run([sys.executable, "-c", SETTLING], capture_output=True, text=True, check=True)
    assert told.stdout.split() == ["True", "True"]


HOLES = """
import ctypes, ctypes.util, sys
exec(sys.argv[1])
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096
pieces = [libc.malloc(30_000) for _ in range(3000)]
for piece in pieces:
    ctypes.memset(piece, 1, 30_000)
for piece in pieces[:-1]:  # the last one stays, and all that is free lies before it
    libc.free(piece)
before = resident()
give_back_memory()
print(before - resident())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="holes are left by the C library of Linux")
def test_what_is_free_between_what_is_used_goes_back_to_the_system() -> None:
    told = subprocess.run(
        [sys.executable, "-I", "-c", HOLES, inspect.getsource(memory)], capture_output=True, text=True, check=True
    )
    assert int(told.stdout) > 60_000_000
