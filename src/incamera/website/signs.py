"""The second-layer notice of one camera: what its sign leads to. The code reveals neither serial nor owner."""

import re
from dataclasses import dataclass
from typing import Final, Literal, Protocol

import segno

_CODE: Final = re.compile(r"[A-Za-z0-9_-]{8,64}")


@dataclass(frozen=True, slots=True)
class CameraSign:
    """What a passer-by may know of a camera: its privacy card and what happens to the picture, nothing else."""

    purpose: str
    placement: Literal["indoor", "outdoor", "doorbell"]
    sees_public_space: bool
    staff_informed: bool
    sound: bool
    mode: Literal["off", "live", "record"]
    keep: str | None  # ISO 8601; the longest of its channels that record


class CameraSigns(Protocol):
    """Implemented by `devices`, given by `app.py`."""

    async def find_sign(self, code: str) -> CameraSign | None:
        """The camera with this code, if there is one and it was not removed."""
        ...


def is_code(text: str) -> bool:
    """Whether this could be a code at all; asked before any look-up."""
    return _CODE.fullmatch(text) is not None


def render_qr(address: str) -> str:
    """A QR code as inline SVG, dark on light whatever the page's theme (scanners want it so)."""
    code = segno.make(address, error="m", boost_error=False)
    return str(code.svg_inline(scale=1, border=2, dark="#000", light="#fff", omitsize=True))
