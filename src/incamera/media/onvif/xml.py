"""XML from strangers: a small tree of elements, with limits.

expat does the parsing, and is stopped at the first thing that no SOAP message may hold (SOAP 1.2 part 1 clause 5):
a document type. Without one there are no entities to expand, no outer files to read and no defaults to fill in.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final
from xml.parsers import expat

from incamera.media.onvif.errors import InvalidXml

MAX_XML_BYTES: Final = 512 * 1024  # the profiles of a recorder with 64 inputs take 300 KiB
_MAX_DEPTH: Final = 32
_MAX_ELEMENTS: Final = 20_000
_MAX_TEXT_CHARACTERS: Final = 4096  # of one element: addresses, tokens, numbers


@dataclass(slots=True)
class Element:
    """One element. Names are local ones: cameras disagree about prefixes, and namespaces tell nothing we need."""

    name: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: list["Element"] = field(default_factory=list)
    text: str = ""

    def find(self, *path: str) -> "Element | None":
        """The first descendant under these names, from here downwards."""
        found: Element | None = self
        for name in path:
            found = next((child for child in found.children if child.name == name), None) if found else None
        return found

    def find_all(self, name: str) -> list["Element"]:
        """The children of that name."""
        return [child for child in self.children if child.name == name]

    def find_text(self, *path: str) -> str:
        """The text of a descendant, without space around it; empty if there is none."""
        found = self.find(*path)
        return found.text.strip() if found is not None else ""

    def descendants(self) -> Iterator["Element"]:
        """All elements below, in document order."""
        for child in self.children:
            yield child
            yield from child.descendants()


class _Builder:
    """Takes expat's events."""

    def __init__(self) -> None:
        self.root: Element | None = None
        self._open: list[Element] = []
        self._count = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if self._count > _MAX_ELEMENTS or len(self._open) >= _MAX_DEPTH:
            raise InvalidXml("it has more elements, or deeper ones, than any answer needs")
        element = Element(_local(name), {_local(key): value for key, value in attributes.items()})
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        self._open.append(element)

    def end(self, _name: str) -> None:
        self._open.pop()

    def text(self, data: str) -> None:
        if self._open:
            element = self._open[-1]
            element.text += data[: _MAX_TEXT_CHARACTERS - len(element.text)]


def parse_xml(data: bytes) -> Element:
    """The root element; raises InvalidXml."""
    if len(data) > MAX_XML_BYTES:
        raise InvalidXml("it is too long")
    builder = _Builder()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.text
    parser.StartDoctypeDeclHandler = _refuse_doctype
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, UnicodeError, LookupError, ValueError) as error:  # LookupError: an encoding of nobody
        raise InvalidXml("it is not well-formed") from error
    if builder.root is None:
        raise InvalidXml("it is empty")
    return builder.root


def _refuse_doctype(*_declaration: object) -> None:
    raise InvalidXml("it declares a document type, which no SOAP message may")


def _local(name: str) -> str:
    return name.rpartition(":")[2]
