"""Some of many alike: a usual run of the tests has twenty minutes. INCAMERA_EVERYTHING=1 makes it take all of them."""

import os
from collections.abc import Sequence
from datetime import date
from typing import Final, TypeVar

import pytest

TAKES_ALL: Final = bool(os.environ.get("INCAMERA_EVERYTHING"))
_DAY: Final = date.today().toordinal()  # noqa: DTZ011  # any number that changes by the day

Thing = TypeVar("Thing")


def turn(one_of: int) -> tuple[int, int]:
    """(first, stride) of those whose turn it is today; on other days it is that of others."""
    return (0, 1) if TAKES_ALL else (_DAY % one_of, one_of)


def takes_turns(place: int, one_of: int) -> pytest.MarkDecorator:
    """Marks one of some long tests, by its place among them: each day it is another's turn."""
    first, stride = turn(one_of)
    return pytest.mark.skipif(
        place % stride != first, reason="its turn is on another day, or with INCAMERA_EVERYTHING=1"
    )


def sample(things: Sequence[Thing], *, one_of: int) -> Sequence[Thing]:
    """One of so many."""
    first, stride = turn(one_of)
    print(f"every {stride}th from number {first} on of {len(things)}")
    return things[first::stride]
