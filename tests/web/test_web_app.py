"""The web app’s own checks, run by the Node that builds it: unit tests, types, sizes, a client that is current."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tools.reference import errors

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
    page = built.joinpath("index.html").read_text(encoding="utf-8")
    first = {name for name in sizes if name in page or name.startswith("fr-")}  # the longer of the two languages

    assert 0 < player <= 40_000
    assert sum(sizes[name] for name in first) - player <= 72_000, "80 kB is the promise, this is to notice growth"


PACKAGES_THAT_ANSWER_PEOPLE = ("access", "accounts", "devices", "live", "playback", "serving", "streams")
ONLY_A_WRONG_PROGRAM_GETS = {
    *("idempotency_key_reused", "invalid_idempotency_key", "invalid_range", "json_expected", "method_not_allowed"),
    *("nothing_asked", "range_too_long", "ticket_invalid"),
    *("metrics_forbidden", "not_through_proxy"),  # a monitor or a proxy that is set up wrongly
    *("address_unusable", "certificate_unusable", "port_taken"),  # the server says them on its terminal
    "camera_error",  # always one of its kinds
}
SAID_BY_THE_PAGE_ITSELF = {"unreachable", "unknown"}


def _worded() -> set[str]:
    words = json.loads((ROOT / "web/src/lib/i18n/fr.json").read_text(encoding="utf-8"))
    faults = {f"camera_{key.split('.')[1]}" for key in words if key.startswith("fault.")}
    return faults | {key.removeprefix("problem.") for key in words if key.startswith("problem.")}


def test_every_problem_that_people_can_meet_has_words() -> None:
    met = {error.code() for error in errors() if error.__module__.split(".")[1] in PACKAGES_THAT_ANSWER_PEOPLE}

    assert met - ONLY_A_WRONG_PROGRAM_GETS - _worded() == set()


def test_no_words_are_kept_for_a_problem_that_no_longer_exists() -> None:
    problems = {code for code in _worded() if not code.startswith("camera_")} - SAID_BY_THE_PAGE_ITSELF

    assert problems - {error.code() for error in errors()} == set()


def test_page_needs_no_inline_script_or_style(built: Path) -> None:
    page = built.joinpath("index.html").read_text(encoding="utf-8")

    assert "<style" not in page
    assert "style=" not in page
    assert "<script>" not in page
    assert "https://" not in page


def test_installed_application_has_its_icons(built: Path) -> None:
    manifest = json.loads(built.joinpath("manifest.webmanifest").read_text(encoding="utf-8"))

    assert [icon for icon in manifest["icons"] if not built.joinpath(icon["src"].lstrip("/")).exists()] == []
