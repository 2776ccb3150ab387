"""In the child: why it gives nothing, with the word for it that the edge and the web app know."""

import errno
from typing import Final

from incamera.protocol.messages import CameraFault

_FAULT_OF_ERROR: Final = {
    errno.ENOENT: CameraFault.NO_DEVICE,
    errno.ENODEV: CameraFault.NO_DEVICE,
    errno.ENXIO: CameraFault.NO_DEVICE,
    errno.EACCES: CameraFault.NOT_PERMITTED,
    errno.EPERM: CameraFault.NOT_PERMITTED,
    errno.EBUSY: CameraFault.IN_USE,
}


class Failure(Exception):  # never leaves the child
    """Nothing more comes."""

    def __init__(self, fault: CameraFault, problem: str) -> None:
        self.fault = fault
        self.problem = problem
        super().__init__(problem)


def failure_of(error: OSError, otherwise: CameraFault) -> Failure:
    """What an error of the system means; its text, which may name a path, stays here."""
    return Failure(_FAULT_OF_ERROR.get(error.errno or 0, otherwise), errno.errorcode.get(error.errno or 0, "unknown"))
