"""Which questions, in which order, until a camera was asked for a picture that decodes alone.

    ask_time ─► GetServices ─(fault)─► GetCapabilities ─► GetProfiles ─► GetStreamUri … until one is ours ─► token

Conversations are generators: they yield a `Call`, are sent the `Element` that answered it, and get an OnvifError thrown
in when the camera said no. Whoever drives them does the waiting.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Final

from incamera.media.http.url import HttpUrl
from incamera.media.onvif.errors import NoSuchProfile, NotOnvif, OnvifFault
from incamera.media.onvif.services import (
    Call,
    MediaService,
    ask_capabilities,
    ask_profiles,
    ask_services,
    ask_stream_uri,
    is_same_stream,
    parse_profiles,
    parse_services,
    parse_stream_uri,
)
from incamera.media.onvif.xml import Element

MAX_URIS: Final = 16  # asked for at a time: a recorder has hundreds of profiles, and other things to do

Conversation = Generator[Call, Element, "Profile"]


@dataclass(frozen=True, slots=True)
class Profile:
    """A media profile: one stream of a camera, by the service that knows it."""

    media: MediaService
    token: str


@dataclass(slots=True)
class Catalogue:
    """What is known of a camera's profiles; shared by all its streams, so that nothing is asked twice."""

    services: list[MediaService] = field(default_factory=list)
    unasked: list[Profile] = field(default_factory=list)
    targets: dict[Profile, str] = field(default_factory=dict)  # path and query of the profile's stream

    def find(self, target: str) -> Profile | None:
        """The profile of a stream, the closest match first."""
        for matches in (str.__eq__, is_same_stream):
            for profile, theirs in self.targets.items():
                if theirs and matches(target, theirs):
                    return profile
        return None


def find_profile(device: HttpUrl, catalogue: Catalogue, target: str) -> Conversation:
    """The profile of the stream at this path and query; what is learnt on the way is left in the catalogue.

    Raises NoSuchProfile, NotOnvif, or what the camera said no with.
    """
    if not catalogue.services:
        catalogue.services = yield from _find_services(device)
        for media in catalogue.services:
            catalogue.unasked += yield from _list_profiles(media)
        if not catalogue.unasked:
            raise NoSuchProfile
    asked = 0
    while (found := catalogue.find(target)) is None and catalogue.unasked and asked < MAX_URIS:
        profile = catalogue.unasked.pop(0)
        asked += 1
        try:
            catalogue.targets[profile] = parse_stream_uri((yield ask_stream_uri(profile.media, profile.token)))
        except OnvifFault:
            catalogue.targets[profile] = ""  # a profile without a stream
    if found is not None:
        return found
    if not catalogue.unasked and len({it.token for it in catalogue.targets}) == 1:
        return next(iter(catalogue.targets))  # there is but one, whatever it calls its stream
    raise NoSuchProfile


def _find_services(device: HttpUrl) -> Generator[Call, Element, list[MediaService]]:
    asks: tuple[Callable[[HttpUrl], Call], ...] = (ask_services, ask_capabilities)
    for ask in asks:
        try:
            services = parse_services((yield ask(device)), device)
        except OnvifFault:
            continue  # the older question, then
        if services:
            return services
    raise NotOnvif


def _list_profiles(media: MediaService) -> Generator[Call, Element, list[Profile]]:
    try:
        return [Profile(media, token) for token in parse_profiles((yield ask_profiles(media)))]
    except OnvifFault:
        return []  # it has the service, and no use for it
