"""Whether anything trustworthy confirms the wall clock: the kernel says it is synchronised, or the operator said so.

Erasing by a wrong clock cannot be undone, so after a forward jump the retention engine asks here first.
"""

import ctypes
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

_TIME_ERROR: Final = 5  # adjtimex(2): the clock is not synchronised
_TIMEX_BYTES: Final = 512  # larger than any struct timex; all zero means: read only
_AGREEMENT_HOLDS: Final = timedelta(days=1)


def time_agreement(file: Path) -> Callable[[datetime], bool]:
    """For the engine: the kernel's word, else a confirmation in `file` (`incamera privacy trust-clock`) of this day."""
    return lambda now: kernel_is_synchronised() or _was_confirmed(file, now)


def kernel_is_synchronised() -> bool:
    """Whether the kernel disciplines its clock by NTP or PTP; False where there is no way to ask."""
    try:
        buffer = ctypes.create_string_buffer(_TIMEX_BYTES)
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(buffer))
    except (OSError, AttributeError):
        return False
    return bool(0 <= state < _TIME_ERROR)


def _was_confirmed(file: Path, now: datetime) -> bool:
    try:
        confirmed = datetime.fromisoformat(file.read_text(encoding="utf-8").strip())
    except (OSError, ValueError):
        return False
    return confirmed.tzinfo is not None and abs(now - confirmed) < _AGREEMENT_HOLDS
