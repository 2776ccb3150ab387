"""What can go wrong with devices, edges and cameras, each with what to do next. No address or secret is repeated."""

import re
from typing import ClassVar, Final

from incamera.kit.errors import IncameraError
from incamera.protocol.messages import CameraFault, ProbeResult

_FINGERPRINT: Final = re.compile(r"[0-9a-f]{64}")


class DeviceError(IncameraError):
    """Root of this package's errors."""


class InvalidAddress(DeviceError):
    status: ClassVar[int] = 422

    def __init__(self, reason: str) -> None:
        super().__init__(f"The field address is not usable: {reason}. Write it like rtsp://192.168.1.20/stream1.")


class InvalidTimeZone(DeviceError):
    status: ClassVar[int] = 422

    def __init__(self) -> None:
        super().__init__("The field time_zone is not an IANA time zone; write it like Europe/Paris.")


class InvalidKeep(DeviceError):
    status: ClassVar[int] = 422

    def __init__(self) -> None:
        super().__init__("The field keep is not a duration; write days like P7D or hours like PT6H.")


class KeepOutOfRange(DeviceError):
    status: ClassVar[int] = 409

    def __init__(self, least: str, most: str) -> None:
        super().__init__(
            f"Recordings of this camera are kept for {least} at least and {most} at most; choose a time in between."
        )


class PrivacyCardNeeded(DeviceError):
    status: ClassVar[int] = 409

    def __init__(self) -> None:
        super().__init__(
            "Fill in the privacy card of this camera first: what it is for, what it sees, and whether it hears."
        )


class TooManyDevices(DeviceError):
    status: ClassVar[int] = 409

    def __init__(self, most: int) -> None:
        super().__init__(f"This account has {most} devices already, which is the limit; remove one first.")


class TooManyEdges(DeviceError):
    status: ClassVar[int] = 409

    def __init__(self, most: int) -> None:
        super().__init__(f"This account has {most} edges already, which is the limit; remove one first.")


class EdgeNotFound(DeviceError):
    status: ClassVar[int] = 404

    def __init__(self) -> None:
        super().__init__("There is no such edge for you; it may have been removed. Choose another one.")


class NoEdge(DeviceError):
    status: ClassVar[int] = 409

    def __init__(self) -> None:
        super().__init__("No edge is enrolled yet. Wait for the local one to start, or add one beside your cameras.")


class EdgeInUse(DeviceError):
    status: ClassVar[int] = 409

    def __init__(self) -> None:
        super().__init__("Devices still use this edge; remove them, or move them to another edge, first.")


class DeviceNotRemoved(DeviceError):
    status: ClassVar[int] = 409

    def __init__(self) -> None:
        super().__init__("This device was not removed, or the time to undo it is over.")


class NoCover(DeviceError):
    status: ClassVar[int] = 404

    def __init__(self) -> None:
        super().__init__("This channel has no cover picture yet; it gets one when the camera sends.")


class CoverNotTaken(DeviceError):
    status: ClassVar[int] = 409

    def __init__(self) -> None:
        super().__init__("The camera gives no picture at this moment; try again when it is on line.")


class CameraError(DeviceError):
    """The edge tried a camera and tells why there is no picture."""

    status: ClassVar[int] = 409
    sentence: ClassVar[str]

    def __init__(self) -> None:
        super().__init__(self.sentence)


class CameraUnreachable(CameraError):
    sentence = "The camera does not answer at this address. Check that it has power and network, and the port."


class CameraNameNotFound(CameraError):
    sentence = "No camera goes by this host name. Check its spelling, or use the camera's IP address."


class CameraRefusedPassword(CameraError):
    sentence = "The camera refused the password. Enter its user name and password again."


class CameraNeedsPassword(CameraError):
    sentence = "The camera wants a user name and a password. Enter those that you set on the camera."


class CameraNotFound(CameraError):
    sentence = "The camera is there, but not this stream. Check the part of the address after the host."


class CameraNotRtsp(CameraError):
    sentence = "Something answers at this address, but it does not speak RTSP. Check the port; 554 is the usual one."


