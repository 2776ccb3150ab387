"""The retention engine: carries out every declared rule, writes evidence, and stops what it cannot erase from.

                    sweep ok                        forward jump, time not agreed
    ┌─────────────────────────────┐        ┌──────────────────────────────────────────────┐
    │  running ── every period ──►│        ▼                                              │
    └─────────────────────────────┘     paused: nothing is erased, the operator is asked ─┘ time agreed
         two periods without success ──► alarm; is anything overdue? ──► its activity takes no new data

It runs once before requests are served, then media every five minutes and rows every hour (requirement book 4.5).
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog
from prometheus_client import Counter, Gauge

from incamera.kit.clock import Clock
from incamera.privacy.errors import ActivityStopped
from incamera.privacy.marks import declare_log_events
from incamera.privacy.registry import Registry
from incamera.privacy.repository import RetentionRepository
from incamera.privacy.retention import RetentionRule, RetentionTarget, Swept
from incamera.privacy.retention_plan import Group, make_plan
from incamera.storage.database import Database

log = structlog.get_logger(__name__)

MEDIA_PERIOD: Final = timedelta(minutes=5)
ROW_PERIOD: Final = timedelta(hours=1)
LARGEST_JUMP: Final = timedelta(days=1)  # from one life of the server to the next: it may have been switched off
LARGEST_STEP: Final = timedelta(minutes=90)  # of a running clock: a quarter of the shortest time an owner may choose
_TICK_S: Final = 30.0

declare_log_events(
    None,
    {
        "retention.swept": ("activity", "erased"),
        "retention.failed": ("activity", "error"),
        "retention.evidence_failed": ("activity", "error"),
        "retention.paused": ("days", "hours"),
        "retention.resumed": (),
        "retention.standing_still": ("activity", "minutes"),
    },
)
_ERASED: Final = Counter("incamera_retention_erased_total", "Items erased by retention.", ["activity"])
_OVERDUE: Final = Gauge("incamera_retention_overdue", "Items past their time.", ["activity"])
_STANDING_STILL: Final = Gauge("incamera_retention_standing_still", "1 while a rule missed two of its periods.")


@dataclass(frozen=True, slots=True)
class Evidence:
    """What `/privacy/evidence` publishes of one rule."""

    activity: str
    data: tuple[str, ...]
    rule: str
    declared_max: timedelta | None
    ceiling: timedelta | None
    action: str
    last_run: datetime | None
    cutoff: datetime | None
    erased: int
    erased_in_all: int
    oldest: datetime | None
    overdue: int
    in_memory: bool


@dataclass(slots=True)
class _Progress:
    """How a group is doing in this life of the server."""

    last_success_s: float  # monotonic
    last: Swept | None = None
    alarmed: bool = False


class RetentionEngine:
    """One per server. `is_time_agreed(now)` says whether a trusted source confirms the wall clock."""

    def __init__(
        self,
        database: Database,
        registry: Registry,
        clock: Clock,
        *,
        targets: Mapping[str, RetentionTarget] | None = None,
        is_time_agreed: Callable[[datetime], bool] = lambda _now: True,
    ) -> None:
        self._registry = registry
        self._clock = clock
        self._repository = RetentionRepository(database)
        self._plan = make_plan(registry, targets or {})
        self._is_time_agreed = is_time_agreed
        self._progress = {group: _Progress(clock.monotonic()) for group in self._plan}
        self._believed: datetime | None = None  # when the monotonic clock stood at zero, by the latest time believed
        self._has_run = False
        self._paused = False

    @property
    def is_paused(self) -> bool:
        """Whether nothing is erased because the clock jumped and nobody confirmed it."""
        return self._paused

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Sweeps everything once, then keeps sweeping in the background. Enter it before requests are served."""
        await self.sweep()
        task = asyncio.create_task(self._run(), name="retention")
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def sweep(self) -> None:
        """Carries out every rule now, media first. An error in one rule does not keep the others from running."""
        if not await self._may_erase():
            return
        for group in self._plan:
            await self._sweep_group(group)
        await self._housekeeping()

    def is_stopped(self, activity_id: str) -> bool:
        """Whether this activity may take no new data: its rule stands still and something is overdue."""
        return any(
            self._stands_still(group) and self._is_overdue(group)
            for group in self._plan
            if any(rule.activity == activity_id for rule in group.rules)
        )

    def require_running(self, activity_id: str) -> None:
        """Raises ActivityStopped while `is_stopped`."""
        if self.is_stopped(activity_id):
            raise ActivityStopped(activity_id)

    async def evidence(self) -> list[Evidence]:
        """Declared maximum, oldest item and last run of every rule in force."""
        states = await self._repository.states()
        found = []
        for rule, keep in self._registry.retention_rules:
            state = states.get(rule.digest)
            found.append(
                Evidence(
                    activity=rule.activity,
                    data=rule.data,
                    rule=rule.digest,
                    declared_max=rule.maximum,
                    ceiling=rule.ceiling,
                    action=rule.action,
                    last_run=state.ran_at if state else None,
                    cutoff=state.cutoff if state else None,
                    erased=state.erased if state else 0,
                    erased_in_all=state.erased_in_all if state else 0,
                    oldest=state.oldest_at if state else None,
                    overdue=state.overdue if state else 0,
                    in_memory=keep.action == "drop" or (keep.clock or "").startswith("client:"),
                )
            )
        return found

    async def _run(self) -> None:
        while True:
            await self._clock.sleep(_TICK_S)
            self._watch()
            if not await self._may_erase():
                continue
            for group in self._plan:
                if self._clock.monotonic() - self._progress[group].last_success_s >= _period(group).total_seconds():
                    await self._sweep_group(group)

    async def _sweep_group(self, group: Group) -> None:
        now = self._now()
        progress = self._progress[group]
        try:
            swept = await (self._sweep_target(group, now) if group.target else self._sweep_rows(group, now))
        except Exception as error:  # noqa: BLE001  # a full disk or a bug in one rule must not stop the others
            log.error("retention.failed", activity=group.rules[0].activity, error=type(error).__name__)
            return
        progress.last, progress.last_success_s = swept, self._clock.monotonic()
        activity = group.rules[0].activity
        _OVERDUE.labels(activity).set(swept.overdue)
        if swept.erased:
            _ERASED.labels(activity).inc(swept.erased)
            log.info("retention.swept", activity=activity, erased=swept.erased)

    async def _sweep_target(self, group: Group, now: datetime) -> Swept:
        """A target answers rule by rule: each datum has its own oldest item."""
        assert group.target is not None
        swept = []
        for rule in group.rules:
            done = await group.target.sweep(rule, now)
            swept.append(done)
            await self._write_evidence((rule,), done, now, group.cutoff(now))
        ages = [done.oldest for done in swept if done.oldest is not None]
        return Swept(sum(s.erased for s in swept), min(ages, default=None), sum(s.overdue for s in swept))

    async def _sweep_rows(self, group: Group, now: datetime) -> Swept:
        cutoff, erased = group.cutoff(now), 0
        for step in group.steps:
            more = True
            while more:
                rows, more = await self._repository.erase_batch(group, step, cutoff)
                erased += rows
        if erased:
            await self._repository.scrub()
        left = await self._repository.measure(group, now)
        swept = Swept(erased, left.oldest, left.overdue)
        await self._write_evidence(group.rules, swept, now, cutoff)
        return swept

    async def _write_evidence(
        self, rules: tuple[RetentionRule, ...], swept: Swept, now: datetime, cutoff: datetime
    ) -> None:
        try:
            await self._repository.write_evidence(rules, swept, now, cutoff)
        except Exception as error:  # noqa: BLE001  # what is erased is erased, also when a full disk takes no evidence
            log.error("retention.evidence_failed", activity=rules[0].activity, error=type(error).__name__)

    async def _housekeeping(self) -> None:
        current = [rule.digest for rule, _ in self._registry.retention_rules]
        try:
            await self._repository.forget_evidence(self._clock.now(), current)
        except Exception as error:  # noqa: BLE001  # evidence is not worth stopping for
            log.error("retention.evidence_failed", activity="", error=type(error).__name__)

    async def _may_erase(self) -> bool:
        """False after a forward jump that no time source confirms: what is young must not go.

        Jumps are measured from the latest time that was ever believed, going on with the monotonic clock. So a clock
        that was set back, or that woke up without a battery, may return to the right time without anybody's word.
        """
        now, monotonic = self._clock.now(), timedelta(seconds=self._clock.monotonic())
        if self._believed is None:
            self._believed = (await self._repository.last_run() or now) - monotonic
        jump = now - monotonic - self._believed
        if jump > (LARGEST_STEP if self._has_run else LARGEST_JUMP) and not self._is_time_agreed(now):
            if not self._paused:
                log.error("retention.paused", days=jump.days, hours=jump.seconds // 3600)
            self._paused = True
            return False
        if self._paused:
            log.info("retention.resumed")
        self._paused, self._has_run = False, True
        self._believed = max(self._believed, now - monotonic)
        return True

    def _now(self) -> datetime:
        """The time to erase by: the clock's, unless it fell far behind what was believed. Nothing is kept too long."""
        now = self._clock.now()
        assert self._believed is not None
        known = self._believed + timedelta(seconds=self._clock.monotonic())
        return known if known - now > LARGEST_STEP else now

    def _watch(self) -> None:
        standing = [group for group in self._plan if self._stands_still(group)]
        _STANDING_STILL.set(bool(standing))
        for group, progress in self._progress.items():
            stands = group in standing
            if stands and not progress.alarmed:
                minutes = round((self._clock.monotonic() - progress.last_success_s) / 60)
                log.error("retention.standing_still", activity=group.rules[0].activity, minutes=minutes)
            progress.alarmed = stands

    def _stands_still(self, group: Group) -> bool:
        silent_s = self._clock.monotonic() - self._progress[group].last_success_s
        return silent_s > 2 * _period(group).total_seconds()

    def _is_overdue(self, group: Group) -> bool:
        """From what the last sweep left behind; without any sweep in this life, nothing proves that nothing is."""
        last = self._progress[group].last
        if last is None:
            return True
        return last.overdue > 0 or (last.oldest is not None and last.oldest < group.latest_end(self._clock.now()))


def _period(group: Group) -> timedelta:
    return ROW_PERIOD if group.target is None else MEDIA_PERIOD
