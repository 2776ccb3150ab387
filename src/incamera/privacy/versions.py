"""Published policy versions: canonical JSON, texts, hashes and classified changes, committed and never edited.

    versions/2026.1/registry.json    every activity in full and the default operator's facts (RFC 8785)
    versions/2026.1/notice.fr.md     the notice in words, per language
    versions/2026.1/changes.json     what changed since the version before, classified
    versions/2026.1/version.toml     the day it was published, SHA-256 of the files above

An operator's own facts are part of the version too: their hash is added to the name (`2026.1+3f2a9c1d`).
"""

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

from incamera.privacy.canonical import digest, render_canonical
from incamera.privacy.diff import Change, compare
from incamera.privacy.notice import render_notice
from incamera.privacy.operator_file import household
from incamera.privacy.registry import Registry
from incamera.privacy.vocabulary import LANGUAGES

FOLDER: Final = Path(__file__).parent / "versions"


@dataclass(frozen=True, slots=True)
class PolicyVersion:
    """One published version."""

    name: str
    published: date
    registry: Mapping[str, Any]
    changes: tuple[Mapping[str, str], ...]


class DamagedVersion(ValueError):
    """A committed version no longer has the bytes it was published with."""


def read_versions(folder: Path = FOLDER) -> list[PolicyVersion]:
    """All versions, oldest first; raises DamagedVersion when a file was changed after it was published (V-01)."""
    names = sorted((path.parent.name for path in folder.glob("*/version.toml")), key=_sort_key)
    return [read_version(name, folder) for name in names]


def read_version(name: str, folder: Path = FOLDER) -> PolicyVersion:
    """One version by name; FileNotFoundError if there is none."""
    place = folder / name
    head = tomllib.loads((place / "version.toml").read_text(encoding="utf-8"))
    for file, expected in head["sha256"].items():
        if hashlib.sha256((place / file).read_bytes()).hexdigest() != expected:
            raise DamagedVersion(f"{name}/{file} is not what was published; never edit a version, publish a new one")
    registry = json.loads((place / "registry.json").read_text(encoding="utf-8"))
    changes = json.loads((place / "changes.json").read_text(encoding="utf-8"))
    return PolicyVersion(name, head["published"], registry, tuple(changes))


def current_version(registry: Registry, folder: Path = FOLDER) -> str:
    """The name under which this server's policy is published: the newest version, plus the operator's facts if any."""
    versions = read_versions(folder)
    name = versions[-1].name if versions else "unpublished"
    facts = registry.operator.published()
    return name if facts == household().published() else f"{name}+{digest(facts)[:8]}"


def canonical_activities(registry: Registry) -> dict[str, Any]:
    """What a committed version freezes: the activities, with the facts of an instance without `privacy.toml`."""
    return {"activities": registry.canonical()["activities"], "operator": household().published()}


def unpublished_changes(registry: Registry, folder: Path = FOLDER) -> list[Change]:
    """How the registry differs from the newest version; empty when it is published (rule 19)."""
    versions = read_versions(folder)
    before = versions[-1].registry if versions else {"activities": [], "operator": {}}
    return compare(before, canonical_activities(registry))


def publish(registry: Registry, name: str, day: date, folder: Path = FOLDER) -> Path:
    """Writes a version. An existing one is only overwritten when it is the newest (before its release)."""
    earlier = [version for version in read_versions(folder) if version.name != name]
    if earlier and _sort_key(earlier[-1].name) > _sort_key(name):
        raise ValueError(f"{name} is older than the published {earlier[-1].name}")
    canonical = canonical_activities(registry)
    before = earlier[-1].registry if earlier else {"activities": [], "operator": household().published()}
    changes = [{"class": c.kind, "where": c.where, "what": c.what} for c in compare(before, canonical)]
    texts = {f"notice.{language}.md": render_markdown(registry, language) for language in LANGUAGES}
    files = {"registry.json": render_canonical(canonical), "changes.json": render_canonical(changes), **texts}
    place = folder / name
    place.mkdir(parents=True, exist_ok=True)
    for file, text in files.items():
        (place / file).write_text(text, encoding="utf-8")
    hashes = "".join(f'"{file}" = "{hashlib.sha256(text.encode()).hexdigest()}"\n' for file, text in files.items())
    (place / "version.toml").write_text(f"published = {day.isoformat()}\n\n[sha256]\n{hashes}", encoding="utf-8")
    return place


def render_markdown(registry: Registry, language: str) -> str:
    """The table of activities as text, so that a version can be read and compared without a program."""
    lines = []
    for row in render_notice(registry, language).rows:
        lines += [f"## {row.name} ({row.id})", "", row.summary, ""]
        lines += [f"- {'; '.join(row.purposes)}", f"- {row.basis}" + (f": {row.interest}" if row.interest else "")]
        lines += [f"- {item.label}" + (f" ← {item.reused_from}" if item.reused_from else "") for item in row.data]
        lines += [
            f"- {', '.join(item.labels)}: {item.period}" if item.labels else f"- {item.period}" for item in row.keep
        ]
        lines += [f"- → {', '.join(row.recipients)}", f"- {row.refusal}", ""]
    return "\n".join(lines)


def _sort_key(name: str) -> tuple[int, ...]:
    return tuple(int(part) for part in name.split(".") if part.isdigit())
