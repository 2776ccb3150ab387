"""`incamera privacy notice | record | diff | check | review | trust-clock`: the registry on the command line.

`app.py` hands over how to load the registry, because this package knows no feature.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

from incamera.kit.errors import IncameraError
from incamera.privacy import countries, reviews
from incamera.privacy.diff import compare
from incamera.privacy.jsonld import render_policy
from incamera.privacy.lint import check_everything
from incamera.privacy.operator_file import Operator, load_operator
from incamera.privacy.record import render_csv, render_record
from incamera.privacy.registry import Registry
from incamera.privacy.rules import findings
from incamera.privacy.versions import (
    PolicyVersion,
    current_version,
    publish,
    read_version,
    read_versions,
    render_markdown,
)
from incamera.privacy.vocabulary import LANGUAGES

Say = Callable[[str], None]
TIME_AGREED_FILE: Final = "time-agreed"


@dataclass(frozen=True, slots=True)
class Loaded:
    """The registry with all routes known, and the application they come from."""

    registry: Registry
    api: Any


Load = Callable[[Operator], Loaded]


class PrivacyCommandError(IncameraError):
    """A wrong argument or a missing file, in one sentence."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The subcommands and their options."""
    parser.add_argument("--privacy-file", type=Path, metavar="FILE", help="the operator's facts (privacy.toml)")
    commands = parser.add_subparsers(dest="privacy_command", required=True, metavar="COMMAND")
    notice = commands.add_parser("notice", help="print the notice, or publish it as a version")
    notice.add_argument("--language", choices=LANGUAGES, default="en")
    notice.add_argument("--format", choices=("text", "json-ld"), default="text")
    notice.add_argument("--publish", metavar="VERSION", help="write it under privacy/versions (in a checkout)")
    record = commands.add_parser("record", help="print the record of processing (Art. 30)")
    record.add_argument("--language", choices=LANGUAGES, default="en")
    record.add_argument("--format", choices=("csv", "json"), default="csv")
    diff = commands.add_parser("diff", help="classify the changes between two versions")
    diff.add_argument("before", metavar="A", help="a version, like 2026.1")
    diff.add_argument("after", metavar="B", nargs="?", default="now", help="another one; the running code by default")
    check = commands.add_parser("check", help="rules, lint and versions: one line per finding")
    check.add_argument("--root", type=Path, default=None, help="the checkout, if it is not found")
    review = commands.add_parser("review", help="sign a balancing test or impact assessment after reading it again")
    review.add_argument("file", type=Path)
    review.add_argument("--reviewer", required=True, metavar="NAME")
    trust = commands.add_parser("trust-clock", help="confirm the machine's clock after a jump, so that erasing goes on")
    trust.add_argument("--data", type=Path, required=True, metavar="DIR")


def run(arguments: Sequence[str], load: Load, say: Say) -> int:
    """Runs one subcommand; returns the exit status (1: `check` found something)."""
    parser = argparse.ArgumentParser(prog="incamera privacy", description=__doc__.splitlines()[0] if __doc__ else "")
    add_arguments(parser)
    options = parser.parse_args(list(arguments))
    command: Callable[[argparse.Namespace, Load, Say], int] = _COMMANDS[options.privacy_command]
    return command(options, load, say)


def _load(options: argparse.Namespace, load: Load) -> Loaded:
    return load(load_operator(options.privacy_file))


def _notice(options: argparse.Namespace, load: Load, say: Say) -> int:
    registry = _load(options, load).registry
    if options.publish:
        try:
            place = publish(registry, options.publish, datetime.now(UTC).date())
        except ValueError as error:
            raise PrivacyCommandError(f"{options.publish} was not published: {error}.") from error
        say(f"published {options.publish} in {place}")
    elif options.format == "json-ld":
        say(json.dumps(render_policy(registry, current_version(registry)), ensure_ascii=False, indent=2))
    else:
        say(render_markdown(registry, options.language))
    return 0


