"""One frozen `Settings`, parsed once: command line first, then `INCAMERA_*` variables, then the defaults.

Only `app.py` and `cli.py` read it; everything else gets plain values. A wrong value stops the start with its name and
the values that are allowed. `docs/reference/settings.md` is generated from here.
"""

import difflib
import ipaddress
import os
import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from incamera.kit.errors import IncameraError

PREFIX: Final = "INCAMERA_"
EDGE_VARIABLES: Final = frozenset({"INCAMERA_SERVER", "INCAMERA_EDGE_CODE"})  # of an edge on the same machine
_DEVICE: Final = re.compile(r"(/dev/)?[\w.:+-]+(/[\w.:+-]+)*")
LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1"})
IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


class InvalidSettings(IncameraError):
    """The command line or the environment says something this program cannot follow."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__(" ".join(problems))


class Transport(StrEnum):
    """How people reach the server. Browsers give passkeys, microphone and `__Host-` cookies to secure origins only."""

    PLAIN_LOOPBACK = "plain_loopback"  # http://localhost, this machine only
    TLS_FILES = "tls_files"
    OWN_CA = "own_ca"
    BEHIND_PROXY = "behind_proxy"  # plain, and only the proxy may connect; it speaks TLS to the world


def _setting(default: Any, description: str, allowed: str) -> Any:
    return Field(default, description=description, json_schema_extra={"allowed": allowed})


class Settings(BaseSettings):
    """Everything an operator decides about one server. Names are those of the variables without `INCAMERA_`."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid", hide_input_in_errors=True)

    data: Path = _setting(..., "Directory that holds everything but the root key.", "a path; made on first start")
    port: int = Field(
        8080,
        ge=0,
        le=65535,
        description="TCP port to listen on; 0 takes a free one and prints it.",
        json_schema_extra={"allowed": "0 to 65535"},
    )
    host: str = _setting(
        "localhost",
        "Address to listen on. Anything but loopback needs TLS or a proxy.",
        "localhost, an IP address of this machine, 0.0.0.0 or ::",
    )
    public_url: str | None = _setting(
        None,
        "The address people type, when it is not the one listened on (behind a proxy, or a name in DNS).",
        "https://NAME[:PORT], without a path",
    )
    tls_cert: Path | None = _setting(
        None,
        "Certificate chain to serve with; behind a proxy the proxy's certificate, which edges are bound to.",
        "a PEM file; needs tls_key unless behind_proxy is set",
    )
    tls_key: Path | None = _setting(None, "Private key of tls_cert.", "a PEM file readable by its owner only")
    own_ca: bool = _setting(
        False, "Make a local certificate authority on first start and serve with its certificate.", "true or false"
    )
    behind_proxy: Annotated[tuple[IpNetwork, ...], NoDecode] = _setting(
        (),
        "Proxies that may connect; they speak TLS to the world and tell the client's address in X-Forwarded-For.",
        "IP addresses or networks, separated by commas",
    )
    database: SecretStr | None = _setting(
        None,
        "Where rows are kept; without it, SQLite in the data directory.",
        "postgresql://USER:PASSWORD@HOST[:PORT]/NAME",
    )
    root_key: SecretStr | None = _setting(
        None, "The root key itself (containers). Prefer a file.", "32 bytes as 64 hexadecimal digits"
    )
    root_key_file: Path | None = _setting(
        None,
        "File that holds the root key, outside the data directory; made on first start with mode 0600.",
        "a path; without it $XDG_CONFIG_HOME/incamera/DATA-DIRECTORY-ID.key",
    )
    ledger_file: Path | None = _setting(
        None,
        "File that lists which keys were destroyed; keep it apart from every backup, restore needs it.",
        "a path; without it beside the root key file, or in the data directory when the root key has no file",
    )
    privacy_file: Path | None = _setting(
        None,
        "The operator's facts for the privacy notice (controller, contact, processors).",
        "a TOML file; without it DATA/privacy.toml when that exists",
    )
    edge: bool = _setting(True, "Start and watch an edge on this machine.", "true or false")
    edge_files: Path | None = _setting(
        None, "Videos below this folder may be played as cameras of this machine (file:NAME).", "a folder"
    )
    edge_device: Annotated[tuple[str, ...], NoDecode] = _setting(
        (),
        "USB and built-in cameras of this machine that may be used (device:NAME).",
        "names like /dev/video0, separated by commas",
    )
    metrics_token: SecretStr | None = _setting(
        None, "Bearer token that may read /metrics from elsewhere than this machine.", "at least 16 characters"
    )
    log_level: Literal["debug", "info", "warning", "error"] = _setting(
        "info", "The least important log line that is written.", "debug, info, warning or error"
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        del settings_cls, dotenv_settings, file_secret_settings  # a .env file lying about is nobody's setting
        return init_settings, env_settings

    @field_validator("behind_proxy", mode="before")
    @classmethod
    def _split_proxies(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(ipaddress.ip_network(part.strip(), strict=False) for part in value.split(",") if part.strip())
        return value

    @field_validator("edge_device", mode="before")
    @classmethod
    def _split_devices(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("edge_files")
    @classmethod
    def _files_are_a_folder(cls, value: Path | None) -> Path | None:
        if value is not None and not value.expanduser().is_dir():
            raise ValueError("not a folder")
        return None if value is None else value.expanduser().absolute()

    @field_validator("edge_device")
    @classmethod
    def _devices_are_in_dev(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if not _DEVICE.fullmatch(name) or ".." in name.split("/"):
                raise ValueError("not a device")
        return value

    @field_validator("host")
    @classmethod
    def _host_is_an_address(cls, value: str) -> str:
        if value != "localhost":
            ipaddress.ip_address(value)
        return value

    @field_validator("public_url")
    @classmethod
    def _public_url_is_an_origin(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value.rstrip("/"))
        is_local = parts.scheme == "http" and parts.hostname in LOOPBACK_NAMES
        if not parts.hostname or parts.path or parts.query or not (parts.scheme == "https" or is_local):
            raise ValueError("not an https origin")
        return f"{parts.scheme}://{parts.netloc}".lower()

    @field_validator("database")
    @classmethod
    def _database_is_known(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None or value.get_secret_value().startswith("sqlite"):
            return value
        scheme, separator, rest = value.get_secret_value().partition("://")
        if scheme not in {"postgresql", "postgres", "postgresql+asyncpg"} or not separator or not rest:
            raise ValueError("unknown kind of database")
        return SecretStr(f"postgresql+asyncpg://{rest}")

    @field_validator("root_key")
    @classmethod
    def _root_key_is_32_bytes(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(bytes.fromhex(value.get_secret_value())) != 32:
            raise ValueError("not 32 bytes")
        return value

    @field_validator("metrics_token")
    @classmethod
    def _token_is_long(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < 16:
            raise ValueError("too short to be a secret")
        return value

    @model_validator(mode="after")
    def _one_transport(self) -> Self:
        if (self.tls_cert is None) != (self.tls_key is None) and not (self.behind_proxy and self.tls_cert):
            raise ValueError("--tls-cert and --tls-key go together: give both or none.")
        if sum((self.tls_key is not None, self.own_ca, bool(self.behind_proxy))) > 1:
            raise ValueError("Give one of --tls-cert with --tls-key, --own-ca and --behind-proxy, not several.")
        if self.transport is Transport.PLAIN_LOOPBACK and not self.is_loopback:
            raise ValueError(
                f"Plain HTTP is for this machine only, and {self.host} is open to others: "
                "give --tls-cert and --tls-key, --behind-proxy ADDRESS, or --own-ca."
            )
        if self.root_key is not None and self.root_key_file is not None:
            raise ValueError("INCAMERA_ROOT_KEY and --root-key-file name two root keys: give one.")
        return self

    @property
    def is_loopback(self) -> bool:
        return self.host == "localhost" or ipaddress.ip_address(self.host).is_loopback

    @property
    def transport(self) -> Transport:
        if self.tls_key is not None:
            return Transport.TLS_FILES
        if self.own_ca:
            return Transport.OWN_CA
        return Transport.BEHIND_PROXY if self.behind_proxy else Transport.PLAIN_LOOPBACK

    @property
    def database_url(self) -> str:
        """The address SQLAlchemy understands; may carry a password, so never log it."""
        if self.database is not None:
            return self.database.get_secret_value()
        return f"sqlite+aiosqlite:///{self.data.absolute() / 'incamera.db'}"


def load_settings(given: Mapping[str, Any]) -> Settings:
    """Settings of this process; `given` (the command line) wins over the environment. Raises InvalidSettings."""
    if misspelt := _misspelt(os.environ):
        raise InvalidSettings(misspelt)
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        raise InvalidSettings([_sentence(problem) for problem in error.errors(include_input=False)]) from None


def allowed_values(name: str) -> str:
    """The words that say what a setting may be."""
    extra = Settings.model_fields[name].json_schema_extra
    return str(extra["allowed"]) if isinstance(extra, dict) else ""


def _misspelt(environment: Iterable[str]) -> list[str]:
    """A variable nobody reads is a setting somebody believes in."""
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    unknown = sorted(name for name in environment if name.startswith(PREFIX) and name not in known | EDGE_VARIABLES)
    return [f"There is no setting {name}{_nearest(name, known)}." for name in unknown]


def _nearest(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, known, 1)
    return f"; did you mean {close[0]}" if close else ""


def _sentence(problem: Any) -> str:
    name = str(problem["loc"][0]) if problem["loc"] else ""
    if not name:
        return str(problem["ctx"]["error"])
    if name not in Settings.model_fields:
        return f"There is no setting {name}."
    flag = f"{PREFIX}{name.upper()} (--{name.replace('_', '-')})"
    verb = "is missing" if problem["type"] == "missing" else "has a value that cannot be used"
    return f"{flag} {verb}; allowed: {allowed_values(name)}."
