"""What deletes: the rules come from the declarations, the engine carries them out and writes evidence."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol


@dataclass(frozen=True, slots=True)
class RetentionRule:
    """One `Keep` of one activity, as the engine sees it. `maximum` is None where an event ends the keeping."""

    activity: str
    data: tuple[str, ...]  # addresses, "B5.record/recording"
    maximum: timedelta | None
    ceiling: timedelta | None
    grace: timedelta
    action: str
    digest: str  # SHA-256 of the rule's canonical form: what the evidence refers to


@dataclass(frozen=True, slots=True)
class Swept:
    """What one pass over one rule did. `oldest` is the oldest item left, `overdue` counts items past their time."""

    erased: int
    oldest: datetime | None
    overdue: int = 0


class RetentionTarget(Protocol):
    """Erases what SQL cannot reach: sealed media, keys, files. Each serves one datum and is handed to the engine.

    `app.py` builds it (`recording` has the one for `B5.record/recording`) and registers it under the datum's address.
    """

    async def sweep(self, rule: RetentionRule, now: datetime) -> Swept:
        """Erases everything that is over its time at `now`: keys first, then files. May be called again at any time.

        Where the owner chose a time of their own per camera, that time counts, never more than `rule.ceiling`;
        otherwise `rule.maximum`. An hour of media is over when its first chunk is.
        """
        ...

    async def pending(self, rule: RetentionRule, now: datetime) -> Swept:
        """The same figures without erasing anything (`erased` is 0)."""
        ...
