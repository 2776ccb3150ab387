"""One interface, the same behaviour on disk, in memory and on S3."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from incamera.storage.blobs import BlobExists, BlobNotFound, Blobs, BlobsUnavailable, InvalidBlobUrl
from tests.support.s3 import ENVIRONMENT, s3_server


@pytest.fixture(scope="module")
def s3_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with s3_server(tmp_path_factory.mktemp("s3")) as port:
        yield f"s3://media/area?endpoint=http://127.0.0.1:{port}"


@pytest.fixture(params=["local", "memory", pytest.param("s3", marks=pytest.mark.slow)])
def blobs(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Blobs:
    if request.param == "local":
        return Blobs.local(tmp_path / "blobs")
    if request.param == "memory":
        return Blobs.memory()
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
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


@pytest.mark.slow
async def test_a_bucket_that_refuses_is_one_sentence(s3_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "sw0rdfish")
    blobs = Blobs.at(s3_url)
    with pytest.raises(BlobsUnavailable, match="refuses us; check AWS_ACCESS_KEY_ID") as refused:
        await blobs.put("segments/c", b"first")
    assert "sw0rdfish" not in str(refused.value)
    with pytest.raises(BlobsUnavailable):
        _ = [entry async for entry in blobs.names()]


@pytest.mark.slow
async def test_a_bucket_that_does_not_answer_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(BlobsUnavailable, match=r"see whether it runs, has room, and has that bucket\.$"):
        await Blobs.at("s3://media?endpoint=http://127.0.0.1:9").get("segments/a")


@pytest.mark.parametrize("url", ["s3://", "http://bucket", "s3://bucket?secret=x"])
def test_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(InvalidBlobUrl):
        Blobs.at(url)
