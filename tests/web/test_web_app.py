"""The web app’s own checks, run by the Node that builds it: unit tests, types, sizes, a client that is current."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILT = ROOT / "src/incamera/_web"


def _npm(*arguments: str) -> None:
    command = [sys.executable, str(ROOT / "hatch_build.py"), "--npm", *arguments]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, (result.stdout + result.stderr)[-6000:]


@pytest.fixture
def built() -> Path:
    if not BUILT.joinpath("index.html").exists():
        pytest.skip("the web app is not built: run ./dev test instead of pytest")
    return BUILT


@pytest.mark.slow
def test_unit_tests_of_the_web_app_pass() -> None:
    _npm("run", "--silent", "test")


@pytest.mark.slow
def test_types_and_components_are_sound() -> None:
    _npm("run", "--silent", "check")


def test_client_is_made_from_what_the_server_says_today() -> None:
    from incamera.app import render_openapi

    committed = json.loads((ROOT / "web/openapi.json").read_text(encoding="utf-8"))
    assert committed == json.loads(render_openapi()), "run: ./dev run python hatch_build.py --schema"


def test_first_load_and_player_keep_their_budgets(built: Path) -> None:
    sizes = {path.name: len(gzip.compress(path.read_bytes(), 9)) for path in built.glob("assets/*.js")}
    player = sum(size for name, size in sizes.items() if name.startswith("player-"))

    assert 0 < player <= 40_000
    assert sum(sizes.values()) - player <= 80_000


def test_page_needs_no_inline_script_or_style(built: Path) -> None:
    page = built.joinpath("index.html").read_text(encoding="utf-8")

    assert "<style" not in page
    assert "style=" not in page
    assert "<script>" not in page
    assert "https://" not in page


def test_installed_application_has_its_icons(built: Path) -> None:
    manifest = json.loads(built.joinpath("manifest.webmanifest").read_text(encoding="utf-8"))

    assert [icon for icon in manifest["icons"] if not built.joinpath(icon["src"].lstrip("/")).exists()] == []
