"""Pages of a list by cursor: an opaque token that names the last item seen, never an offset."""

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from incamera.kit.errors import IncameraError

Item = TypeVar("Item")


class InvalidCursor(IncameraError):
    status = 422

    def __init__(self) -> None:
        super().__init__("This page token is not one of ours; start again from the first page.")


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """Some items, and the cursor of the page after them (None at the end)."""

    items: Sequence[Item]
    next: str | None


def render_cursor(*key: str | int) -> str:
    """The token for the item with this sort key."""
    return base64.urlsafe_b64encode(json.dumps(key, separators=(",", ":")).encode()).decode().rstrip("=")


def parse_cursor(token: str) -> tuple[str | int, ...]:
    """The sort key inside a token; raises InvalidCursor."""
    if len(token) > 512:
        raise InvalidCursor
    try:
        key = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    except (binascii.Error, ValueError, RecursionError) as error:
        raise InvalidCursor from error
    if not isinstance(key, list) or not all(isinstance(part, str | int) for part in key):
        raise InvalidCursor
    return tuple(key)
