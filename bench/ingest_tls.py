"""`ingest` with the uplink in TLS, from an edge enrolled as on another machine: what encryption on the line costs.

./dev bench ingest_tls [--counts 1,10,50] [--seconds 10] [--profile NAME]
"""

import contextlib
from collections.abc import Iterator, Sequence

from bench.harness import Report, our_server_over_tls
from bench.ingest import measure_ingest
from tests.support.server import Server


def run(options: Sequence[str]) -> Report:
    return measure_ingest("ingest_tls", options, _our_server_over_tls)


@contextlib.contextmanager
def _our_server_over_tls() -> Iterator[tuple[Server, Sequence[int]]]:
    with our_server_over_tls() as (server, edge_pid):
        yield server, [server.pid, edge_pid]
