"""Starting other people's servers: which version it is, a free port, and running until the measurement ends."""

import contextlib
import re
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from bench.harness import BenchError

START_S = 15.0
_ASK_S = 10.0
_STOP_S = 5.0


def read_version(program: Path, option: str) -> str:
    """The version that the program names when asked with `option`. Raises BenchError if there is no such program."""
    if not program.is_file():
        raise BenchError(f"there is no program at {program}: give the path of its binary, or leave that option out")
    try:
        command = [str(program), option]
        told = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_ASK_S)
    except (OSError, subprocess.SubprocessError) as error:
        raise BenchError(f"{program} does not run here ({error}): give one that was built for this machine") from None
    version = re.search(r"\d+\.\d+[\w.+-]*", told.stdout + told.stderr)
    if version is None:
        raise BenchError(f"{program} does not say its version when asked with {option}: is it the program you mean?")
    return version[0].rstrip(".")


@contextlib.contextmanager
def running(command: Sequence[str], port: int) -> Iterator[int]:
    """The process id of a server that answers on `port`. Raises BenchError, with its last words, if it does not."""
    with tempfile.TemporaryFile() as log, start(command, log) as process:
        deadline = time.monotonic() + START_S
        while not answers(port):
            if process.poll() is not None or time.monotonic() > deadline:
                log.seek(0)
                words = log.read()[-500:].decode(errors="replace").strip() or "it said nothing"
                raise BenchError(f"{command[0]} did not start: {words}")
            time.sleep(0.05)
        yield process.pid


@contextlib.contextmanager
def start(command: Sequence[str], log: IO[bytes] | int = subprocess.DEVNULL) -> Iterator["subprocess.Popen[bytes]"]:
    """A program until the block ends: then it is asked to stop, and made to after five seconds."""
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log) as process:
        try:
            yield process
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_STOP_S)
            if process.poll() is None:
                process.kill()


def answers(port: int) -> bool:
    """Whether somebody listens on this port of the loopback interface."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def free_port() -> int:
    """A port of the loopback interface that nobody has just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
