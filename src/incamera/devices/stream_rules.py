"""How brands write the addresses of their streams: to the smaller stream of one, and to a recorder's other inputs.

Facts from the brands' own pages, seen in November 2026; the table is data, add a row when you know one:

- Hikvision (also Annke, HiLook, EZVIZ): ISAPI guide, "ID = channel number * 100 + stream type", 1 main, 2 sub; older
  ones /h264/ch1/main/av_stream
- Dahua (also Amcrest, Imou, Lorex): channel from 1, subtype 0 main, 1 sub
- Reolink: support article "Introduction to RTSP": Preview_<channel>_<main|sub>, older ones with the codec before it
- Uniview: /unicast/c<channel>/s<0|1>/live, single cameras /media/video1 and /media/video2
- TP-Link Tapo and VIGI: /stream1, /stream2 · Foscam: /videoMain, /videoSub · Avycon: /profile1, /profile2
- Amlink: /video/livemedia?Ch=<channel>&Streamtype=<0|1> · CamHi: /ch<channel from 0>_<0|1>.264
- /…/main and /…/sub: Avycon, Helix, and the simulated cameras

A rule proposes; only a camera that answers there makes it true.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final, Self

from incamera.devices.address import CameraAddress
from incamera.devices.model import MAX_CHANNELS


@dataclass(frozen=True, slots=True)
class Rule:
    """One brand's way. `pattern` has the groups `stream` and, where an address names an input, `channel`."""

    brand: str
    pattern: re.Pattern[str]
    main: str
    sub: str
    first_channel: int = 1

    @classmethod
    def of(cls, brand: str, pattern: str, main: str, sub: str, *, first_channel: int = 1) -> Self:
        """Paths and queries do not care for case in any brand that we know."""
        return cls(brand, re.compile(pattern, re.IGNORECASE | re.ASCII), main, sub, first_channel)


RULES: Final = (
    Rule.of("Hikvision", r"/(?:ISAPI/)?Streaming/Channels/(?P<channel>\d{1,2})0(?P<stream>[12])\b", "1", "2"),
    Rule.of("Hikvision", r"/h26[45]/ch(?P<channel>\d{1,2})/(?P<stream>main|sub)/av_stream\b", "main", "sub"),
    Rule.of("Dahua", r"/cam/realmonitor\?(?:.*&)?channel=(?P<channel>\d{1,2})&subtype=(?P<stream>[01])\b", "0", "1"),
    Rule.of("Reolink", r"/(?:h26[45])?Preview_(?P<channel>\d{2})_(?P<stream>main|sub)\b", "main", "sub"),
    Rule.of("Uniview", r"/unicast/c(?P<channel>\d{1,2})/s(?P<stream>[01])/live\b", "0", "1"),
    Rule.of("Uniview", r"/media/video(?P<stream>[12])$", "1", "2"),
    Rule.of("Amlink", r"/video/livemedia\?Ch=(?P<channel>\d{1,2})&Streamtype=(?P<stream>[01])\b", "0", "1"),
    Rule.of("CamHi", r"/ch(?P<channel>\d{1,2})_(?P<stream>[01])\.264\b", "0", "1", first_channel=0),
    Rule.of("TP-Link", r"/stream(?P<stream>[12])$", "1", "2"),
    Rule.of("Foscam", r"/video(?P<stream>Main|Sub)$", "Main", "Sub"),
    Rule.of("Avycon", r"/profile(?P<stream>[12])$", "1", "2"),
    Rule.of("", r"(?:/[^?]*)?/(?P<stream>main|sub)$", "main", "sub"),
)


@dataclass(frozen=True, slots=True)
class StreamPair:
    """One input: its main stream and the smaller one."""

    number: int  # as people count, from 1
    main: CameraAddress
    sub: CameraAddress


@dataclass(frozen=True, slots=True)
class KnownStream:
    """An address that follows a rule."""

    rule: Rule
    address: CameraAddress
    number: int  # as people count, from 1; 1 where the address names no input

    @property
    def has_channels(self) -> bool:
        """Whether the address names an input, as that of a recorder does."""
        return "channel" in self.rule.pattern.groupindex

    def pair(self, number: int) -> StreamPair:
        """The streams of that input of the same device."""
        return StreamPair(number, self._at(number, self.rule.main), self._at(number, self.rule.sub))

    def pairs(self, first: int, count: int) -> Iterator[StreamPair]:
        """Inputs from `first` on, as many as a device may have; just its own where the address names none."""
        if not self.has_channels:
            numbers = range(1, 2) if first == 1 else range(0)
        else:
            numbers = range(first, min(first + count, MAX_CHANNELS + 1))
        return map(self.pair, numbers)

    def _at(self, number: int, stream: str) -> CameraAddress:
        path = self.address.path
        match = self.rule.pattern.match(path)
        assert match is not None
        values = {"stream": stream}
        if self.has_channels:
            width = len(match["channel"]) if match["channel"].startswith("0") else 1
            values["channel"] = f"{number - 1 + self.rule.first_channel:0{width}d}"
        for group in sorted(values, key=match.start, reverse=True):  # from the end, so that positions stay true
            path = path[: match.start(group)] + values[group] + path[match.end(group) :]
        return replace(self.address, path=path)


def find_rule(address: CameraAddress) -> KnownStream | None:
    """The rule that an address follows; None for those that we do not know, and for anything but RTSP."""
    if address.scheme != "rtsp":
        return None
    for rule in RULES:
        match = rule.pattern.match(address.path)
        if match is None:
            continue
        groups = match.groupdict()
        number = int(groups["channel"]) - rule.first_channel + 1 if "channel" in groups else 1
        if 1 <= number <= MAX_CHANNELS:
            return KnownStream(rule, address, number)
    return None
