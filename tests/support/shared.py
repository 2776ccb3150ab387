"""The folder of real streams and reference programs that may lie beside a checkout (`../shared`)."""

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[3] / "shared"


def shared_path(relative: str) -> Path:
    """A file or folder of `../shared`; skips the test, saying so, where it is absent (a fresh clone stands alone)."""
    path = SHARED / relative
    if not path.exists():
        pytest.skip(f"../shared/{relative} is not here; this test needs it")
    return path
