"""Whether anything trustworthy confirms the wall clock: the kernel's synchronisation, the battery clock, the operator.

Erasing by a wrong clock cannot be undone, so after a forward jump the retention engine asks here first.
"""

import ctypes
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

_TIME_ERROR: Final = 5  # adjtimex(2): the clock is not synchronised
_TIMEX_BYTES: Final = 512  # larger than any struct timex; all zero means: read only
_BATTERY_CLOCK: Final = Path("/sys/class/rtc/rtc0/since_epoch")  # set by whoever set the system's clock, but seldom
_AGREEMENT_HOLDS: Final = timedelta(days=1)


def time_agreement(file: Path) -> Callable[[datetime], bool]:
    """For the engine: any of the three. The operator's word (`incamera privacy trust-clock`) in `file` holds a day."""
    return lambda now: kernel_is_synchronised() or battery_clock_agrees(now) or _was_confirmed(file, now)


def kernel_is_synchronised() -> bool:
    """Whether the kernel disciplines its clock by NTP or PTP; False where there is no way to ask."""
    try:
        buffer = ctypes.create_string_buffer(_TIMEX_BYTES)
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(buffer))
    except (OSError, AttributeError):
        return False
    return bool(0 <= state < _TIME_ERROR)


def battery_clock_agrees(now: datetime) -> bool:
    """Whether the clock that runs on while the machine is off says about the same; False where there is none."""
    try:
        battery = datetime.fromtimestamp(int(_BATTERY_CLOCK.read_text(encoding="ascii")), UTC)
    except (OSError, ValueError):
        return False
    return abs(now - battery) < _AGREEMENT_HOLDS


def _was_confirmed(file: Path, now: datetime) -> bool:
    try:
        confirmed = datetime.fromisoformat(file.read_text(encoding="utf-8").strip())
    except (OSError, ValueError):
        return False
    return confirmed.tzinfo is not None and abs(now - confirmed) < _AGREEMENT_HOLDS
