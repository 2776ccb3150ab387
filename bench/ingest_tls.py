"""`ingest` with the uplink in TLS, from an edge enrolled as on another machine: what encryption on the line costs.

./dev bench ingest_tls [--counts 1,10,50] [--seconds 10]
"""

from collections.abc import Sequence

from bench.harness import Report, our_server_over_tls
from bench.ingest import measure_ingest


def run(options: Sequence[str]) -> Report:
    with our_server_over_tls() as (server, edge_pid):
        return measure_ingest("ingest_tls", options, server, [server.pid, edge_pid])
