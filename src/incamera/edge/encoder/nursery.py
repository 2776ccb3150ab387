"""`python -m incamera.edge.encoder.nursery FD DEVICE…`: makes the encoder children that open devices.

Landlock holds on to the very files that exist when an edge confines itself. A camera that is plugged in later, or
again, is another file, which the edge and its children could never open. So this process is started before that. It
reads nothing but requests for one more child, passes on which devices that may open, and ends with the edge.

    edge ──two ends of pipes──► nursery ──starts──► child (opens its device, then confines itself)
         ◄──a pidfd of it──────
"""

import os
import socket
import subprocess
import sys
from typing import Final

_MODULE: Final = "incamera.edge.encoder"


def main() -> None:
    """Until the edge is gone."""
    number, *devices = sys.argv[1:]
    children: list[subprocess.Popen[bytes]] = []
    with socket.socket(fileno=int(number)) as door:
        while True:
            asked, descriptors, _, _ = socket.recv_fds(door, 16, 2)
            try:
                if len(descriptors) == 2:
                    children = [child for child in children if child.poll() is None]
                    children.append(_start(descriptors, devices))
                    _answer(door, children[-1].pid)
            finally:
                for descriptor in descriptors:
                    os.close(descriptor)
            if not asked:
                return


def _start(pipes: list[int], devices: list[str]) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-I", "-m", _MODULE, *devices]
    stdin, stdout = pipes
    # Nothing of this command line comes from the edge's requests.
    return subprocess.Popen(command, stdin=stdin, stdout=stdout, stderr=subprocess.DEVNULL, env={}, cwd="/")  # noqa: S603


def _answer(door: socket.socket, pid: int) -> None:
    """A pidfd and no number: a number may belong to another process by the time that it is killed."""
    descriptor = os.pidfd_open(pid)
    try:
        socket.send_fds(door, [b"+"], [descriptor])
    finally:
        os.close(descriptor)


if __name__ == "__main__":
    main()
