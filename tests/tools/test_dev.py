"""The bootstrap tells in one sentence what is missing, and fails."""

import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def a_checkout(folder: Path) -> Path:
    """Only what the bootstrap itself needs: no environment yet."""
    checkout = folder / "checkout"
    (checkout / "tools").mkdir(parents=True)
    for name in ("dev", "dev.lock", "tools/bootstrap.lock"):
        shutil.copy(ROOT / name, checkout / name)
    return checkout


def dev(checkout: Path, *arguments: str, python: tuple[str, ...] = (), **environment: str) -> tuple[int, str]:
    result = subprocess.run(
        [sys.executable, *python, str(checkout / "dev"), *arguments],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
        env={**os.environ, **environment},
    )
    return result.returncode, result.stderr.strip()


def test_help_and_unknown_commands_need_no_environment(tmp_path: Path) -> None:
    checkout = a_checkout(tmp_path)
    assert dev(checkout, "--help")[0] == 0
    status, said = dev(checkout, "dance")
    assert status == 2
    assert said == "./dev has no command 'dance'; it has demo, test, lint, bench, lock, shots, run."
    assert not (checkout / ".venv").exists()


def test_a_python_without_venv_is_told_what_to_install(tmp_path: Path) -> None:
    checkout = a_checkout(tmp_path)
    broken = tmp_path / "broken"  # like Debian's python3 without python3-venv: the module cannot be imported
    broken.mkdir()
    (broken / "ensurepip.py").write_text("raise ImportError('No module named ensurepip')\n")
    status, said = dev(checkout, "run", "true", PYTHONPATH=str(broken))
    assert status == 1
    assert "python3-venv" in said
    assert len(said.splitlines()) == 1


def test_an_old_python_is_told_which_one_to_take(tmp_path: Path) -> None:
    checkout = a_checkout(tmp_path)
    older = "import sys, runpy; sys.version_info = (3, 9, 2, 'final', 0); sys.argv = sys.argv[1:]; "
    code = older + "runpy.run_path(sys.argv[0], run_name='__main__')"
    result = subprocess.run(
        [sys.executable, "-c", code, str(checkout / "dev"), "test"], capture_output=True, text=True, check=False
    )
    assert result.returncode == 1
    assert result.stderr.startswith("Incamera needs Python 3.11 or later")


def test_programs_keep_their_bytecode_also_in_a_container(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it every start of a server takes seconds more."""
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    environment = runpy.run_path(str(ROOT / "dev"), run_name="dev")["_environment"]()
    assert "PYTHONDONTWRITEBYTECODE" not in environment
    assert environment["VIRTUAL_ENV"] == str(ROOT / ".venv")


def test_no_network_is_one_sentence(tmp_path: Path) -> None:
    checkout = a_checkout(tmp_path)
    offline = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "0", "PIP_CONFIG_FILE": os.devnull}
    status, said = dev(checkout, "run", "true", PIP_NO_CACHE_DIR="1", PIP_FIND_LINKS="", **offline)
    assert status == 1
    assert said == ("The package index cannot be reached; check the network (or PIP_INDEX_URL) and run ./dev again.")
    status, _ = dev(checkout, "run", "true", PIP_NO_CACHE_DIR="1", PIP_FIND_LINKS="", **offline)
    assert status == 1, "half an environment is not taken for a whole one"


def test_a_full_disk_is_one_sentence(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    small = tmp_path / "small"
    small.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(small)], check=False)
    if mount.returncode:
        pytest.skip("this machine lets nobody mount a tmpfs")
    try:
        status, said = dev(a_checkout(small), "run", "true")
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)
    assert status == 1
    assert "disk" in said
    assert len(said.splitlines()) == 1


def test_a_checkout_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("a read-only mount needs root")
    checkout = a_checkout(tmp_path)
    if subprocess.run(["mount", "--bind", checkout, checkout], check=False).returncode:
        pytest.skip("this machine lets nobody mount")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", checkout], check=True)
        status, said = dev(checkout, "run", "true")
    finally:
        subprocess.run(["umount", "-l", checkout], check=True)
    assert status == 1
    assert "cannot be written to" in said
    assert len(said.splitlines()) == 1
