"""`./dev bench NAME [--json]`: runs one benchmark and prints its figures."""

import argparse
import importlib
import sys
from pathlib import Path

from bench.harness import BenchError

NAMES = ("ingest", "ingest_tls", "fanout", "ttff", "record", "playback", "timeline", "soak")


def main() -> int:
    here = [name for name in NAMES if (Path(__file__).parent / f"{name}.py").exists()]
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument("name", choices=here)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    given, options = parser.parse_known_args()
    try:
        report = importlib.import_module(f"bench.{given.name}").run(options)
    except BenchError as error:
        print(error, file=sys.stderr)
        return 1
    print(report.render_json() if given.json else report.render_table())
    return 0


if __name__ == "__main__":
    sys.exit(main())
