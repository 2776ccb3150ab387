"""What a declaration may say: closed, frozen models (requirement book 2.2). An unknown key names the nearest known one.

**Short by derivation.** A declaration writes only what cannot be derived; `source`, `operations`, `storage`, `rights`,
`dpia` and the standing `measures` follow from basis, store and special risk, and `at` and `code` are collected from the
marks in the code. The rendered canonical form always shows every field in full.
"""

from typing import Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from incamera.privacy import vocabulary
from incamera.privacy.durations import parse_duration
from incamera.privacy.marks import ACTIVITY_ID, DATUM_KEY
from incamera.privacy.slots import is_slot, slot_names
from incamera.privacy.vocabulary import nearest, require_term

Store = Literal["persistent", "transient", "client", "secret"]
Action = Literal["delete", "anonymise", "crypto_shred", "drop", "keep_legal"]
KeyScope = Literal["account", "device_epoch", "channel_hour", "item", "secrets", "none"]
Who = Literal["subject", "owner", "grantee", "device", "authority", "staff", "shop"]

CONSENT: Final = "eu-gdpr:A6-1-a"
CONTRACT: Final = "eu-gdpr:A6-1-b"
LEGAL_OBLIGATION: Final = "eu-gdpr:A6-1-c"
LEGITIMATE_INTEREST: Final = "eu-gdpr:A6-1-f"


