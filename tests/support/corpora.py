"""Inputs that fuzzers found for other people's parsers of the same formats (`../shared/media/corpora`)."""

import zipfile

from tests.support.shared import shared_path


def read_corpus(name: str) -> dict[str, bytes]:
    """Every member of `name`.zip; skips the test where the folder is absent."""
    with zipfile.ZipFile(shared_path(f"media/corpora/{name}.zip")) as archive:
        return {member: archive.read(member) for member in archive.namelist()}


def split_packets(data: bytes) -> list[bytes]:
    """Some members hold several packets behind their lengths (4 bytes, little-endian); all of it is fit to be fed."""
    packets, at = [], 0
    while at + 4 <= len(data):
        size = int.from_bytes(data[at : at + 4], "little")
        packets.append(data[at + 4 : at + 4 + size])
        at += 4 + size
    return [*packets, data]
