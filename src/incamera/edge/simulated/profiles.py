"""How a simulated camera encodes and behaves: the habits of real ones that players and recorders stumble over."""

from dataclasses import dataclass, replace
from typing import Final, Literal, Self

from incamera.kit.errors import IncameraError


class UnknownProfile(IncameraError):
    """A profile's name that we do not know."""

    status = 422

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no profile '{name}'; choose from {', '.join(sorted(HABITS))}, joined by '+'.")


VideoCodec = Literal["H264", "H265"]
SoundCodec = Literal["aac", "alaw", "opus", "l16", "g722", "g726"]


@dataclass(frozen=True, slots=True)
class Profile:
    """A camera's habits. Times in seconds."""

    name: str = "steady"
    gop_s: float = 2.0
    bitrate: int | None = 1_500_000  # bits per second of the main stream, held; None: as many as the picture needs
    reorders: bool = False  # B-frames
    codec: VideoCodec = "H264"  # of the main stream; cameras that send H.265 mostly keep a sub stream in H.264
    sub_codec: VideoCodec = "H264"
    sound: SoundCodec | None = None  # instead of the one that the camera has
    refreshes: bool = False  # its main stream is renewed a stripe at a time and never has a picture that decodes alone
    describes_sets: bool = True  # parameter sets are in the SDP, too; otherwise only before each sync sample
    resizes_every_s: float | None = None  # it changes to three quarters of its size and back
    is_over_udp: bool = False  # packets travel in datagrams only
    loss: float = 0.0  # … and this share of them gets lost; others are overtaken, or come twice
    away_every_s: float | None = None  # it drops out once in so many seconds …
    away_for_s: float = 8.0  # … and refuses connections for so long

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads "steady" or "long-gop+dropouts"; raises UnknownProfile."""
        profile = cls(name=text)
        for habit in text.split("+"):
            if habit not in HABITS:
                raise UnknownProfile(habit)
            profile = replace(profile, **HABITS[habit])  # type: ignore[arg-type]  # the names are those of the fields
        return profile

    def is_small(self, second: float) -> bool:
        """Whether the camera sends the smaller picture `second` seconds after it was switched on."""
        return self.resizes_every_s is not None and int(second / self.resizes_every_s) % 2 == 1

    def is_away(self, second: float) -> bool:
        """Whether the camera is out of reach `second` seconds after it was switched on."""
        if self.away_every_s is None:
            return False
        return second % self.away_every_s >= self.away_every_s - self.away_for_s


HABITS: Final[dict[str, dict[str, object]]] = {
    "steady": {},
    "variable": {"bitrate": None},
    "bframes": {"reorders": True},
    "in-band": {"describes_sets": False},
    "resizing": {"resizes_every_s": 12.0},
    "long-gop": {"gop_s": 10.0, "bitrate": None},
    "refresh": {"refreshes": True},
    "udp": {"is_over_udp": True},
    "lossy": {"is_over_udp": True, "loss": 0.01},
    "dropouts": {"away_every_s": 70.0},
    "h265": {"codec": "H265"},
    "h265-only": {"codec": "H265", "sub_codec": "H265"},
    **{sound: {"sound": sound} for sound in ("opus", "l16", "g722", "g726")},
}
