"""The same edge on a disk that says it is full: the oldest spans may go, whole."""

from pathlib import Path

from tests.faults.spool_scenario import act, check_spans, prepare

__all__ = ["act", "check", "prepare"]


async def check(home: Path, notes: list[str]) -> None:
    """What is left is the newest, and the next life goes on."""
    await check_spans(home, notes, may_drop_oldest=True)
