"""Which members are documents, and which of their lines people alone read. Pure."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable
from itertools import islice

_MAX_SCRIPTS = 400_000
#: A page of man(1) shows by its name only where it stands alone: python3.9 is none.
_DOCUMENTS = re.compile(
    r"(?:^|/)(?:docs?|man|info|html|apidocs|javadoc|gtk-doc|doxygen)/|\.info(?:-\d+)?(?:\.gz)?$|^[^/]+\.[1-9](?:\.gz)?$"
)
#: Files there that are run, not read.
_PROGRAMS = re.compile(
    r"(?i)\.(?:py|pyw|pyx|js|mjs|cjs|ts|jsx|tsx|sh|bash|zsh|fish|csh|pl|pm|t|rb|php|tcl|lua|awk|sed|el|scm|lisp|hs|ml|r|jl|go"
    r"|rs|java|c|h|cc|cpp|cxx|hh|hpp|m|s|asm|cs|vb|ps1|bat|cmd|mk|m4|ac|am|in|cmake|conf|cfg|ini|json|ya?ml|toml|css|wasm"
    r"|properties|service|desktop|sql|gradle|groovy|scala|kt|swift)(?:\.gz)?$"
)
#: What makes a line of a page one that a browser runs.
_RUN = re.compile(rb"(?i)<script|</script|\bon[a-z]{2,30}\s*=|javascript:|[{}]")
_SCRIPT, _SCRIPT_END = re.compile(rb"(?i)<script"), re.compile(rb"(?i)</script")


def documents(name: str) -> bool:
    """Whether a member of this name is there to be read by people."""
    return _DOCUMENTS.search(name) is not None and _PROGRAMS.search(name) is None


def is_read(text: bytes, places: Iterable[int]) -> bool:
    """Whether what stands at these offsets of a document is read by people only: in no script of a page or program."""
    if text.startswith(b"#!"):
        return False
    starts = [found.start() for found in islice(_SCRIPT.finditer(text), _MAX_SCRIPTS)]
    ends = [found.start() for found in islice(_SCRIPT_END.finditer(text), _MAX_SCRIPTS)]
    for at in places:
        low, high = text.rfind(b"\n", 0, at) + 1, text.find(b"\n", at)
        if _RUN.search(text, low, high if high >= 0 else len(text)):
            return False
        before, closed = bisect_left(starts, at), bisect_left(ends, at)
        if before and (not closed or ends[closed - 1] < starts[before - 1]):
            return False
    return True
