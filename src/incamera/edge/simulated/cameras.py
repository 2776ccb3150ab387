"""Which simulated cameras there are."""

from dataclasses import dataclass, field
from typing import Final, Self

from incamera.edge.simulated.profiles import Profile, SoundCodec
from incamera.kit.errors import IncameraError


class UnknownCamera(IncameraError):
    """A camera's name that we do not know."""

    status = 422

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no scene '{name}'; choose from {', '.join(sorted(_CAPTIONS))}.")


_CAPTIONS: Final = {"garden": "FRONT GARDEN", "porch": "PORCH", "yard": "YARD", "garage": "GARAGE"}
_SOUNDS: Final[dict[str, SoundCodec]] = {"garden": "aac", "porch": "alaw", "yard": "aac", "garage": "alaw"}


@dataclass(frozen=True, slots=True)
class SimulatedCamera:
    """One camera with a main and a sub stream under /NAME/main and /NAME/sub."""

    name: str  # of the path, and of the scene unless `scene` says otherwise
    profile: Profile = field(default_factory=Profile)
    scene: str = ""
    caption: str = ""
    sound: SoundCodec | None = "aac"
    has_counter: bool = True  # the machine-readable number of each picture; a demo for people does without

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads "garden" or "garden:bframes+dropouts"; raises UnknownCamera or UnknownProfile."""
        name, _, profile = text.partition(":")
        if name not in _CAPTIONS:
            raise UnknownCamera(name)
        habits = Profile.parse(profile or "steady")
        return cls(name, habits, name, _CAPTIONS[name], habits.sound or _SOUNDS[name])

    @property
    def scene_name(self) -> str:
        """The scene it looks at."""
        return self.scene or self.name

    @property
    def title(self) -> str:
        """What it writes into its picture."""
        return (self.caption or self.name).upper()


DEMO_CAMERAS: Final = tuple(
    map(
        SimulatedCamera.parse,
        ("garden:steady", "porch:bframes", "yard:variable", "garage:long-gop+dropouts"),
    )
)
"""The demo's: a camera at the garden, a doorbell at the porch, and a recorder with the yard and the garage."""
