"""What a confined process can no longer do, tried in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import json, os, socket, sys
from pathlib import Path
from incamera.edge.confinement import Limits, confine, python_paths
from incamera.edge.sources.datagrams import bind_pair
own, other = Path(sys.argv[1]), Path(sys.argv[2])
confinement = confine(
    Limits(open_files=64), readable=python_paths(), writable=(own,), may_connect=True, environment=("PATH",)
)
def works(action):
    try:
        action()
    except OSError:
        return False
    return True
def listen():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
def receive_datagrams():
    for bound in bind_pair("127.0.0.1"):
        bound.close()
print(json.dumps({
    "holds": confinement.holds,
    "write own": works(lambda: (own / "a").write_text("x")),
    "replace own": works(lambda: (own / "a").replace(own / "b")),
    "delete own": works(lambda: (own / "b").unlink()),
    "read other": works(lambda: (other / "secret").read_text()),
    "write other": works(lambda: (other / "a").write_text("x")),
    "listen": works(listen),
    "receive datagrams": works(receive_datagrams),
    "read library": works(lambda: Path(json.__file__).read_text()),
    "open a device": works(lambda: os.close(os.open("/dev/zero", os.O_RDWR))),
    "environment": sorted(os.environ),
}))
"""


def test_only_the_own_folder_can_be_written_and_others_cannot_be_read(tmp_path: Path) -> None:
    own, other = tmp_path / "own", tmp_path / "other"
    own.mkdir()
    other.mkdir()
    (other / "secret").write_text("key")

    said = subprocess.run(
        [sys.executable, "-c", SCRIPT, own, other],
        check=True,
        capture_output=True,
        env={"PATH": "/usr/bin", "INCAMERA_ROOT_KEY": "0"},
    ).stdout
    result = json.loads(said)

    assert result["environment"] == ["PATH"]
    assert {"environment", "rlimits", "no_new_privs"} <= set(result["holds"])
    assert result["write own"]
    assert result["replace own"]
    assert result["delete own"]
    assert result["read library"]
    assert result["receive datagrams"], "cameras may send over UDP"
    if "landlock_files" not in result["holds"]:
        pytest.skip("this kernel has no Landlock")
    assert not result["open a device"]
    assert not result["read other"]
    assert not result["write other"]
    if "landlock_network" in result["holds"]:
        assert not result["listen"]