class Closed(BaseModel):
    """Base of all declarations: frozen, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    @model_validator(mode="before")
    @classmethod
    def _name_the_nearest(cls, given: Any) -> Any:
        if isinstance(given, dict):
            for key in given:
                if key not in cls.model_fields:
                    raise ValueError(f"{cls.__name__} has no field {key!r}{nearest(str(key), cls.model_fields)}")
        return given


def _broader(term_id: str) -> str:
    term = vocabulary.terms().get(term_id)
    return "" if term is None else term.broader


def _condition(maximum: str | None, action: str | None) -> str:
    if action == "drop":
        return "incam:NoStorage"
    return "dpv:UntilEventDuration" if maximum is None else "dpv:StorageDuration"


class Text(Closed):
    """The same sentence in every shipped language, written in each, not translated word by word."""

    fr: str = Field(min_length=1)
    en: str = Field(min_length=1)

    def in_language(self, language: str) -> str:
        return self.fr if language == "fr" else self.en


class Purpose(Closed):
    """Why data are used: a DPV purpose and the words for the notice (continuing "in order to ...")."""

    term: str
    text: Text

    _term = field_validator("term")(lambda value: require_term(value, "purpose").id)


class Basis(Closed):
    """The one legal basis. `interest` and `lia` (path of the balancing test) go with legitimate interest."""

    term: str
    interest: Text | None = None
    lia: str | None = None
    legal_ref: str | None = None

    _term = field_validator("term")(lambda value: require_term(value, "basis").id)


class Datum(Closed):
    """One kind of personal data. Its address is `ACTIVITY/key`; the notice prints the label of its term."""

    key: str
    term: str
    broader: str = Field(default_factory=lambda known: _broader(known.get("term", "")))
    source: str = "dpv:DataSubjectDataSource"
    store: Store = "persistent"
    at: tuple[str, ...] = ()  # collected from the marks; `table.column`, `stream:NAME`, `store:NAME`
    required: bool = True
    default: Literal["on", "off"] = "on"
    special_risk: bool = False

    _term = field_validator("term")(lambda value: require_term(value, "data", "secret").id)
    _source = field_validator("source")(lambda value: require_term(value, "source").id)

    @field_validator("key")
    @classmethod
    def _is_a_key(cls, value: str) -> str:
        if not DATUM_KEY.fullmatch(value):
            raise ValueError(f"{value!r} is not a key; write it like 'viewer_ip'")
        return value

    @model_validator(mode="after")
    def _agrees_with_the_vocabulary(self) -> Self:
        if self.broader != _broader(self.term):
            raise ValueError(f"{self.term} narrows {_broader(self.term)} in the vocabulary, not {self.broader}")
        return self


class Reuse(Closed):
    """Use of a datum whose home is another activity: `B3.device_add/device_serial`."""

    datum: str


class Keep(Closed):
    """How long some data stay. Exactly one of `max` (with `clock`, a column) and `until` (an event, a column).

    `grace`: time after the event before the data go. `ceiling`: the longest an operator or owner may choose.
    """

    data: tuple[str, ...] = Field(min_length=1)
    max: str | None = None
    until: str | None = None
    clock: str | None = None
    grace: str | None = None
    ceiling: str | None = None
    action: Action = "delete"
    legal_ref: str | None = None
    anonymiser: str | None = None  # `module:function` of an `anonymise` action
    term: str = Field(default_factory=lambda known: _condition(known.get("max"), known.get("action")))

    _term = field_validator("term")(lambda value: require_term(value, "condition").id)

    @field_validator("max", "grace", "ceiling")
    @classmethod
    def _is_a_duration(cls, value: str | None) -> str | None:
        if value is not None:
            parse_duration(value)
        return value

    @model_validator(mode="after")
    def _has_one_end(self) -> Self:
        if (self.max is None) == (self.until is None):
            raise ValueError(f"the rule for {', '.join(self.data)} needs exactly one of max and until")
        if self.max is not None and self.clock is None:
            raise ValueError(f"the rule for {', '.join(self.data)} has a max but no clock to count from")
        if self.until is not None and self.clock is not None:
            raise ValueError(f"the rule for {', '.join(self.data)} ends with an event, so it has no clock")
        return self


class Storage(Closed):
    """Where data lie and under which key."""

    where: tuple[str, ...] = ("home_region",)
    at_rest: str = "dpv:EncryptionAtRest"
    key_scope: KeyScope = "account"


class Recipient(Closed):
    """Who receives data: a person in the story (`who`) or a processor (`slot`). No `data`: all of the activity."""

    who: Who | None = None
    slot: str | None = None
    data: tuple[str, ...] = ()
    when: str | None = None
    default: Literal["on", "off"] = "on"

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Self:
        if (self.who is None) == (self.slot is None):
            raise ValueError("a recipient is either `who` or `slot`")
        if self.slot is not None and not is_slot(self.slot):
            raise ValueError(f"there is no processor slot {self.slot!r}{nearest(self.slot, slot_names())}")
        return self


class Rights(Closed):
    """What each right does to these data."""

    access: Literal["include", "presence"] = "include"
    portability: Literal["include", "na"] = "na"
    rectification: Literal["edit", "na"] = "na"
    erasure: Literal["delete", "shred", "anonymise", "keep_legal"] = "delete"
    restriction: Literal["pause", "lock"] = "lock"
    objection: Literal["handler", "na"] = "na"


class Dpia(Closed):
    """Whether an impact assessment is required (Art. 35), and where it is."""

    required: bool = False
    ref: str | None = None
    triggers: tuple[str, ...] = ()

    _triggers = field_validator("triggers")(lambda values: tuple(require_term(v, "trigger").id for v in values))


class Minors(Closed):
    min_age: Literal["house", "by_country"] = "house"
    under_age: Literal["block", "guardian"] = "block"


class Code(Closed):
    """The symbols that carry an activity out: collected from the marks, never typed."""

    routes: tuple[str, ...] = ()
    jobs: tuple[str, ...] = ()
    streams: tuple[str, ...] = ()
    blobs: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    log_events: tuple[str, ...] = ()
    cookies: tuple[str, ...] = ()
    client_keys: tuple[str, ...] = ()
    templates: tuple[str, ...] = ()
    egress: tuple[str, ...] = ()


def _operations(known: dict[str, Any]) -> tuple[str, ...]:
    stored = any(datum.store in ("persistent", "secret") for datum in known.get("data", ()))
    return ("dpv:Collect", "dpv:Store", "dpv:Use", "dpv:Erase") if stored else ("dpv:Collect", "dpv:Use")


def _storage(known: dict[str, Any]) -> Storage:
    stores = {datum.store for datum in known.get("data", ())}
    actions = {keep.action for keep in known.get("keep", ())}
    if not stores & {"persistent", "secret"}:
        return Storage(where=("memory",), key_scope="none")
    if stores == {"secret"}:
        return Storage(key_scope="secrets")
    return Storage(key_scope="device_epoch" if "crypto_shred" in actions else "account")


def _measures(known: dict[str, Any]) -> tuple[str, ...]:
    derived = ["incam:NotAnalysed", "incam:StaffNoAccess"] if _is_special(known) else []
    if any(keep.action == "crypto_shred" for keep in known.get("keep", ())):
        derived.append("incam:KeyDestruction")
    return tuple(m.id for m in vocabulary.measures().values() if m.standing) + tuple(derived)


def _rights(known: dict[str, Any]) -> Rights:
    basis = known["basis"].term if "basis" in known else ""
    secrets_only = {datum.store for datum in known.get("data", ())} == {"secret"}
    actions = {keep.action for keep in known.get("keep", ())}
    shreds = "crypto_shred" in actions
    return Rights(
        access="presence" if secrets_only else "include",
        portability="include" if basis in (CONTRACT, CONSENT) and not secrets_only else "na",
        erasure="keep_legal" if "keep_legal" in actions else "shred" if shreds else "delete",
        restriction="pause" if _is_special(known) else "lock",
        objection="handler" if basis == LEGITIMATE_INTEREST else "na",
    )


def _dpia(known: dict[str, Any]) -> Dpia:
    if not _is_special(known):
        return Dpia()
    return Dpia(required=True, ref="docs/privacy/dpia/media.md", triggers=("dpv:SystematicMonitoring",))


def _is_special(known: dict[str, Any]) -> bool:
    return any(datum.special_risk for datum in known.get("data", ()))


class Activity(Closed):
    """One processing activity: a purpose, one legal basis, data, retention, recipients. See the module's docstring."""

    id: str
    seed: str = "inferred"
    status: Literal["draft", "in_force", "retired"] = "in_force"
    since: str
    name: Text
    summary: Text
    refusal: Text
    subjects: tuple[str, ...] = ("dpv:User",)
    companion: str | None = None
    purposes: tuple[Purpose, ...] = Field(min_length=1)
    basis: Basis
    special_condition: str | None = None  # `eu-gdpr:A9-2-*`, where Art. 9 data are used (rule 12)
    data: tuple[Datum, ...] = ()
    reuses: tuple[Reuse, ...] = ()
    keep: tuple[Keep, ...] = ()
    operations: tuple[str, ...] = Field(default_factory=_operations)
    storage: Storage = Field(default_factory=_storage)
    recipients: tuple[Recipient, ...] = ()
    automated_decisions: Literal[False] = False
    measures: tuple[str, ...] = Field(default=(), validate_default=True)  # beside the ones that follow from the data
    rights: Rights = Field(default_factory=_rights)
    dpia: Dpia = Field(default_factory=_dpia)
    minors: Minors = Minors()
    code: Code = Code()

    _subjects = field_validator("subjects")(lambda values: tuple(require_term(v, "subject").id for v in values))
    _operations = field_validator("operations")(lambda values: tuple(require_term(v, "operation").id for v in values))

    @field_validator("id")
    @classmethod
    def _is_an_id(cls, value: str) -> str:
        if not ACTIVITY_ID.fullmatch(value):
            raise ValueError(f"{value!r} is not an activity id; write it like 'B4.live_view' (rule 2)")
        return value

    @field_validator("special_condition")
    @classmethod
    def _is_a_condition(cls, value: str | None) -> str | None:
        return None if value is None else require_term(value, "special_condition").id

    @field_validator("measures")
    @classmethod
    def _are_measures(cls, values: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        for value in values:
            if value not in vocabulary.measures():
                raise ValueError(f"unknown measure {value!r}{nearest(value, vocabulary.measures())}")
        return tuple(dict.fromkeys((*_measures(info.data), *values)))

    def address(self, key: str) -> str:
        """`viewer_ip` → `B4.live_view/viewer_ip`."""
        return f"{self.id}/{key}"

    def datum(self, key: str) -> Datum:
        """The own datum with this key; KeyError if there is none."""
        return next(datum for datum in self.data if datum.key == key)

    def keep_of(self, key: str) -> Keep | None:
        """The rule that ends this datum's keeping."""
        return next((keep for keep in self.keep if key in keep.data), None)
