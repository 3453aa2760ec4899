"""The core metadata of a Python distribution (METADATA, PKG-INFO), and its WHEEL file, as anyone may have written them.

Both are headers as in mail. Only those headers and the text below them are read: no encodings, no parts. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass

#: A real one has some hundred; a hostile one is cut here.
MAX_FIELDS = 10_000


@dataclass(frozen=True, slots=True)
class Metadata:
    """The fields in order, as written, and the text below them. Names are compared without case."""

    fields: tuple[tuple[str, str], ...] = ()
    body: str = ""

    def first(self, name: str) -> str:
        """The first value of a field; empty if it is not there. Old metadata say ``UNKNOWN`` for that."""
        value = next((value for value in self.all(name)), "")
        return "" if value == "UNKNOWN" else value

    def all(self, name: str) -> tuple[str, ...]:
        """Every value of a field, in order."""
        wanted = name.lower()
        return tuple(value for field, value in self.fields if field.lower() == wanted)

    @property
    def name(self) -> str:
        """As the project writes it."""
        return self.first("Name")

    @property
    def version(self) -> str:
        """As the backend wrote it."""
        return self.first("Version")

    @property
    def requires_python(self) -> str:
        """A version specifier; empty if there is none."""
        return self.first("Requires-Python")

    @property
    def home_page(self) -> str:
        """As written; empty if there is none."""
        return self.first("Home-page")

    @property
    def project_urls(self) -> tuple[tuple[str, str], ...]:
        """Label and URL of each ``Project-URL``, as written."""
        parts = (line.partition(",") for line in self.all("Project-URL"))
        return tuple((label.strip(), url.strip()) if comma else ("", label.strip()) for label, comma, url in parts)

    @property
    def description(self) -> str:
        """The long description: below the fields, or a field of its own in old metadata."""
        return self.body.strip() or self.first("Description")


def parse(data: bytes) -> Metadata:
    """Fields until the first empty line; what follows is the body. A line that is neither a field nor the rest of one
    is passed over."""
    head, _, body = data.decode("utf-8", "replace").replace("\r\n", "\n").partition("\n\n")
    fields: list[tuple[str, list[str]]] = []
    for line in head.split("\n"):
        if line[:1] in (" ", "\t"):
            if fields:
                fields[-1][1].append(line.strip())
            continue
        name, colon, value = line.partition(":")
        if colon and len(fields) < MAX_FIELDS:
            fields.append((name.strip(), [value.strip()]))
    return Metadata(tuple((name, "\n".join(lines)) for name, lines in fields), body)
