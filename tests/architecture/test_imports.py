"""Calls go down: the layers, the front doors, and where the database and the network may appear at all."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import incamera

ROOT = Path(incamera.__file__).parent
FILES = sorted(path for path in ROOT.rglob("*.py") if "versions" not in path.parts)
FEATURES = frozenset(
    {"website", "playback", "recording", "live", "devices", "access", "accounts", "streams", "privacy", "edge"}
)
# The composition roots reach for routers, declarations and services; a command hands over to one module.
# The public pages are the other half of the registry's renderers.
TWINS = frozenset({("website", "privacy")})
ROOTS = frozenset({"app.py", "cli.py", "maintenance"})
NETWORK = frozenset({"httpx2", "httpx", "requests", "aiohttp", "smtplib", "ftplib", "urllib.request", "http.client"})
MEDIA_MAY_NOT = frozenset(
    {"asyncio", "socket", "threading", "time", "ssl", "subprocess", "selectors", "sqlite3", "multiprocessing", "os"}
)


def _imports(path: Path) -> Iterator[tuple[str, str, int]]:
    """(module, name, line) of every import; name is empty for `import module`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "", node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ((node.module, alias.name, node.lineno) for alias in node.names)


def _where(path: Path, line: int) -> str:
    return f"{path.relative_to(ROOT.parent)}:{line}"


def test_every_import_goes_down() -> None:
    program = Path(sys.executable).parent / "lint-imports"
    if not program.exists():
        pytest.skip("import-linter is not installed here")
    done = subprocess.run([program, "--no-cache"], cwd=ROOT.parent.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_features_are_entered_by_the_front_door() -> None:
    offences = []
    for path in FILES:
        relative = path.relative_to(ROOT)
        if relative.parts[0] in ROOTS:
            continue
        for module, _, line in _imports(path):
            parts = module.split(".")
            is_inside = len(parts) > 2 and parts[0] == "incamera" and parts[1] in FEATURES
            if is_inside and parts[1] != relative.parts[0] and (relative.parts[0], parts[1]) not in TWINS:
                offences.append(f"{_where(path, line)} reaches into {module}; import it from incamera.{parts[1]}")
    assert offences == []


def test_front_doors_say_what_they_are_for() -> None:
    for feature in FEATURES:
        tree = ast.parse((ROOT / feature / "__init__.py").read_text(encoding="utf-8"))
        text = ast.get_docstring(tree)
        assert text is not None, feature
        assert len(text) > 40, f"incamera.{feature} needs a paragraph that says what it is for"


def test_database_library_stays_in_its_files() -> None:
    allowed_files = {"repository.py", "tables.py"}
    offences = []
    for path in FILES:
        relative = path.relative_to(ROOT)
        if relative.parts[0] in ("storage", "privacy") or path.name in allowed_files:
            continue
        for module, name, line in _imports(path):
            # A use case passes the session on and acts on a full disk; it may name those types.
            if module.split(".")[0] == "sqlalchemy" and name != "AsyncSession" and module != "sqlalchemy.exc":
                offences.append(f"{_where(path, line)} imports {module}")
    assert offences == []


def test_only_the_outbound_factory_opens_connections() -> None:
    offences = [
        f"{_where(path, line)} imports {module}"
        for path in FILES
        if path.parent != ROOT / "storage" or not path.name.startswith("outbound")
        for module, _, line in _imports(path)
        if module in NETWORK or module.split(".")[0] in NETWORK
    ]
    assert offences == []


def test_media_does_no_io() -> None:
    offences = [
        f"{_where(path, line)} imports {module}"
        for path in FILES
        if path.is_relative_to(ROOT / "media")
        for module, _, line in _imports(path)
        if module.split(".")[0] in MEDIA_MAY_NOT
    ]
    assert offences == []


def test_settings_are_read_in_one_place() -> None:
    offences = [
        _where(path, line)
        for path in FILES
        if path.relative_to(ROOT).parts[0] not in ROOTS
        for module, _, line in _imports(path)
        if module == "incamera.config"
    ]
    assert offences == []


def test_no_drawer_for_odds_and_ends() -> None:
    assert [path for path in FILES if path.name in ("utils.py", "helpers.py", "common.py", "misc.py")] == []


def test_every_module_says_what_it_is_for() -> None:
    silent = [path for path in FILES if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))]
    assert [str(path.relative_to(ROOT)) for path in silent] == []
