"""The operator's facts: `privacy.toml`, read through the same closed models as the declarations (requirement book 2.7).

Without a file the instance is a household: nobody but its owner decides, sign-up is by invitation, nothing is sent out.
"""

import tomllib
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, Final, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from incamera.privacy import countries
from incamera.privacy.durations import parse_duration
from incamera.privacy.errors import OperatorFileError
from incamera.privacy.schema import Closed
from incamera.privacy.slots import is_slot, slot_names
from incamera.privacy.vocabulary import LANGUAGES, nearest, require_term

_UNVERSIONED: Final = ""


class Contact(Closed):
    name: str
    email: str


class Representative(Closed):
    """Art. 27: who stands in for a controller outside the Union."""

    name: str
    address: str
    country: str
    email: str


class Deployment(Closed):
    role: Literal["household", "controller", "processor", "joint"] = "household"
    signup: Literal["invite", "public"] = "invite"
    home_region: str = "here"
    languages: tuple[str, ...] = LANGUAGES
    policy: str = _UNVERSIONED  # the last version the operator reviewed

    @field_validator("languages")
    @classmethod
    def _are_shipped(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        for value in values:
            if value not in LANGUAGES:
                raise ValueError(f"the language {value!r} is not shipped; choose from {', '.join(LANGUAGES)}")
        return values


class Controller(Closed):
    """Who decides, for these countries ("*": all others)."""

    countries: tuple[str, ...] | Literal["*"] = "*"
    name: str
    address: str = ""
    country: str = ""
    email: str = ""
    registration: str = ""
    dpo: Contact | None = None
    dpo_none_reason: str = ""
    representative: Representative | None = None
    lead_authority: str = ""


class ProcessorContract(Closed):
    ref: str
    date: date


class Processor(Closed):
    """One company (or own machine) that fills a slot."""

    slot: str
    own: bool = False  # the operator's own machine: outbound, but no recipient
    name: str
    address: str = ""
    country: str
    regions: tuple[str, ...] = ()
    hosts: tuple[str, ...] = Field(min_length=1)  # `host:port`
    contract: ProcessorContract | None = None
    instructions: str = ""
    subprocessors: tuple[str, ...] = ()
    deletion_sla: str | None = None
    enabled: bool = False

    @field_validator("slot")
    @classmethod
    def _exists(cls, value: str) -> str:
        if not is_slot(value):
            raise ValueError(f"there is no processor slot {value!r}{nearest(value, slot_names())}")
        return value

    @field_validator("hosts")
    @classmethod
    def _name_ports(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        for value in values:
            host, _, port = value.rpartition(":")
            if not host or not port.isdigit() or not 0 < int(port) < 65536:
                raise ValueError(f"write the host {value!r} with its port, like 'smtp.example.net:587'")
        return values

    @model_validator(mode="after")
    def _has_a_contract(self) -> Self:
        if self.enabled and not self.own and self.contract is None:
            raise ValueError(f"the processor {self.name} is enabled without a contract (Art. 28); add `contract`")
        return self


class Transfer(Closed):
    """What makes a transfer to a third country lawful."""

    slot: str
    country: str
    tool: str
    assessment: str = ""
    copy_at: str = ""

    _tool = field_validator("tool")(lambda value: require_term(value, "transfer").id)


class StaffAccess(Closed):
    """Remote access from a third country is a transfer too."""

    country: str
    tool: str
    why: str

    _tool = field_validator("tool")(lambda value: require_term(value, "transfer").id)


class MinorsPolicy(Closed):
    policy: Literal["block_under", "national_age"] = "block_under"
    age: int = Field(default=16, ge=13, le=21)


class Orders(Closed):
    seller: bool = False
    legal_ref: str = ""
    keep_invoice: str | None = None


class Website(Closed):
    audience_counters: bool = False
    analytics_cookie: bool = False
    record_public: bool = False
    evidence_public: bool = True


class Contacts(Closed):
    privacy: str = ""
    security: str = ""
    support: str = ""


class RetentionOverride(Closed):
    """Another figure for one datum: shorter is free, longer needs a reason, above the ceiling is refused (rule 20)."""

    max: str
    reason: str = ""

    @field_validator("max")
    @classmethod
    def _is_a_duration(cls, value: str) -> str:
        parse_duration(value)
        return value


class Operator(Closed):
    """`privacy.toml` as a value."""

    deployment: Deployment = Deployment()
    controllers: tuple[Controller, ...] = ()
    processors: tuple[Processor, ...] = ()
    transfers: tuple[Transfer, ...] = ()
    staff_access: tuple[StaffAccess, ...] = ()
    minors: MinorsPolicy = MinorsPolicy()
    orders: Orders = Orders()
    website: Website = Website()
    contacts: Contacts = Contacts()
    retention: Mapping[str, RetentionOverride] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _may_serve_the_public(self) -> Self:
        if self.deployment.signup != "public":
            return self
        if self.deployment.role == "household":
            raise ValueError("a household does not offer public sign-up: set deployment.role to what you are")
        if not self.controllers:
            raise ValueError("public sign-up needs a controller for every served country: add [[controllers]]")
        if not self.contacts.privacy:
            raise ValueError("public sign-up needs contacts.privacy")
        for controller in self.controllers:
            missing = [name for name in ("address", "country", "email") if not getattr(controller, name)]
            if not controller.lead_authority and countries.authority(controller.country) is None:
                missing.append("lead_authority")
            if missing:
                raise ValueError(f"the controller {controller.name} needs {', '.join(missing)} before public sign-up")
        return self

    @property
    def enabled_processors(self) -> tuple[Processor, ...]:
        return tuple(processor for processor in self.processors if processor.enabled)

    def is_enabled(self, slot: str) -> bool:
        """Whether data may go out by this slot."""
        return any(processor.slot == slot for processor in self.enabled_processors)

    def allowed_hosts(self) -> frozenset[str]:
        """`host:port` of every enabled processor: the only outsiders the outbound factory may dial."""
        return frozenset(host for processor in self.enabled_processors for host in processor.hosts)

    def outbound_slots(self) -> dict[str, frozenset[str]]:
        """Each enabled slot with its `host:port` names, as the outbound factory takes them."""
        return {
            slot: frozenset(host for p in self.enabled_processors if p.slot == slot for host in p.hosts)
            for slot in {processor.slot for processor in self.enabled_processors}
        }

    def own_slots(self) -> frozenset[str]:
        """Slots filled by the operator's own machines only: these may have private addresses."""
        return frozenset(
            slot
            for slot in {processor.slot for processor in self.enabled_processors}
            if all(processor.own for processor in self.enabled_processors if processor.slot == slot)
        )

    def minimum_age(self, country: str) -> int:
        """The age below which an account is refused in this country: the house rule, or the national age."""
        if self.minors.policy == "block_under":
            return self.minors.age
        return countries.consent_age(country)

    def controller_for(self, country: str) -> Controller | None:
        """Who decides for a person of this country; None if nobody here serves it."""
        named = (c for c in self.controllers if c.countries != "*" and country in c.countries)
        return next(named, next((c for c in self.controllers if c.countries == "*"), None))

    def published(self) -> dict[str, Any]:
        """The facts that belong to a policy version: all but contracts, instructions and internal reasons."""
        facts = self.model_dump(mode="json")
        del facts["deployment"]["policy"]
        for processor in facts["processors"]:
            del processor["contract"], processor["instructions"]
        return facts


def household() -> Operator:
    """An instance without a file."""
    return Operator()


def load_operator(path: Path | None) -> Operator:
    """Reads `privacy.toml`; a household when there is no path. Raises OperatorFileError with one line per finding."""
    if path is None:
        return household()
    try:
        return Operator.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise OperatorFileError([f"{path} does not exist"]) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise OperatorFileError([f"{path}: {error}"]) from error
    except ValidationError as error:
        raise OperatorFileError([_line(item) for item in error.errors()]) from error


def _line(item: Any) -> str:
    place = ".".join(str(part) for part in item["loc"]) or "privacy.toml"
    return f"{place}: {item['msg'].removeprefix('Value error, ')}"
