"""How long to wait before the next try: exponential, with full jitter.

A thousand edges lose one server at one moment; a uniformly random part of a growing bound spreads their return best
(measured by AWS, "Exponential Backoff and Jitter").
"""

import random
from collections.abc import Callable


class Backoff:
    """Delays for one thing that is tried again and again. Call `reset` when it worked."""

    def __init__(
        self,
        *,
        first_s: float = 0.5,
        longest_s: float = 10.0,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self._uniform = uniform
        self._failures = 0

    def next_delay_s(self, *, longest_s: float | None = None) -> float:
        """Seconds to wait after one more failure, never longer than the longest delay."""
        bound = min(longest_s or self._longest_s, self._first_s * 2.0 ** min(self._failures, 16))
        self._failures += 1
        return self._uniform(bound / 8, bound)

    def reset(self) -> None:
        self._failures = 0
