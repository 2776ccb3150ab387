import pytest

from incamera.recording import span


@pytest.fixture(autouse=True)
def quick_flushes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A real span gathers about a second; here a test would only wait for it."""
    monkeypatch.setattr(span, "FLUSH_S", 0.02)
