"""`./dev bench all`: every benchmark one after the other, each in a process of its own, kept as files for the guide.

A part that fails is told and leaves its older file as it is; the others still run. What a file holds is the report of
`--json` with date, commit and command.

    ./dev bench all [--save docs/guide/data] [--parts fanout,ttff] [--quick] [--drift-seconds 600]
                    [--go2rtc PATH] [--mediamtx PATH] [--motion PATH]
"""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from bench.harness import ROOT, parse_options, python

PARTS: Final = ("timeline", "record", "fanout", "ttff", "playback", "ingest", "ingest_tls")
_LONGEST_S: Final = 900
_QUICK: Final = {
    "timeline": "--segments 300000 --queries 200 --cold 10",
    "record": "--seconds 4",
    "fanout": "--counts 10,200 --seconds 4 --stop-at 200",
    "ttff": "--joins 10 --browser-joins 9 --delay-seconds 5",
    "playback": "--jumps 12 --scrub-seconds 4",
    "ingest": "--counts 1,10 --seconds 6",
    "ingest_tls": "--counts 1,10 --seconds 6",
}
_PEERS: Final = {
    "fanout": ("go2rtc", "mediamtx"),
    "ttff": ("go2rtc", "mediamtx"),
    "ingest": ("go2rtc", "mediamtx", "motion"),
}


def run_all(options: Sequence[str]) -> int:
    """Returns how many parts failed."""
    if "--quick" in options:
        options, quick = [option for option in options if option != "--quick"], True
    else:
        quick = False
    programs = {"go2rtc": "", "mediamtx": "", "motion": ""}
    given = parse_options(options, save="", parts=",".join(PARTS), drift_seconds=0, **programs)
    started, failed = time.monotonic(), []
    for number, part in enumerate(given["parts"].split(","), 1):
        _say(f"[{_minutes(started)}] {number} of {len(given['parts'].split(','))}: {part} ...")
        report = _run_part(part, _options_of(part, given, quick=quick))
        if report is None:
            failed.append(part)
            continue
        for figure in report["figures"]:
            _say(f"    {figure['name']:40} {figure['value']:>12} {figure['unit']}")
        if given["save"]:
            _save(Path(given["save"]), part, report)
    if given["save"] and (ROOT / given["save"]).resolve() == ROOT / "docs/guide/data":
        subprocess.run(python("tools.charts"), cwd=ROOT, check=True)
    _say(f"[{_minutes(started)}] done" + (f"; failed: {', '.join(failed)}" if failed else ""))
    return len(failed)


def _options_of(part: str, given: dict[str, Any], *, quick: bool) -> list[str]:
    options = _QUICK.get(part, "").split() if quick else []
    for peer in _PEERS.get(part, ()):
        options += [f"--{peer}", given[peer]] if given[peer] else []
    if part == "ttff" and given["drift_seconds"]:
        options += ["--drift-seconds", str(given["drift_seconds"])]
    return options


def _run_part(part: str, options: Sequence[str]) -> dict[str, Any] | None:
    command = python("bench", part, "--json", *options)
    try:
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=_LONGEST_S, check=False)
        report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except subprocess.TimeoutExpired:
        _say(f"    {part} did not end within {_LONGEST_S} s")
    except (IndexError, ValueError):
        _say(f"    {part} failed (status {done.returncode})")
    else:
        return report | {"command": " ".join(["./dev bench", part, *options])}
    return None


def _save(folder: Path, part: str, report: dict[str, Any]) -> None:
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    found = {"date": datetime.now(UTC).date().isoformat(), "commit": commit.stdout.strip(), **report}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{part}.json").write_text(json.dumps(found, indent=1) + "\n")


def _minutes(started: float) -> str:
    return f"{(time.monotonic() - started) / 60:.1f} min"


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
