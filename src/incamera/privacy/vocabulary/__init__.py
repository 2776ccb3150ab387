"""The words of the registry: W3C DPV 2.3 terms in use, our own `incam:` extension, and the measures with their proof.

Identifiers, not RDF: a term is a string that exists in `terms.toml` or `measures.toml`, or the declaration that uses it
does not load. JSON-LD is an output.
"""

import difflib
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final

LANGUAGES: Final = ("en", "fr")
NAMESPACES: Final = {
    "dpv": "https://w3id.org/dpv#",
    "pd": "https://w3id.org/dpv/pd#",
    "eu-gdpr": "https://w3id.org/dpv/legal/eu/gdpr#",
    "incam": "https://incamera.example/ns#",
}


@dataclass(frozen=True, slots=True)
class Term:
    """One term: what kind of thing it names, the term it narrows, and its words."""

    id: str
    kind: str
    broader: str
    en: str
    fr: str

    def label(self, language: str) -> str:
        """The words a reader sees."""
        return self.fr if language == "fr" else self.en


@dataclass(frozen=True, slots=True)
class Measure:
    """A security measure: one sentence for the notice, printed only while these tests exist and pass."""

    id: str
    broader: str
    en: str
    fr: str
    tests: tuple[str, ...]
    standing: bool  # true of every activity, so no declaration has to repeat it

    def sentence(self, language: str) -> str:
        return self.fr if language == "fr" else self.en


@cache
def terms() -> dict[str, Term]:
    """Every term, by id."""
    rows = tomllib.loads(_text("terms.toml"))
    return {term_id: Term(term_id, **row) for term_id, row in rows.items()}


@cache
def measures() -> dict[str, Measure]:
    """Every measure, by id."""
    rows = tomllib.loads(_text("measures.toml"))
    return {
        measure_id: Measure(
            measure_id, row["broader"], row["en"], row["fr"], tuple(row["tests"]), row.get("standing", False)
        )
        for measure_id, row in rows.items()
    }


@cache
def events() -> dict[str, dict[str, str]]:
    """Events that end the keeping of data, by column, in words per language."""
    return tomllib.loads(_text("events.toml"))


def require_term(term_id: str, *kinds: str) -> Term:
    """The term, if it exists and is of one of these kinds; a ValueError that names the nearest one otherwise."""
    term = terms().get(term_id)
    if term is None:
        raise ValueError(f"unknown term {term_id!r}{nearest(term_id, terms())}")
    if kinds and term.kind not in kinds:
        raise ValueError(f"{term_id!r} is a {term.kind} term, not a {' or '.join(kinds)} term")
    return term


def nearest(word: str, known: Iterable[str]) -> str:
    """`; did you mean ...?` for a word that is not known, or nothing."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else ""


def _text(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
