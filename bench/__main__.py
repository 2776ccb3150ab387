"""`./dev bench NAME [--json]`: runs one benchmark and prints its figures. `all` runs every one (see `everything`)."""

import argparse
import importlib
import sys
from pathlib import Path

from bench.everything import run_all
from bench.harness import BenchError

NAMES = ("ingest", "ingest_tls", "fanout", "ttff", "tiles", "sound", "record", "playback", "timeline", "soak")


def main() -> int:
    here = [name for name in NAMES if (Path(__file__).parent / f"{name}.py").exists()]
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument("name", choices=[*here, "all"])
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    given, options = parser.parse_known_args()
    if given.name == "all":
        return 1 if run_all(options) else 0
    try:
        report = importlib.import_module(f"bench.{given.name}").run(options)
    except BenchError as error:
        print(error, file=sys.stderr)
        return 1
    print(report.render_json() if given.json else report.render_table())
    return 0


if __name__ == "__main__":
    sys.exit(main())
