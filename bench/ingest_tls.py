"""`ingest` with the uplink in TLS, as from an edge on another machine: what encryption on the line costs.

    ./dev bench ingest_tls [--counts 1,10,50] [--seconds 15]
"""

from collections.abc import Sequence

from bench.harness import Report
from bench.ingest import measure_ingest


def run(options: Sequence[str]) -> Report:
    return measure_ingest("ingest_tls", options, "--own-ca")
