"""The twenty cross-rules of the registry (requirement book 2.4), each a named check that yields its findings.

A rule that the types already enforce is checked again here, because a declaration can be built around validation
(`model_construct`, `model_copy`), and because each rule has to have its own failing example in the tests.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from incamera.privacy import countries, vocabulary
from incamera.privacy.durations import parse_duration
from incamera.privacy.marks import ACTIVITY_ID
from incamera.privacy.notice import MAX_FIRST_LAYER_WORDS, MAX_ROW_WORDS, render_row
from incamera.privacy.operator_file import Operator
from incamera.privacy.registry import Registry, column_name
from incamera.privacy.reviews import find_problem
from incamera.privacy.schema import (
    CONSENT,
    CONTRACT,
    LEGAL_OBLIGATION,
    LEGITIMATE_INTEREST,
    Activity,
    Keep,
)
from incamera.privacy.slots import is_slot
from incamera.privacy.versions import read_versions, unpublished_changes
from incamera.privacy.vocabulary import LANGUAGES

_PARTIES: Final = frozenset({"dpv:User", "dpv:Customer"})
_RECORDINGS: Final = frozenset({"incam:Recording", "incam:RecordingPublicSpace", "incam:AudioRecording"})
_KEY_UNIT: Final = timedelta(hours=6)
_SPECIAL_CATEGORIES: Final = frozenset({
    "pd:Biometric", "pd:FacialPrint", "pd:Health", "pd:Genetic", "pd:Ethnicity", "pd:PoliticalAffiliation",
    "pd:Religion", "pd:Sexual", "pd:TradeUnionMembership", "pd:PhilosophicalBelief",
})  # fmt: skip  # Art. 9(1)


@dataclass(frozen=True, slots=True)
class Finding:
    """One broken rule, at one activity (or `operator`)."""

    rule: int
    where: str
    what: str

    def __str__(self) -> str:
        return f"rule {self.rule}, {self.where}: {self.what}"


@dataclass(frozen=True, slots=True)
class Context:
    """What a rule looks at. `root` is a checkout (for reviews); None in an installed package."""

    registry: Registry
    root: Path | None

    @property
    def activities(self) -> tuple[Activity, ...]:
        return self.registry.declared


Found = Iterator[tuple[str, str]]
Check = Callable[[Context], Found]


def closed_schema(context: Context) -> Found:
    """1: closed schema, known terms; every `incam:` term names a broader one."""
    for activity in context.activities:
        try:
            Activity.model_validate(activity.model_dump())
        except ValidationError as error:
            for item in error.errors():
                yield activity.id, f"{'.'.join(map(str, item['loc']))}: {item['msg'].removeprefix('Value error, ')}"
    for term in vocabulary.terms().values():
        if not term.broader:
            yield term.id, "names no broader term"


def stable_ids(context: Context) -> Found:
    """2: ids unique, well formed, never reused after retirement."""
    counts = Counter(activity.id for activity in context.activities)
    for activity_id, count in counts.items():
        if count > 1:
            yield activity_id, f"is declared {count} times"
        if not ACTIVITY_ID.fullmatch(activity_id):
            yield activity_id, "is not an activity id"
    for version in read_versions()[:-1]:
        for published in version.registry["activities"]:
            now = next((a for a in context.activities if a.id == published["id"]), None)
            if now is None:
                yield published["id"], f"was published in {version.name}; retire it instead of removing it"
            elif published["status"] == "retired" and now.status != "retired":
                yield now.id, f"was retired in {version.name}; a new use of data needs a new id"


def one_home(context: Context) -> Found:
    """3: each own datum in exactly one Keep; a reuse names a home directly; consent data are reused by nobody."""
    consent = {a.id for a in context.activities if a.basis.term == CONSENT}
    for activity in context.activities:
        kept = Counter(key for keep in activity.keep for key in keep.data)
        own = [datum.key for datum in activity.data]
        for key in own:
            if kept[key] != 1:
                yield activity.id, f"the datum {key} is in {kept[key]} Keep rules instead of one"
        for key in kept.keys() - set(own):
            yield activity.id, f"a Keep names {key}, which is no datum of this activity"
        for reuse in activity.reuses:
            if context.registry.find_datum(reuse.datum) is None:
                yield activity.id, f"reuses {reuse.datum}, which nobody declares{context.registry.suggest(reuse.datum)}"
            elif reuse.datum.startswith(f"{activity.id}/"):
                yield activity.id, f"reuses its own datum {reuse.datum}"
            elif reuse.datum.partition("/")[0] in consent:
                yield activity.id, f"reuses {reuse.datum}, which people gave for one purpose only"


def one_end(context: Context) -> Found:
    """4: exactly one of `max` (with `clock`) and `until`; real ISO 8601 durations."""
    for activity, keep in _keeps(context):
        if (keep.max is None) == (keep.until is None):
            yield activity.id, f"{', '.join(keep.data)}: exactly one of max and until"
        if (keep.max is None) != (keep.clock is None):
            yield activity.id, f"{', '.join(keep.data)}: a max counts from a clock, and only a max does"
        for duration in filter(None, (keep.max, keep.grace, keep.ceiling)):
            try:
                parse_duration(duration)
            except ValueError as error:
                yield activity.id, str(error)
        if keep.until is not None and keep.until not in vocabulary.events():
            yield activity.id, f"the event {keep.until} has no words; add it to vocabulary/events.toml"


def reliable_clock(context: Context) -> Found:
    """5: the clock column exists, is indexed and NOT NULL."""
    columns = {column_name(c): c for t in context.registry.metadata.tables.values() for c in t.columns}
    stores = {f"{s.kind}:{s.name}" for s in context.registry.marks.symbols}
    for activity, keep in _keeps(context):
        if activity.status != "in_force":
            continue
        name = keep.clock or keep.until or ""
        if name.startswith("client:"):
            continue  # the browser's own clock: the lifetime of a cookie or key
        if name.startswith(("stream:", "store:")):
            if not any(store.startswith(name.rpartition(".")[0] or name) for store in stores):
                yield activity.id, f"the clock {name} belongs to nothing that was declared with declare_storage"
            continue
        column = columns.get(name)
        if column is None:
            yield activity.id, f"the {'clock' if keep.clock else 'event'} column {name} does not exist"
        elif not _is_indexed(context, name):
            yield activity.id, f"the column {name} is not indexed"
        elif keep.clock and column.nullable:
            yield activity.id, f"the clock column {name} may be NULL; a row without a time would never expire"


def within_ceiling(context: Context) -> Found:
    """6: `max` ≤ `ceiling`; a recording rule is never shorter than PT6H, since the key unit is one hour."""
    for activity, keep in _keeps(context):
        if keep.max and keep.ceiling and parse_duration(keep.max) > parse_duration(keep.ceiling):
            yield activity.id, f"{', '.join(keep.data)}: {keep.max} is longer than the ceiling {keep.ceiling}"
        terms = {datum.term for datum in activity.data if datum.key in keep.data}
        if keep.max and terms & _RECORDINGS and parse_duration(keep.max) < _KEY_UNIT:
            yield activity.id, f"{', '.join(keep.data)}: recordings are kept for at least PT6H"


def lawful_end(context: Context) -> Found:
    """7: `keep_legal` needs `legal_ref`; `anonymise` names a function that exists."""
    for activity, keep in _keeps(context):
        if keep.action == "keep_legal" and not keep.legal_ref:
            yield activity.id, f"{', '.join(keep.data)}: keep_legal names no legal_ref"
        if keep.action == "anonymise" and not _function_exists(keep.anonymiser):
            yield activity.id, f"{', '.join(keep.data)}: anonymise names no function (`module:function`)"


def one_basis(context: Context) -> Found:
    """8: one basis per activity; a row of the seed with several bases becomes several activities."""
    for activity in context.activities:
        if activity.basis.term not in (CONSENT, CONTRACT, LEGAL_OBLIGATION, LEGITIMATE_INTEREST):
            yield activity.id, f"{activity.basis.term!r} is not one basis of Art. 6(1) that we use"
        if activity.basis.interest is not None and activity.basis.term != LEGITIMATE_INTEREST:
            yield activity.id, "names an interest beside another basis; split it into two activities"


def free_consent(context: Context) -> Found:
    """9: consent ⇒ no required datum, default off, withdrawal can run the retention action at once."""
    for activity in _with_basis(context, CONSENT):
        for datum in activity.data:
            if datum.required or datum.default == "on":
                yield activity.id, f"{datum.key} is under consent, so it is not required and off by default"
        if any(keep.action == "keep_legal" for keep in activity.keep):
            yield activity.id, "withdrawing must erase at once, so nothing may be kept by law"


def weighed_interest(context: Context) -> Found:
    """10: legitimate interest ⇒ interest, current balancing test, objection handler; obligation ⇒ `legal_ref`."""
    for activity in _with_basis(context, LEGITIMATE_INTEREST):
        if activity.basis.interest is None:
            yield activity.id, "does not say which legitimate interest"
        if activity.rights.objection != "handler":
            yield activity.id, "rests on legitimate interest, so people can object"
        if activity.basis.lia is None:
            yield activity.id, "names no balancing test (basis.lia)"
        elif context.root and (problem := find_problem(context.root, activity.basis.lia, activity)):
            yield activity.id, problem
    for activity in _with_basis(context, LEGAL_OBLIGATION):
        if not activity.basis.legal_ref:
            yield activity.id, "does not say which law obliges us (basis.legal_ref)"


def parties_only(context: Context) -> Found:
    """11: contract ⇒ subjects are parties; anyone else in the data is covered by `companion`."""
    by_id = {activity.id: activity for activity in context.activities}
    for activity in _with_basis(context, CONTRACT):
        for stranger in sorted(set(activity.subjects) - _PARTIES):
            yield activity.id, f"{stranger} is no party to the contract; cover them with a companion activity"
        if activity.companion is None and any(datum.special_risk for datum in activity.data):
            yield activity.id, "shows other people too, so it names a companion activity"
    for activity in context.activities:
        companion = by_id.get(activity.companion or "")
        if activity.companion is not None and companion is None:
            yield activity.id, f"the companion {activity.companion} does not exist"
        elif companion is not None and companion.basis.term == CONTRACT:
            yield activity.id, f"the companion {activity.companion} rests on a contract with people who have none"


def special_data(context: Context) -> Found:
    """12: Art. 9 terms ⇒ an `A9-2-*` condition; `special_risk` ⇒ the measure NotAnalysed or a detection activity."""
    detects = any(activity.id.startswith("B10.") for activity in context.activities)
    for activity in context.activities:
        for datum in activity.data:
            if _broader_chain(datum.term) & _SPECIAL_CATEGORIES and not activity.special_condition:
                yield activity.id, f"{datum.key} is Art. 9 data without a condition of Art. 9(2)"
            if datum.special_risk and not detects and "incam:NotAnalysed" not in activity.measures:
                yield activity.id, f"{datum.key} reveals private life: say that it is not analysed, or declare what is"


def known_slots(context: Context) -> Found:
    """13: every slot exists; an enabled slot outside the EEA needs a transfer entry."""
    operator = context.registry.operator
    for activity in context.activities:
        for recipient in activity.recipients:
            if recipient.slot is not None and not is_slot(recipient.slot):
                yield activity.id, f"there is no processor slot {recipient.slot}"
    for processor in operator.enabled_processors:
        covered = {t.country for t in operator.transfers if t.slot == processor.slot}
        if not countries.is_in_eea(processor.country) and processor.country not in covered:
            yield "operator", f"{processor.name} is in {processor.country}: add [[transfers]] for {processor.slot}"


def everything_exists(context: Context) -> Found:
    """14: every declared datum is held somewhere, every mark names a declared datum (the lint has file and line)."""
    from incamera.privacy.lint import check_marks

    for problem in check_marks(context.registry):
        yield problem.where, problem.what


def assessed_impact(context: Context) -> Found:
    """15: DPIA required ⇔ it has a trigger; then the file exists and its hash is current."""
    for activity in context.activities:
        if activity.dpia.required != bool(activity.dpia.triggers):
            yield activity.id, "an impact assessment is required exactly when it names a trigger"
        if any(datum.special_risk for datum in activity.data) and not activity.dpia.required:
            yield activity.id, "data that reveal private life need an impact assessment"
        if activity.dpia.required and context.root:
            problem = find_problem(context.root, activity.dpia.ref, activity)
            if problem:
                yield activity.id, problem


def rights_follow_basis(context: Context) -> Found:
    """16: portability ⇒ contract or consent; objection ⇔ legitimate interest; erasure always acts."""
    for activity in context.activities:
        basis, rights = activity.basis.term, activity.rights
        if rights.portability == "include" and basis not in (CONTRACT, CONSENT):
            yield activity.id, "portability goes with contract or consent only"
        if (rights.objection == "handler") != (basis == LEGITIMATE_INTEREST):
            yield activity.id, "objection goes with legitimate interest, always and only"
        if rights.erasure == "keep_legal" and not any(keep.action == "keep_legal" for keep in activity.keep):
            yield activity.id, "erasure is refused for a legal duty, but no Keep names one"


def secrets_stay(context: Context) -> Found:
    """17: secrets: access shows their presence only, no portability (returned by no route: see the lint)."""
    for activity in context.activities:
        secret = {datum.store == "secret" for datum in activity.data}
        if secret == {True} and (activity.rights.access, activity.rights.portability) != ("presence", "na"):
            yield activity.id, "holds secrets only: access is `presence` and portability `na`"
        for datum in activity.data:
            kind = vocabulary.terms()[datum.term].kind
            if kind == "secret" and datum.store not in ("secret", "transient"):
                yield activity.id, f"{datum.key} is a secret, so its store is `secret` (or `transient`)"


def written_for_people(context: Context) -> Found:
    """18: texts in every shipped language; a notice row ≤ 90 words, the first layer ≤ 400."""
    for language in LANGUAGES:
        names = 0
        for activity in context.registry.in_force:
            row = render_row(context.registry, activity, language)
            names += len(row.name.split())
            if row.words() > MAX_ROW_WORDS:
                yield (
                    activity.id,
                    f"its notice row has {row.words()} words in {language}; {MAX_ROW_WORDS} at most",
                )
        if names > MAX_FIRST_LAYER_WORDS:
            yield "notice", f"the first layer names activities in {names} words; {MAX_FIRST_LAYER_WORDS} at most"
    for activity in context.activities:
        for text in (activity.name, activity.summary, activity.refusal, *(p.text for p in activity.purposes)):
            if text.fr == text.en and len(text.en.split()) > 3:
                yield activity.id, f"{text.en!r} is the same in French and English"


def published_version(context: Context) -> Found:
    """19: the canonical form is the one of the newest version; checked in a checkout, with all routes known."""
    if context.root is None or not context.registry.routes:
        return
    changes = unpublished_changes(context.registry)
    if changes:
        yield "versions", f"{len(changes)} changes since the newest version, first: {changes[0]}"


def lawful_overrides(context: Context) -> Found:
    """20: operator overrides: shorter is free, longer needs a reason, above the ceiling is refused."""
    operator: Operator = context.registry.operator
    for address, override in operator.retention.items():
        activity_id, _, key = address.partition("/")
        keep = next((a.keep_of(key) for a in context.activities if a.id == activity_id), None)
        if keep is None or keep.max is None:
            yield "operator", f"retention.{address}: no such figure to change{context.registry.suggest(address)}"
            continue
        wanted = parse_duration(override.max)
        if keep.ceiling is None and wanted > parse_duration(keep.max):
            yield "operator", f"retention.{address}: {override.max} is longer than {keep.max}, and it has no ceiling"
        elif keep.ceiling is not None and wanted > parse_duration(keep.ceiling):
            yield "operator", f"retention.{address}: {override.max} is above the ceiling {keep.ceiling}"
        elif wanted > parse_duration(keep.max) and not override.reason:
            yield "operator", f"retention.{address}: longer than {keep.max} needs a reason"


RULES: Final[tuple[Check, ...]] = (
    closed_schema, stable_ids, one_home, one_end, reliable_clock, within_ceiling, lawful_end, one_basis, free_consent,
    weighed_interest, parties_only, special_data, known_slots, everything_exists, assessed_impact, rights_follow_basis,
    secrets_stay, written_for_people, published_version, lawful_overrides,
)  # fmt: skip


def findings(registry: Registry, *, root: Path | None = None) -> list[Finding]:
    """Every broken rule. When the schema itself is broken, only that is told: the other rules rely on it."""
    context = Context(registry, root)
    found: list[Finding] = []
    for number, check in enumerate(RULES, start=1):
        found += [Finding(number, where, what) for where, what in check(context)]
        if number == 1 and found:
            break
    return found


def _keeps(context: Context) -> Iterator[tuple[Activity, Keep]]:
    return ((activity, keep) for activity in context.activities for keep in activity.keep)


def _with_basis(context: Context, basis: str) -> Iterator[Activity]:
    return (activity for activity in context.activities if activity.basis.term == basis)


def _is_indexed(context: Context, name: str) -> bool:
    """Whether the column leads an index (or is the leading primary key): a sweep must not scan the table."""
    table_name, _, column = name.partition(".")
    table = context.registry.metadata.tables[table_name]
    leading = [next(iter(index.columns)).name for index in table.indexes]
    keys = [column.name for column in table.primary_key.columns]
    return column in leading or keys[:1] == [column]


def _function_exists(path: str | None) -> bool:
    module, _, function = (path or "").partition(":")
    try:
        return bool(function) and callable(getattr(import_module(module), function, None))
    except ImportError:
        return False


def _broader_chain(term_id: str) -> frozenset[str]:
    found: set[str] = set()
    term = vocabulary.terms().get(term_id)
    while term is not None and term.id not in found:
        found.update((term.id, term.broader))
        term = vocabulary.terms().get(term.broader)
    return frozenset(found)
