"""Draws the public pages: notice, evidence, record, one camera, its sign. Values in, HTML out."""

import re
import tomllib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, lru_cache
from importlib import resources
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from incamera.privacy import countries, slots
from incamera.privacy.durations import render_duration
from incamera.privacy.notice import Notice, NoticeRow, render_notice
from incamera.privacy.record import COLUMNS, render_record
from incamera.privacy.registry import Registry
from incamera.privacy.retention_engine import Evidence
from incamera.privacy.versions import PolicyVersion, read_versions
from incamera.website.signs import CameraSign, render_qr

# Whose data a row is about → the question a reader may ask of the table.
AUDIENCES: Final[Mapping[str, frozenset[str]]] = {
    "account": frozenset({"dpv:User", "dpv:Customer"}),
    "filmed": frozenset({"incam:PersonInView", "dpv:DataSubject"}),
    "shared": frozenset({"incam:ShareGrantee", "incam:Invitee"}),
    "visitor": frozenset({"dpv:Visitor"}),
}
_RIGHTS: Final = ("A15", "A20", "A16", "A17", "A18", "A21", "A7-3", "A22", "A77")
_RECORDING: Final = "B5.record/recording"
_SHOWN_CHANGES: Final = 12
_BETWEEN_TAGS: Final = re.compile(r">[^<]+<")
_BEFORE_SIGN: Final = re.compile(r" (?=[:;?!»])")


@dataclass(frozen=True, slots=True)
class ReceivedBy:
    """One recipient, and the uses it receives data from."""

    who: str
    uses: tuple[NoticeRow, ...]


