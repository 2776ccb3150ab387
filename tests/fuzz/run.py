"""`python -m tests.fuzz.run COUNT SEED [TARGET …]`: the child that feeds parsers, under limits, and says what it found.

One JSON object: for each row the number of inputs, and the first of them that misbehaved, in hexadecimal. Limits: 2 s
of CPU and 64 MiB more memory per input, 1 GiB of address space for all.
"""

import json
import resource
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from typing import Any, Final

from tests.fuzz.mutations import cuts, mutants
from tests.fuzz.parsers import ROWS, Row

CPU_S: Final = 2.0
MEMORY_KIB: Final = 64 * 1024
_ADDRESS_SPACE: Final = 1 << 30


class TooSlow(BaseException):
    """Not an Exception, so that no parser can take it for one of its own."""


def try_row(row: Row, count: int, seed: int) -> dict[str, Any]:
    """All inputs of one parser, or up to the first that it cannot take."""
    number, began = 0, time.process_time()
    for number, data in enumerate(mutants(row.seeds(), count, seed), 1):
        trouble = try_input(row, data, seed + number)
        if trouble:
            return {"inputs": number, "trouble": trouble, "data": data.hex()}
    return {"inputs": number, "cpu_s": round(time.process_time() - began, 2)}


def try_input(row: Row, data: bytes, seed: int) -> str:
    """What is wrong with how a parser takes this; empty if nothing."""
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    signal.setitimer(signal.ITIMER_VIRTUAL, CPU_S)
    try:
        outcome = take(row, [data])
        if row.is_stream:
            for pieces in cuts(data, seed):
                if take(row, pieces) != outcome:
                    return "another result when cut otherwise"
    except TooSlow:
        return f"more than {CPU_S} s of CPU"
    except Exception:  # noqa: BLE001 - that is what we are looking for
        return traceback.format_exc(limit=-3)
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib
    return f"{grown // 1024} MiB for {len(data)} bytes" if grown > MEMORY_KIB else ""


def take(row: Row, pieces: Sequence[bytes]) -> Any:
    """What came out, or the name of the error that is the parser's own."""
    try:
        return row.feed(pieces)
    except row.errors as error:
        return type(error).__name__


def _too_slow(_signal: int, _frame: Any) -> None:
    raise TooSlow


def main(arguments: Sequence[str]) -> int:
    count, seed, wanted = int(arguments[0]), int(arguments[1]), set(arguments[2:])
    signal.signal(signal.SIGVTALRM, _too_slow)
    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESS_SPACE, _ADDRESS_SPACE))
    rows = [row for row in ROWS if not wanted or row.target in wanted]
    found = {row.target + row.text: try_row(row, count, seed) for row in rows}
    json.dump(found, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
