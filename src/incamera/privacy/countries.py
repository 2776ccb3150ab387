"""Ages of digital consent (GDPR Art. 8) and supervisory authorities, by country, from `countries.toml`.

Each row says where it comes from and when it was looked up; one older than 24 months is reported by `stale`.
"""

import tomllib
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib import resources
from typing import Final

UNKNOWN_AGE: Final = 16  # for a country that is not in the table (C-01)
_STALE_DAYS: Final = 730


@dataclass(frozen=True, slots=True)
class Country:
    """One row of the table. `is_verified` is False where the age still has to be checked in its primary source."""

    code: str
    age: int
    source: str
    as_of: date
    is_verified: bool
    authority: str
    authority_url: str


@cache
def countries() -> dict[str, Country]:
    """All rows by ISO 3166-1 code ("UK" is accepted for "GB")."""
    text = resources.files("incamera.privacy").joinpath("countries.toml").read_text(encoding="utf-8")
    table = tomllib.loads(text)
    sources = table.pop("sources")
    return {
        code: Country(
            code,
            row["age"],
            sources[row["source"]]["title"],
            sources[row["source"]]["as_of"],
            row.get("verified", True),
            row["authority"],
            row["url"],
        )
        for code, row in table["countries"].items()
    }


def find_country(code: str) -> Country | None:
    return countries().get("GB" if code == "UK" else code)


def consent_age(code: str) -> int:
    """The age from which a person consents alone; 16 where nothing else is known."""
    country = find_country(code)
    return UNKNOWN_AGE if country is None else country.age


def authority(code: str) -> Country | None:
    """The row with the supervisory authority of a country (G-07)."""
    return find_country(code)


def is_in_eea(code: str) -> bool:
    """Whether a country belongs to the European Economic Area: no transfer tool is needed to get there."""
    return code in countries() and code != "GB"


def stale(today: date) -> list[Country]:
    """Rows whose source is older than two years."""
    return [country for country in countries().values() if (today - country.as_of).days > _STALE_DAYS]