class CameraNoVideo(CameraError):
    sentence = "The camera offers no picture at this address. Choose another stream of it."


class CameraUnsupportedCodec(CameraError):
    sentence = "The camera sends a kind of video we cannot use yet. Set it to H.264 in its own settings."


class CameraBusy(CameraError):
    sentence = "The camera serves as many viewers as it can. Close another program that watches it, then try again."


class CameraStalled(CameraError):
    sentence = "The camera answered, but sent no picture. Restart the camera, then try again."


class CameraClosed(CameraError):
    sentence = "The camera closed the connection. Restart the camera, then try again."


class CameraProtocol(CameraError):
    sentence = "The camera said something we cannot follow. Update its firmware, or try another of its streams."


class CameraAddressRefused(CameraError):
    sentence = "The edge may not dial this address. Use the camera's address in the network of the edge."


class CameraNotHttp(CameraError):
    sentence = "Something answers at this address, but it is no web server. Check the port; 80 is the usual one."


class CameraNoPictures(CameraError):
    sentence = "A web server answers, but with a page and not with pictures. Check the path after the host."


class CameraCertificate(CameraError):
    sentence = (
        "Nobody vouches for the certificate of this camera. Compare its fingerprint, then accept it or use http://."
    )

    def __init__(self, fingerprint: str = "") -> None:  # SHA-256 of what the camera showed; empty if it was not seen
        self.fingerprint = fingerprint if _FINGERPRINT.fullmatch(fingerprint) else ""
        super().__init__()

    @property
    def members(self) -> dict[str, str]:
        """For a page that lets a person accept it."""
        return {"certificate": self.fingerprint} if self.fingerprint else {}


class CameraNoDevice(CameraError):
    sentence = "This camera is not plugged into the edge's machine. Plug it in, or choose another one."


class CameraInUse(CameraError):
    sentence = "Another program on the edge's machine uses this camera. Close that program, then try again."


class CameraNotPermitted(CameraError):
    sentence = "The edge may not use this device or file. Start it with --device or --files for what it may use."


class CameraNoFile(CameraError):
    sentence = "There is no such file in the folder that the edge was given with --files. Check its name."


class CameraFileUnreadable(CameraError):
    sentence = "This file cannot be played as a video. Choose another one, such as an MP4 file with H.264."


_BY_FAULT: Final[dict[CameraFault, type[CameraError]]] = {
    CameraFault.UNREACHABLE: CameraUnreachable,
    CameraFault.NAME_NOT_FOUND: CameraNameNotFound,
    CameraFault.REFUSED_PASSWORD: CameraRefusedPassword,
    CameraFault.NEEDS_PASSWORD: CameraNeedsPassword,
    CameraFault.NOT_FOUND: CameraNotFound,
    CameraFault.NOT_RTSP: CameraNotRtsp,
    CameraFault.NO_VIDEO: CameraNoVideo,
    CameraFault.UNSUPPORTED_CODEC: CameraUnsupportedCodec,
    CameraFault.BUSY: CameraBusy,
    CameraFault.STALLED: CameraStalled,
    CameraFault.CLOSED: CameraClosed,
    CameraFault.PROTOCOL: CameraProtocol,
    CameraFault.ADDRESS_REFUSED: CameraAddressRefused,
    CameraFault.NOT_HTTP: CameraNotHttp,
    CameraFault.NO_PICTURES: CameraNoPictures,
    CameraFault.CERTIFICATE: CameraCertificate,
    CameraFault.NO_DEVICE: CameraNoDevice,
    CameraFault.IN_USE: CameraInUse,
    CameraFault.NOT_PERMITTED: CameraNotPermitted,
    CameraFault.NO_FILE: CameraNoFile,
    CameraFault.FILE_UNREADABLE: CameraFileUnreadable,
}


def camera_error(result: ProbeResult) -> CameraError:
    """The error that says in words what an edge said in a code."""
    if result.fault is CameraFault.CERTIFICATE:
        return CameraCertificate(result.certificate)
    return _BY_FAULT[result.fault]()
