"""CPU and memory of a process tree over a window."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import psutil


@dataclass(frozen=True, slots=True)
class Usage:
    """100 % is one core. `rss_mib_of` holds the resident memory of each process at the end of the window."""

    cpu_percent: float
    rss_mib_of: dict[int, float]

    @property
    def rss_mib(self) -> float:
        """Of the tree; pages shared between processes count in each."""
        return sum(self.rss_mib_of.values())

    def growth_mib(self, before: dict[int, float]) -> float:
        """How much more the processes hold that were there before; helpers that came or went do not count."""
        return sum(self.rss_mib_of[pid] - mib for pid, mib in before.items() if pid in self.rss_mib_of)


def measure(pids: int | Sequence[int], seconds: float) -> Usage:
    """Watches the processes and all their descendants; blocks for `seconds`.

    Children that end meanwhile are counted by their parent, children that start are counted from their start.
    """
    roots = [pids] if isinstance(pids, int) else list(pids)
    before, started = sum(map(cpu_seconds, roots)), time.monotonic()
    time.sleep(seconds)
    after, elapsed = sum(map(cpu_seconds, roots)), time.monotonic() - started
    return Usage(
        100 * (after - before) / elapsed, {pid: mib for root in roots for pid, mib in rss_mib_of(root).items()}
    )


def rss_mib_of(pid: int) -> dict[int, float]:
    """Resident memory now of each process of the tree."""
    found = {}
    for process in _tree(pid):
        try:
            found[process.pid] = process.memory_info().rss / 2**20
        except psutil.NoSuchProcess:
            continue
    return found


def cpu_seconds(pid: int) -> float:
    """CPU time of the process and all its descendants so far, ended ones included."""
    total = 0.0
    for process in _tree(pid):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


def _tree(pid: int) -> list[psutil.Process]:
    root = psutil.Process(pid)
    return [root, *root.children(recursive=True)]
