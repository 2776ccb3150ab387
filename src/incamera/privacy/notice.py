"""The notice as values: one row per activity, in one language. HTML, JSON-LD and the record are all drawn from it.

Rows are rendered, never written: every word comes from the declaration, the vocabulary or the operator's file, so
what a person reads is what the program obeys.
"""

from dataclasses import dataclass
from typing import Final

from incamera.privacy import countries, vocabulary
from incamera.privacy.durations import render_duration
from incamera.privacy.registry import Registry
from incamera.privacy.schema import LEGITIMATE_INTEREST, Activity, Datum, Keep, Recipient, Text
from incamera.privacy.slots import slot_label

NINE_AREAS: Final = (
    "controller", "purposes", "basis", "recipients", "retention", "rights", "transfers", "dpo", "authority",
)  # fmt: skip  # Art. 13: each is an anchor of the page
MAX_ROW_WORDS: Final = 90
MAX_FIRST_LAYER_WORDS: Final = 400

_WHO: Final = {
    "subject": Text(fr="vous", en="you"),
    "owner": Text(fr="le propriétaire de l’appareil", en="the owner of the device"),
    "grantee": Text(fr="les personnes avec qui il partage", en="people the owner shares with"),
    "device": Text(fr="l’appareil lui-même", en="the device itself"),
    "authority": Text(fr="une autorité, si la loi l’impose", en="an authority, where the law demands it"),
    "staff": Text(fr="les personnes qui exploitent ce serveur", en="the people who run this server"),
    "shop": Text(fr="la boutique", en="the shop"),
}
_IN_MEMORY: Final = Text(fr="non conservé ({} en mémoire)", en="not stored ({} in memory)")
_AT_MOST: Final = Text(fr="{} au plus", en="{} at most")
_LATEST: Final = Text(fr="dans votre navigateur, {} au plus", en="in your browser, {} at most")
_NOBODY: Final = Text(fr="personne", en="nobody")
_ELSEWHERE: Final = Text(fr="comme dans l’usage d’origine", en="as in the activity they come from")


@dataclass(frozen=True, slots=True)
class DatumItem:
    """One kind of data as a reader sees it."""

    address: str
    term: str
    label: str
    optional: bool
    off_by_default: bool
    reused_from: str | None  # the activity it comes from


@dataclass(frozen=True, slots=True)
class KeepItem:
    """How long some of the data stay: `period` in words, `duration` in ISO 8601 or None where an event ends it."""

    labels: tuple[str, ...]
    addresses: tuple[str, ...]
    period: str
    duration: str | None
    until: str | None
    action: str


@dataclass(frozen=True, slots=True)
class TransferItem:
    country: str
    tool: str
    copy_at: str


@dataclass(frozen=True, slots=True)
class NoticeRow:
    """One activity, in one language."""

    id: str
    anchor: str
    name: str
    summary: str
    refusal: str
    subjects: tuple[str, ...]
    subject_terms: tuple[str, ...]  # of the activity and of its companion: everyone whom the data are about
    purposes: tuple[str, ...]
    basis: str
    basis_term: str
    interest: str | None
    data: tuple[DatumItem, ...]
    keep: tuple[KeepItem, ...]
    recipients: tuple[str, ...]
    transfers: tuple[TransferItem, ...]
    can_object: bool
    by_consent: bool
    since: str

    def words(self) -> int:
        """Length of the printed row (rule 18): names, data, purposes, basis, periods, recipients."""
        parts = [self.name, self.basis, *self.purposes, *(d.label for d in self.data), *self.recipients]
        parts += [keep.period for keep in self.keep]
        return sum(len(part.split()) for part in parts)


@dataclass(frozen=True, slots=True)
class CookieItem:
    """A cookie or a key of client storage: name, why, class, lifetime, party (K-02)."""

    name: str
    purpose: str
    kind: str
    lifetime: str
    place: str
    activity: str


@dataclass(frozen=True, slots=True)
class Notice:
    """The whole notice in one language."""

    language: str
    rows: tuple[NoticeRow, ...]
    measures: tuple[str, ...]
    cookies: tuple[CookieItem, ...]

    def row(self, activity_id: str) -> NoticeRow:
        return next(row for row in self.rows if row.id == activity_id)


def render_notice(registry: Registry, language: str) -> Notice:
    """The notice of everything in force."""
    rows = tuple(render_row(registry, activity, language) for activity in registry.in_force)
    used = dict.fromkeys(measure for activity in registry.in_force for measure in activity.measures)
    proven = [vocabulary.measures()[measure] for measure in used if vocabulary.measures()[measure].tests]
    return Notice(language, rows, tuple(m.sentence(language) for m in proven), _cookies(registry, language))


def render_row(registry: Registry, activity: Activity, language: str) -> NoticeRow:
    """One activity as the reader sees it."""
    return NoticeRow(
        id=activity.id,
        anchor=activity.id.replace(".", "-"),
        name=activity.name.in_language(language),
        summary=activity.summary.in_language(language),
        refusal=activity.refusal.in_language(language),
        subjects=tuple(_label(term, language) for term in activity.subjects),
        subject_terms=_concerned(registry, activity),
        purposes=tuple(purpose.text.in_language(language) for purpose in activity.purposes),
        basis=_label(activity.basis.term, language),
        basis_term=activity.basis.term,
        interest=activity.basis.interest.in_language(language) if activity.basis.interest else None,
        data=_data(registry, activity, language),
        keep=tuple(_keep(registry, activity, keep, language) for keep in activity.keep) or _inherited(language),
        recipients=_recipients(registry, activity, language),
        transfers=_transfers(registry, activity, language),
        can_object=activity.basis.term == LEGITIMATE_INTEREST,
        by_consent=activity.basis.term == "eu-gdpr:A6-1-a",
        since=activity.since,
    )


