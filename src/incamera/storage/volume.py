"""How the volume of the recordings is doing, in words that a person can act on."""

from enum import StrEnum
from typing import Final


class VolumeState(StrEnum):
    """The worst that is true just now. The web app has a sentence for each, in every language."""

    WELL = "well"
    FULL = "full"  # and nothing on it may be erased early
    READ_ONLY = "read_only"
    FAILING = "failing"  # it answers with errors
    SLOW = "slow"  # it has not answered for seconds


SENTENCES: Final = {
    VolumeState.WELL: "",
    VolumeState.FULL: "The disk is full and nothing on it may be erased early; make room. Edges keep what is new.",
    VolumeState.READ_ONLY: "The disk is read-only, nothing is recorded; check it and mount it for writing again.",
    VolumeState.FAILING: "The disk answers with errors, nothing is recorded; check it, and have a backup at hand.",
    VolumeState.SLOW: "The disk does not answer; what is new waits in memory and in the edges.",
}
