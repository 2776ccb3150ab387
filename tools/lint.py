"""Everything `./dev lint` checks. Runs all checks, prints what each found, and fails if any did."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON_PLACES = ("src", "tests", "tools", "bench", "dev", "hatch_build.py")
CHANGE_KINDS = ("added", "changed", "fixed", "security", "privacy")


def run(*command: str) -> str:
    """What the program printed if it failed, else nothing."""
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return (
        "" if result.returncode == 0 else (result.stdout + result.stderr).strip() or f"exit status {result.returncode}"
    )


def python(*arguments: str) -> str:
    return run(sys.executable, "-m", *arguments)


def tracked(*patterns: str) -> list[Path]:
    listing = subprocess.run(
        ["git", "ls-files", "-z", *patterns], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return [path for name in listing.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def locks_carry_no_addresses() -> str:
    return "\n".join(
        f"{path.relative_to(ROOT)} names where packages came from; renew it with ./dev lock"
        for path in tracked("*.lock", "*package-lock.json", "*.npmrc")
        if _names_a_registry(path)
    )


def _names_a_registry(path: Path) -> bool:
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".json":
        return "://" in text
    packages = json.loads(text)["packages"].values()  # their `funding` may name a page; that is no place to load from
    return any("resolved" in package or "://" in package.get("version", "") for package in packages)


def nothing_names_this_machine() -> str:
    pattern = re.compile(rb"(?<![\w.])/(?:home/[a-z]|Users/|root/|work/)")
    return "\n".join(
        f"{path.relative_to(ROOT)} names a place on somebody's machine"
        for path in tracked()
        if path.suffix not in {".png", ".webp", ".svg", ".bin", ".service"} and pattern.search(path.read_bytes())
    )


def changes_have_known_kinds() -> str:
    return "\n".join(
        f"changes/{path.name}: call it <slug>.<{'|'.join(CHANGE_KINDS)}>.md"
        for path in tracked("changes/*")
        if path.name != "README.md" and not re.fullmatch(rf"[a-z0-9-]+\.({'|'.join(CHANGE_KINDS)})\.md", path.name)
    )


CHECKS: dict[str, Callable[[], str]] = {
    "ruff check": lambda: python("ruff", "check", *PYTHON_PLACES),
    "ruff format": lambda: python("ruff", "format", "--check", *PYTHON_PLACES),
    "mypy": lambda: python("mypy"),
    "import contracts": lambda: run(str(Path(sys.executable).parent / "lint-imports")),
    "dead code": lambda: python("vulture", "src", "tools/vulture_allowed.py", "--min-confidence", "90"),
    "privacy registry": lambda: python("incamera", "privacy", "check"),
    "locks": locks_carry_no_addresses,
    "paths": nothing_names_this_machine,
    "change notes": changes_have_known_kinds,
    "web app": lambda: run(sys.executable, "hatch_build.py", "--check"),
}


def main() -> int:
    failed = 0
    for name, check in CHECKS.items():
        started = time.monotonic()
        findings = check()
        print(f"{'FAIL' if findings else 'ok  '} {name} ({time.monotonic() - started:.1f} s)", flush=True)
        if findings:
            failed += 1
            print(findings, flush=True)
    print(f"{failed} of {len(CHECKS)} checks failed" if failed else f"all {len(CHECKS)} checks passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
