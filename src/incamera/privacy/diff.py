"""What changed between two policy versions, and what each change obliges us to (requirement book 4.10).

| class | when | effect |
| --- | --- | --- |
| material-consent | new purpose, recipient, datum, transfer, longer retention under consent | that feature waits |
| material-inform | the same under another basis; new activity; slot enabled | notice 30 days ahead |
| favourable | shorter retention, fewer data or recipients, off by default | at once, listed |
| editorial | words and code symbols only | version suffix, no message |
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final

from incamera.privacy.durations import parse_duration

Json = Mapping[str, Any]
_CONSENT: Final = "eu-gdpr:A6-1-a"


class ChangeClass(StrEnum):
    """In order of weight."""

    MATERIAL_CONSENT = "material-consent"
    MATERIAL_INFORM = "material-inform"
    FAVOURABLE = "favourable"
    EDITORIAL = "editorial"


@dataclass(frozen=True, slots=True)
class Change:
    """One difference: where, what in words, and its class."""

    kind: ChangeClass
    where: str  # an activity id or `operator`
    what: str

    def __str__(self) -> str:
        return f"{self.kind:<16}  {self.where}: {self.what}"


def compare(before: Json, after: Json) -> list[Change]:
    """Every change from one canonical form (`Registry.canonical`) to the next, weightiest first."""
    changes = [*_activities(before, after), *_operator(before.get("operator", {}), after.get("operator", {}))]
    order = list(ChangeClass)
    return sorted(changes, key=lambda change: (order.index(change.kind), change.where, change.what))


def _activities(before: Json, after: Json) -> Iterator[Change]:
    old = {activity["id"]: activity for activity in before["activities"] if activity["status"] == "in_force"}
    new = {activity["id"]: activity for activity in after["activities"] if activity["status"] == "in_force"}
    for activity_id in sorted(old.keys() - new.keys()):
        yield Change(ChangeClass.FAVOURABLE, activity_id, "this use of data ends")
    for activity_id in sorted(new.keys() - old.keys()):
        yield Change(_material(new[activity_id]), activity_id, "a new use of data")
    for activity_id in sorted(old.keys() & new.keys()):
        for kind, what in _activity(old[activity_id], new[activity_id]):
            yield Change(kind, activity_id, what)


def _material(activity: Json) -> ChangeClass:
    is_consent = activity["basis"]["term"] == _CONSENT
    return ChangeClass.MATERIAL_CONSENT if is_consent else ChangeClass.MATERIAL_INFORM


def _activity(old: Json, new: Json) -> Iterator[tuple[ChangeClass, str]]:
    material = _material(new)
    if old["basis"]["term"] != new["basis"]["term"]:
        yield material, f"legal basis {old['basis']['term']} becomes {new['basis']['term']}"
    for name, more, fewer in (
        ("purpose", material, ChangeClass.FAVOURABLE),
        ("datum", material, ChangeClass.FAVOURABLE),
        ("recipient", material, ChangeClass.FAVOURABLE),
        ("subject", material, ChangeClass.FAVOURABLE),
        ("measure", ChangeClass.FAVOURABLE, material),
    ):
        yield from _set(name, _SETS[name](old), _SETS[name](new), more, fewer)
    yield from _data(old, new, material)
    yield from _retention(old, new, material)
    if old["rights"] != new["rights"]:
        yield material, "what the rights do has changed"
    if _words(old) != _words(new):
        yield ChangeClass.EDITORIAL, "words"
    if _symbols(old) != _symbols(new):
        yield ChangeClass.EDITORIAL, "code symbols"


_SETS: Final = {
    "purpose": lambda a: {purpose["term"] for purpose in a["purposes"]},
    "datum": lambda a: {datum["key"] for datum in a["data"]} | {reuse["datum"] for reuse in a["reuses"]},
    "recipient": lambda a: {recipient["who"] or recipient["slot"] for recipient in a["recipients"]},
    "subject": lambda a: set(a["subjects"]),
    "measure": lambda a: set(a["measures"]),
}


def _set(
    name: str, old: set[str], new: set[str], more: ChangeClass, fewer: ChangeClass
) -> Iterator[tuple[ChangeClass, str]]:
    for item in sorted(new - old):
        yield more, f"new {name} {item}"
    for item in sorted(old - new):
        yield fewer, f"{name} {item} no longer"


def _data(old: Json, new: Json, material: ChangeClass) -> Iterator[tuple[ChangeClass, str]]:
    before = {datum["key"]: datum for datum in old["data"]}
    for datum in new["data"]:
        was = before.get(datum["key"])
        if was is None:
            continue
        if datum["term"] != was["term"]:
            yield material, f"{datum['key']} becomes {datum['term']}"
        for field, worse in (("required", True), ("special_risk", True), ("default", "on")):
            if datum[field] != was[field]:
                kind = material if datum[field] == worse else ChangeClass.FAVOURABLE
                yield kind, f"{datum['key']}: {field} is now {str(datum[field]).lower()}"


def _retention(old: Json, new: Json, material: ChangeClass) -> Iterator[tuple[ChangeClass, str]]:
    before, after = _periods(old), _periods(new)
    for key in sorted(before.keys() & after.keys()):
        if before[key] == after[key]:
            continue
        shorter = _length(after[key]) < _length(before[key])
        kind = ChangeClass.FAVOURABLE if shorter else material
        yield kind, f"{key} kept {' + '.join(after[key])}, was {' + '.join(before[key])}"


def _periods(activity: Json) -> dict[str, tuple[str, ...]]:
    """Datum → its period: `("P30D",)`, or the event and the grace after it."""
    return {
        key: tuple(filter(None, (keep["max"] or keep["until"], keep["grace"])))
        for keep in activity["keep"]
        for key in keep["data"]
    }


def _length(period: tuple[str, ...]) -> timedelta:
    """An event counts as longer than any figure; its grace breaks the tie."""
    first, *grace = period
    event = not first.startswith("P") or "." in first
    fixed = timedelta(days=100_000) if event else parse_duration(first)
    return fixed + sum((parse_duration(part) for part in grace), timedelta())


def _words(activity: Json) -> Any:
    texts = [activity[name] for name in ("name", "summary", "refusal")]
    return texts, [purpose["text"] for purpose in activity["purposes"]], activity["basis"]["interest"]


def _symbols(activity: Json) -> Any:
    return activity["code"], [datum["at"] for datum in activity["data"]]


def _operator(old: Json, new: Json) -> Iterator[Change]:
    before, after = _enabled(old), _enabled(new)
    for slot, name in sorted(after - before):
        yield Change(ChangeClass.MATERIAL_INFORM, "operator", f"{slot} goes to {name}")
    for slot, name in sorted(before - after):
        yield Change(ChangeClass.FAVOURABLE, "operator", f"{slot} no longer goes to {name}")
    if old.get("transfers", []) != new.get("transfers", []):
        yield Change(ChangeClass.MATERIAL_INFORM, "operator", "transfers to third countries have changed")
    if old.get("controllers", []) != new.get("controllers", []):
        yield Change(ChangeClass.MATERIAL_INFORM, "operator", "who decides has changed")
    yield from _overrides(old.get("retention", {}), new.get("retention", {}))
    if old.get("contacts", {}) != new.get("contacts", {}):
        yield Change(ChangeClass.EDITORIAL, "operator", "contacts")


def _enabled(operator: Json) -> set[tuple[str, str]]:
    return {(p["slot"], p["name"]) for p in operator.get("processors", []) if p["enabled"]}


def _overrides(old: Json, new: Json) -> Iterator[Change]:
    for address in sorted(old.keys() | new.keys()):
        before, after = old.get(address, {}).get("max"), new.get(address, {}).get("max")
        if before == after:
            continue
        is_shorter = before and after and parse_duration(after) < parse_duration(before)
        kind = ChangeClass.FAVOURABLE if is_shorter else ChangeClass.MATERIAL_INFORM
        yield Change(kind, "operator", f"{address} kept {after or 'as declared'}, was {before or 'as declared'}")
