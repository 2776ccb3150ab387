"""Boxes (ISO/IEC 14496-12 clause 4.2): `size`, `type`, payload."""

from collections.abc import Iterator
from dataclasses import dataclass


class InvalidBox(ValueError):
    """Bytes that are not a sequence of boxes, or a box that is not what its type promises."""


@dataclass(frozen=True, slots=True)
class Box:
    """One box: its four-character type and its payload (a view into the data it was read from)."""

    type: bytes
    payload: memoryview


def box(kind: bytes, *payload: bytes) -> bytes:
    """A box with this payload."""
    return (8 + sum(map(len, payload))).to_bytes(4, "big") + kind + b"".join(payload)


def full_box(kind: bytes, version: int, flags: int, *payload: bytes) -> bytes:
    """A box with version and flags (clause 4.2.2)."""
    return box(kind, bytes((version,)), flags.to_bytes(3, "big"), *payload)


def iter_boxes(data: bytes | memoryview) -> Iterator[Box]:
    """The boxes of a file or of a container's payload, in order; raises InvalidBox where a size does not fit."""
    view = memoryview(data)
    position = 0
    while position < len(view):
        header_bytes = 8
        if len(view) - position < header_bytes:
            raise InvalidBox("a box header is cut off")
        size = int.from_bytes(view[position : position + 4], "big")
        if size == 1:  # a 64-bit size follows the type
            header_bytes = 16
            size = int.from_bytes(view[position + 8 : position + 16], "big")
        elif size == 0:  # to the end of the file
            size = len(view) - position
        if not header_bytes <= size <= len(view) - position:
            raise InvalidBox("a box is longer than what holds it")
        yield Box(bytes(view[position + 4 : position + 8]), view[position + header_bytes : position + size])
        position += size
