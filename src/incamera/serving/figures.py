"""What the server is doing now, for `/metrics`: read when asked, never counted by hand. No label names anyone."""

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from prometheus_client import REGISTRY
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

Reading = Callable[[], float]


class Figures(Collector):
    """Named readings, as (name, help) → function."""

    def __init__(self, gauges: Mapping[tuple[str, str], Reading], counters: Mapping[tuple[str, str], Reading]) -> None:
        self._gauges, self._counters = gauges, counters

    def collect(self) -> Iterable[Metric]:
        """Prometheus asks for all of them."""
        for (name, text), read in self._gauges.items():
            yield GaugeMetricFamily(f"incamera_{name}", text, value=read())
        for (name, text), read in self._counters.items():
            yield CounterMetricFamily(f"incamera_{name}", text, value=read())


@contextmanager
def published(figures: Figures) -> Iterator[None]:
    """In the metrics for the length of the block."""
    REGISTRY.register(figures)
    try:
        yield
    finally:
        REGISTRY.unregister(figures)


def free_bytes(folder: Path) -> Reading:
    """Free space of the volume that holds a folder."""
    return lambda: float(shutil.disk_usage(folder).free)