def _label(term: str, language: str) -> str:
    return vocabulary.terms()[term].label(language)


def _concerned(registry: Registry, activity: Activity) -> tuple[str, ...]:
    companions = [other for other in registry.in_force if other.id == activity.companion]
    return tuple(dict.fromkeys((*activity.subjects, *(term for other in companions for term in other.subjects))))


def _data(registry: Registry, activity: Activity, language: str) -> tuple[DatumItem, ...]:
    own = [_item(activity.address(datum.key), datum, language, None) for datum in activity.data]
    reused = []
    for reuse in activity.reuses:
        datum = registry.find_datum(reuse.datum)
        if datum is not None:
            reused.append(_item(reuse.datum, datum, language, reuse.datum.partition("/")[0]))
    return (*own, *reused)


def _item(address: str, datum: Datum, language: str, reused_from: str | None) -> DatumItem:
    return DatumItem(
        address=address,
        term=datum.term,
        label=_label(datum.term, language),
        optional=not datum.required,
        off_by_default=datum.default == "off",
        reused_from=reused_from,
    )


def _keep(registry: Registry, activity: Activity, keep: Keep, language: str) -> KeepItem:
    maximum = registry.maximum(activity, keep)
    return KeepItem(
        labels=tuple(dict.fromkeys(_label(activity.datum(key).term, language) for key in keep.data)),
        addresses=tuple(map(activity.address, keep.data)),
        period=_period(activity, keep, maximum, language),
        duration=maximum,
        until=keep.until,
        action=keep.action,
    )


def _period(activity: Activity, keep: Keep, maximum: str | None, language: str) -> str:
    if maximum is None:
        event = vocabulary.events()[keep.until or ""]
        if keep.grace is None:
            return event[language]
        return f"{render_duration(keep.grace, language)} {event[f'after_{language}']}"
    duration = render_duration(maximum, language)
    stores = {activity.datum(key).store for key in keep.data}
    pattern = _IN_MEMORY if keep.action == "drop" else _LATEST if stores == {"client"} else _AT_MOST
    return pattern.in_language(language).format(duration)


def _inherited(language: str) -> tuple[KeepItem, ...]:
    return (KeepItem((), (), _ELSEWHERE.in_language(language), None, None, ""),)


def _recipients(registry: Registry, activity: Activity, language: str) -> tuple[str, ...]:
    words = [word for r in activity.recipients if (word := _recipient(registry, r, language)) is not None]
    return tuple(dict.fromkeys(words)) or (_NOBODY.in_language(language),)


def _recipient(registry: Registry, recipient: Recipient, language: str) -> str | None:
    if recipient.who is not None:
        return _WHO[recipient.who].in_language(language)
    slot = recipient.slot or ""
    names = [p.name for p in registry.operator.enabled_processors if p.slot == slot and not p.own]
    return f"{slot_label(slot, language)} ({', '.join(names)})" if names else None


def _transfers(registry: Registry, activity: Activity, language: str) -> tuple[TransferItem, ...]:
    slots = {r.slot for r in activity.recipients if r.slot and registry.operator.is_enabled(r.slot)}
    return tuple(
        TransferItem(transfer.country, _label(transfer.tool, language), transfer.copy_at)
        for transfer in registry.operator.transfers
        if transfer.slot in slots and not countries.is_in_eea(transfer.country)
    )


def _cookies(registry: Registry, language: str) -> tuple[CookieItem, ...]:
    cookies = [
        CookieItem(
            name=cookie.name,
            purpose=cookie.purpose.in_language(language),
            kind=cookie.kind,
            lifetime=_lifetime(cookie.max_age_s, language),
            place="cookie",
            activity=cookie.activity,
        )
        for _, cookie in sorted(registry.marks.cookies.items())
    ]
    keys = [
        CookieItem(
            name=key.name,
            purpose=key.purpose.in_language(language),
            kind="functional",
            lifetime=_unused(key.max_age_days, language),
            place=key.store,
            activity=key.activity,
        )
        for _, key in sorted(registry.marks.client_keys.items())
    ]
    return (*cookies, *keys)


def _unused(days: int | None, language: str) -> str:
    """How long a key of client storage stays: so long without use, or as long as that version of the app."""
    if days is None:
        return Text(fr="jusqu’à la prochaine version", en="until the next version").in_language(language)
    pattern = Text(fr="{} sans utilisation", en="{} without use").in_language(language)
    return pattern.format(render_duration(f"P{days}D", language))


def _lifetime(seconds: int | None, language: str) -> str:
    if seconds is None:
        return Text(fr="fin de la session du navigateur", en="end of the browser session").in_language(language)
    days, rest = divmod(seconds, 86_400)
    return render_duration(f"P{days}D" if days and not rest else f"PT{seconds // 60}M", language)
