"""Makes bad bytes out of good ones, the same in every run."""

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Final

LONGEST: Final = 64 * 1024  # of a mutant: what grows with the square of its length shows long before
_INTERESTING: Final = (
    b"\0",
    b"\xff",
    b"\x7f\xff\xff\xff",
    b"\xff\xff\xff\xff",
    b"\r\n",
    b"\r\n\r\n",
    b'"',
    b"%s",
    b"-1",
    b"9" * 40,
)


def _flip(chance: random.Random, data: bytes) -> bytes:
    mutant = bytearray(data)
    for _ in range(chance.randint(1, 8)):
        mutant[chance.randrange(len(mutant))] ^= 1 << chance.randrange(8)
    return bytes(mutant)


def _cut(chance: random.Random, data: bytes) -> bytes:
    first, last = sorted((chance.randrange(len(data) + 1), chance.randrange(len(data) + 1)))
    return data[first:last]


def _insert(chance: random.Random, data: bytes) -> bytes:
    at = chance.randrange(len(data) + 1)
    return data[:at] + chance.choice((*_INTERESTING, chance.randbytes(chance.randint(1, 64)))) + data[at:]


def _overwrite(chance: random.Random, data: bytes) -> bytes:
    at, word = chance.randrange(len(data)), chance.choice(_INTERESTING)
    return data[:at] + word + data[at + len(word) :]


def _shuffle(chance: random.Random, data: bytes) -> bytes:
    size = max(1, len(data) // chance.randint(2, 12))
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    chance.shuffle(pieces)
    return b"".join(pieces)


def _repeat(chance: random.Random, data: bytes) -> bytes:
    first, last = sorted((chance.randrange(len(data) + 1), chance.randrange(len(data) + 1)))
    return data[:last] + data[first:last] * chance.randint(1, 50) + data[last:]


_MUTATIONS: Final[tuple[Callable[[random.Random, bytes], bytes], ...]] = (
    _flip,
    _cut,
    _insert,
    _overwrite,
    _shuffle,
    _repeat,
)


def mutants(seeds: Sequence[bytes], count: int, seed: int) -> Iterator[bytes]:
    """Every seed as it is, then `count` that are one to three mutations away from one or two of them."""
    yield from seeds
    chance = random.Random(seed)
    for _ in range(count):
        data = chance.choice(seeds)[:LONGEST]
        if chance.random() < 0.1:
            data = _cut(chance, data + b"") + chance.choice(seeds)[:LONGEST] if data else data
        for _ in range(chance.randint(1, 3)):
            data = chance.choice(_MUTATIONS)(chance, data)[:LONGEST] if data else chance.randbytes(16)
        yield data


def cuts(data: bytes, seed: int) -> Iterator[list[bytes]]:
    """The same bytes in other pieces: byte by byte (the first 4 kB) and twice at random."""
    head = min(len(data), 4096)
    yield [data[at : at + 1] for at in range(head)] + ([data[head:]] if head < len(data) else [])
    chance = random.Random(seed)
    for _ in range(2):
        pieces, at = [], 0
        while at < len(data):
            size = chance.randint(1, max(1, len(data) // 3))
            pieces.append(data[at : at + size])
            at += size
        yield pieces