def _record(options: argparse.Namespace, load: Load, say: Say) -> int:
    registry = _load(options, load).registry
    if options.format == "csv":
        say(render_csv(registry, options.language).removesuffix("\r\n"))
    else:
        say(json.dumps(render_record(registry, options.language), ensure_ascii=False, indent=2))
    return 0


def _diff(options: argparse.Namespace, load: Load, say: Say) -> int:
    before = _version(options.before)
    if options.after == "now":
        changes = compare(before.registry, _load(options, load).registry.canonical())
    else:
        changes = compare(before.registry, _version(options.after).registry)
    for change in changes:
        say(str(change))
    if not changes:
        say("no change")
    return 0


def _version(name: str) -> PolicyVersion:
    try:
        return read_version(name)
    except FileNotFoundError as error:
        known = ", ".join(version.name for version in read_versions()) or "none"
        raise PrivacyCommandError(f"There is no version {name}; published: {known}.") from error


def _check(options: argparse.Namespace, load: Load, say: Say) -> int:
    loaded = _load(options, load)
    root = options.root or find_checkout()
    lines = check(loaded, root)
    for line in lines:
        say(line)
    for country in countries.stale(datetime.now(UTC).date()):
        say(f"warning: the age of consent in {country.code} was last looked up on {country.as_of}")
    if not lines:
        say(f"{len(loaded.registry.in_force)} activities in force, every rule holds, nothing undeclared")
    return 1 if lines else 0


def check(loaded: Loaded, root: Path | None) -> list[str]:
    """Every broken rule and every undeclared symbol, one line each."""
    broken = [str(finding) for finding in findings(loaded.registry, root=root)]
    marks = {line.partition(", ")[2] for line in broken if line.startswith("rule 14")}
    lint = [str(problem) for problem in check_everything(loaded.registry, loaded.api, root)]
    return broken + [line for line in lint if line not in marks]


def find_checkout() -> Path | None:
    """The checkout this package runs from; None when it is installed without its sources."""
    root = Path(__file__).resolve().parents[3]
    return root if (root / "docs/privacy").is_dir() and (root / "pyproject.toml").is_file() else None


def _review(options: argparse.Namespace, load: Load, say: Say) -> int:
    registry = _load(options, load).registry
    root = find_checkout()
    if root is None or not options.file.is_file():
        raise PrivacyCommandError(f"{options.file} is not a file of a checkout; reviews live under docs/privacy.")
    ref = options.file.resolve().relative_to(root).as_posix()
    concerned = [a for a in registry.declared if ref in (a.basis.lia, a.dpia.ref)]
    if not concerned:
        raise PrivacyCommandError(f"No activity names {ref} as its balancing test or impact assessment.")
    hashes = {activity.id: reviews.reviewed_hash(activity) for activity in concerned}
    text = options.file.read_text(encoding="utf-8")
    body = reviews.parse_review(text).body if text.startswith("+++") else text
    signed = reviews.Review(options.reviewer, _today(), hashes, body)
    options.file.write_text(reviews.render_review(signed), encoding="utf-8")
    say(f"{ref}: reviewed for {', '.join(sorted(hashes))}")
    return 0


def _trust_clock(options: argparse.Namespace, _load: Load, say: Say) -> int:
    if not options.data.is_dir():
        raise PrivacyCommandError(f"{options.data} is not a data directory.")
    now = datetime.now(UTC)
    (options.data / TIME_AGREED_FILE).write_text(now.isoformat(), encoding="utf-8")
    say(f"the time {now:%Y-%m-%d %H:%M} UTC is confirmed; erasing goes on within a minute")
    return 0


def _today() -> date:
    return datetime.now(UTC).date()


_COMMANDS: Final[dict[str, Callable[[argparse.Namespace, Load, Say], int]]] = {
    "notice": _notice,
    "record": _record,
    "diff": _diff,
    "check": _check,
    "review": _review,
    "trust-clock": _trust_clock,
}