@cache
def environment() -> Environment:
    """Jinja with everything escaped and every missing name an error."""
    return Environment(
        loader=PackageLoader("incamera.website"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def texts() -> dict[str, dict[str, str]]:
    """The fixed words, per language."""
    return tomllib.loads(resources.files("incamera.website").joinpath("texts.toml").read_text(encoding="utf-8"))


@lru_cache(maxsize=64)
def render_notice_page(registry: Registry, language: str, *, version: str, who: str = "") -> str:
    """The whole notice. `who`: one of AUDIENCES, to show only what concerns these people.

    Kept: it changes only with the program or the operator’s file, and anyone may ask for it as often as they like.
    """
    notice = render_notice(registry, language)
    shown = [row for row in notice.rows if who not in AUDIENCES or AUDIENCES[who] & set(row.subject_terms)]
    return _render(
        "notice.html",
        language,
        path="privacy",
        version=version,
        notice=notice,
        rows=shown,
        names={row.id: row.name for row in notice.rows},
        who=who if who in AUDIENCES else "",
        audiences=_audiences(notice),
        operator=registry.operator,
        recipients=_recipients(notice),
        retention=_retention(notice),
        processors=[(p, slots.slot_label(p.slot, language)) for p in registry.operator.enabled_processors],
        rights=_RIGHTS,
        has_consent=any(row.by_consent for row in notice.rows),
        authorities=_authorities(language),
        versions=_versions(),
        recording=_recording(registry, language),
        served_countries=_served,
    )


def render_evidence_page(
    registry: Registry, evidence: Sequence[Evidence], language: str, *, now: datetime, hidden: bool, paused: bool
) -> str:
    """What was promised to be erased, and the oldest thing left."""
    notice = render_notice(registry, language)
    rows = [_evidence_row(notice, item, language, now, hidden=hidden) for item in evidence]
    return _render("evidence.html", language, path="privacy/evidence", rows=rows, hidden=hidden, paused=paused)


def render_record_page(registry: Registry, language: str) -> str:
    """The record of processing as a table."""
    return _render(
        "record.html",
        language,
        path="privacy/record.html",
        columns=COLUMNS[language],
        entries=[list(entry.values()) for entry in render_record(registry, language)],
    )


def render_camera_page(registry: Registry, sign: CameraSign | None, language: str, *, code: str) -> str:
    """The second-layer notice of one camera; `sign` is None for a code that is nobody's."""
    return _render(
        "camera.html",
        language,
        path=f"privacy/camera/{code}",
        code=code,
        sign=sign,
        keep=render_duration(sign.keep, language) if sign and sign.keep else None,
        operator=registry.operator,
    )


def render_sign_page(registry: Registry, sign: CameraSign, language: str, *, code: str, address: str) -> str:
    """The sign to print, in both languages, with the QR code of `address`."""
    keep = {name: render_duration(sign.keep, name) if sign.keep else "" for name in texts()}
    return _render(
        "sign.html",
        language,
        path=f"privacy/camera/{code}/sign",
        code=code,
        sign=sign,
        keep=keep,
        both=[(name, texts()[name]) for name in dict.fromkeys((language, *texts()))],
        qr=render_qr(address),
        operator=registry.operator,
    )


def _render(template: str, language: str, *, path: str, **values: Any) -> str:
    words = texts()[language]
    other = words["other"]
    page = environment().get_template(template).render(t=words, language=language, other=other, path=path, **values)
    return _BETWEEN_TAGS.sub(lambda text: _typeset(text[0]), page) if language == "fr" else page


def _typeset(text: str) -> str:
    """French puts a space before these signs, and no line may end there."""
    return _BEFORE_SIGN.sub("\u00a0", text).replace("« ", "«\u00a0")


def _audiences(notice: Notice) -> list[str]:
    """The questions that would show something, and not everything."""
    counts = {
        name: sum(bool(terms & set(row.subject_terms)) for row in notice.rows) for name, terms in AUDIENCES.items()
    }
    return [name for name, count in counts.items() if 0 < count < len(notice.rows)]


def _recipients(notice: Notice) -> list[ReceivedBy]:
    found: defaultdict[str, list[NoticeRow]] = defaultdict(list)
    for row in notice.rows:
        for who in row.recipients:
            found[who].append(row)
    return [ReceivedBy(who, tuple(rows)) for who, rows in found.items()]


def _retention(notice: Notice) -> list[dict[str, Any]]:
    """Every kind of data once, with its period and the use it comes from."""
    return [
        {"row": row, "labels": item.labels, "period": item.period, "action": item.action}
        for row in notice.rows
        for item in row.keep
        if item.labels
    ]


def _authorities(language: str) -> list[dict[str, str]]:
    from babel import Locale

    names = Locale.parse(language).territories
    rows = [
        {"country": names.get(c.code, c.code), "name": c.authority, "url": c.authority_url}
        for c in countries.countries().values()
    ]
    return sorted(rows, key=lambda row: row["country"].replace("Î", "I"))


def _versions() -> list[dict[str, Any]]:
    return [
        {
            "version": version,
            "changes": version.changes[:_SHOWN_CHANGES],
            "more": max(0, len(version.changes) - _SHOWN_CHANGES),
            "is_first": index == 0,
        }
        for index, version in enumerate(_read_versions())
    ][::-1]


@cache
def _read_versions() -> tuple[PolicyVersion, ...]:
    return tuple(read_versions())


def _recording(registry: Registry, language: str) -> str:
    """How long recordings stay by default, for the first layer."""
    for rule, keep in registry.retention_rules:
        if _RECORDING in rule.data and keep.max:
            return render_duration(registry.maximum(registry.activity(rule.activity), keep) or keep.max, language)
    return texts()[language]["short_none"]


def _served(given: object, language: str) -> str:
    if isinstance(given, str):
        return texts()[language]["everywhere_else"]
    from babel import Locale

    names = Locale.parse(language).territories
    return ", ".join(names.get(code, code) for code in given) if isinstance(given, tuple) else ""


def _evidence_row(notice: Notice, item: Evidence, language: str, now: datetime, *, hidden: bool) -> dict[str, Any]:
    row = notice.row(item.activity)
    keep = next(keep for keep in row.keep if set(keep.addresses) == set(item.data))
    state = "memory" if item.in_memory else "waiting" if item.last_run is None else "overdue" if item.overdue else "ok"
    return {
        "row": row,
        "labels": keep.labels,
        "period": keep.period,
        "state": state,
        "by_event": item.declared_max is None,
        "oldest": None if hidden or item.oldest is None else _ago(now - item.oldest, language),
        "last_run": None if item.last_run is None else _ago(now - item.last_run, language),
        "erased": None if hidden else item.erased_in_all,
    }


def _ago(age: timedelta, language: str) -> str:
    seconds = max(0, int(age.total_seconds()))
    for unit, length in (("P{}D", 86_400), ("PT{}H", 3600), ("PT{}M", 60)):
        if seconds >= 2 * length or (seconds >= length and unit != "P{}D"):
            return render_duration(unit.format(seconds // length), language)
    return render_duration(f"PT{max(1, seconds)}S", language)
