"""Marks: code points at the registry, never the other way round.

A column says which datum it holds, a route, job or socket says which activity it serves, a cookie, client key, stream
or store is created with its address. Marks are collected here at import and compared with the declarations by
`privacy.lint`: what is marked must be declared, what is declared must exist.
"""

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

ACTIVITY_ID: Final = re.compile(r"[A-Z]\d{0,2}[a-c]?\.[a-z_]+")
DATUM_KEY: Final = re.compile(r"[a-z][a-z0-9_]*")
_ADDRESS: Final = re.compile(rf"{ACTIVITY_ID.pattern}/{DATUM_KEY.pattern}")
_ATTRIBUTE: Final = "__processing__"

Target = TypeVar("Target", bound=Callable[..., Any])
SymbolKind = Literal["socket", "stream", "store", "job", "event", "template", "egress"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the source a mark stands, so that a lint can point at it."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Processing:
    """What a callable does with personal data: the activities it serves, or the reason why there are none."""

    activities: tuple[str, ...]
    reason: str
    place: Place


@dataclass(frozen=True, slots=True)
class Symbol:
    """Something that is neither column nor route: a stream, a store, a socket, a job, an event, a template."""

    kind: SymbolKind
    name: str
    activities: tuple[str, ...]
    data: tuple[str, ...]  # addresses of the data it holds
    place: Place


@dataclass(frozen=True, slots=True)
class LogEvent:
    """One event name and the keys it may carry. Anything else is dropped and counted."""

    name: str
    keys: frozenset[str]
    activity: str | None
    place: Place


@dataclass(slots=True)
class Marks:
    """Everything that was marked, in the order of import."""

    symbols: list[Symbol] = field(default_factory=list)
    log_events: dict[str, LogEvent] = field(default_factory=dict)
    cookies: dict[str, Any] = field(default_factory=dict)  # name → privacy.cookies.Cookie
    client_keys: dict[str, Any] = field(default_factory=dict)  # name → privacy.cookies.ClientKey


_collections: Final = [Marks()]  # the last one collects; tests push an empty one


def collected() -> Marks:
    """All marks of the modules imported so far."""
    return _collections[-1]


@contextmanager
def isolated_marks() -> Iterator[Marks]:
    """An empty collection for the length of a test."""
    _collections.append(Marks())
    try:
        yield collected()
    finally:
        _collections.pop()


def caller(depth: int = 2) -> Place:
    """The source line `depth` frames up."""
    frame = sys._getframe(depth)
    return Place(Path(frame.f_code.co_filename).as_posix(), frame.f_lineno)


def personal(address: str) -> dict[str, Any]:
    """`mapped_column(info=personal("B4.live_view/viewer_ip"))`: this column holds that datum."""
    if not _ADDRESS.fullmatch(address):
        raise ValueError(f"{address!r} is not the address of a datum; write it like 'B4.live_view/viewer_ip'")
    return {"personal": address, "place": caller()}


def not_personal(reason: str) -> dict[str, Any]:
    """`mapped_column(info=not_personal("random row id"))`: this column says nothing about a person, because ..."""
    if not reason.strip():
        raise ValueError("say in a few words why this column is not personal data")
    return {"not_personal": reason, "place": caller()}


def activity(*activity_ids: str) -> Callable[[Target], Target]:
    """Marks a route's endpoint or a job with the activities it serves; the first one is what it is mainly for."""
    if not activity_ids:
        raise ValueError("name at least one activity; use no_activity(reason) for code without personal data")
    _check_ids(activity_ids)
    return _mark(Processing(activity_ids, "", caller()))


def no_activity(reason: str) -> Callable[[Target], Target]:
    """Marks a route or job that touches no personal data, and says why."""
    if not reason.strip():
        raise ValueError("say in a few words why there is no personal data here")
    return _mark(Processing((), reason, caller()))


def processing_of(target: object) -> Processing | None:
    """The mark of an endpoint or job; None if it has none."""
    while target is not None:
        mark = getattr(target, _ATTRIBUTE, None)
        if mark is not None:
            return mark if isinstance(mark, Processing) else None
        target = getattr(target, "__wrapped__", None) or getattr(target, "func", None)
    return None


def declare_symbol(kind: SymbolKind, name: str, *activity_ids: str) -> str:
    """Names a media socket, job, event, template or outbound slot and the activities it serves; returns the name.

    `declare_symbol("socket", "/media/live", "B4.live_view")`.
    """
    _check_ids(activity_ids)
    collected().symbols.append(Symbol(kind, name, activity_ids, (), caller()))
    return name


def declare_storage(kind: Literal["stream", "store"], name: str, *addresses: str) -> str:
    """Names a stream in memory or a place on disk outside the database, and the data it holds; returns the name.

    `declare_storage("stream", "live.video", "B4.live_view/video_stream")`; a store is a blob area, cache or spool.
    """
    for address in addresses:
        if not _ADDRESS.fullmatch(address):
            raise ValueError(f"{address!r} is not the address of a datum; write it like 'B4.live_view/viewer_ip'")
    activities = tuple(dict.fromkeys(address.partition("/")[0] for address in addresses))
    collected().symbols.append(Symbol(kind, name, activities, addresses, caller()))
    return name


def declare_log_events(activity_id: str | None, events: Mapping[str, Iterable[str]]) -> None:
    """The log events of one activity (None: events without any tie to a person) and the keys each may carry.

    `declare_log_events("B4.live_view", {"live.started": ("channel_id", "stream")})`. A key is an id, a count, a
    duration or a code; never a name, an address, a text from outside or a secret.
    """
    if activity_id is not None:
        _check_ids((activity_id,))
    place, known_events = caller(), collected().log_events
    for name, keys in events.items():
        known = known_events.get(name)
        if known is not None and known.place != place:
            raise ValueError(f"the log event {name!r} is declared twice: {known.place} and {place}")
        known_events[name] = LogEvent(name, frozenset(keys), activity_id, place)


def _mark(processing: Processing) -> Callable[[Target], Target]:
    def apply(target: Target) -> Target:
        setattr(target, _ATTRIBUTE, processing)
        return target

    return apply


def _check_ids(activity_ids: Iterable[str]) -> None:
    for activity_id in activity_ids:
        if not ACTIVITY_ID.fullmatch(activity_id):
            raise ValueError(f"{activity_id!r} is not an activity id; write it like 'B4.live_view'")
