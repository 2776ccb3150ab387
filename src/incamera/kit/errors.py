"""The root of every error a caller may act on.

A subclass names one thing that can go wrong, keeps the data that matters, and speaks one sentence that tells the
reader what happened and what to do next. `status` is the HTTP answer it becomes; `code` is its stable, public name.
"""

import re
from typing import ClassVar


class IncameraError(Exception):
    """Something we can name. `str(error)` is fit for a person's eyes: no secret, no personal data, no traceback."""

    status: ClassVar[int] = 400
    retry_after_s: ClassVar[int | None] = None

    @property
    def members(self) -> dict[str, str]:
        """What a program needs beside the sentence, by name (RFC 9457 section 3.2)."""
        return {}

    @classmethod
    def code(cls) -> str:
        """`CameraRefusedPassword` -> `camera_refused_password`."""
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower()
