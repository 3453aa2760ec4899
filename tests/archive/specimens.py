"""Packages made so that their verdict is known beforehand: one and more for each way a rebuild can end.

``source`` is what the archive publishes as source; ``published`` is the tree its `.deb` files really came
from. Where the two are the same and hold no randomness, the package is reproducible by construction.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.archive.publisher import BuildOrder
from tests.archive.sources import Binary, SourcePackage


@dataclass(frozen=True)
class Specimen:
    """One source package and where its published `.deb` files came from."""

    source: SourcePackage
    published: SourcePackage
    rebuild: int = 0

    @property
    def name(self) -> str:
        """Name of the source package."""
        return self.source.name

    @property
    def orders(self) -> tuple[BuildOrder, ...]:
        """What the publisher's build machine has to build."""
        kinds = sorted({binary.architecture for binary in self.published.packages}, reverse=True)
        return tuple(BuildOrder(self.published, kind, self.rebuild if kind == "any" else 0) for kind in kinds)


def honest(source: SourcePackage, *, rebuild: int = 0) -> Specimen:
    """Published from exactly the published source."""
    return Specimen(source, source, rebuild)


def forged(name: str, **hostile: object) -> Specimen:
    """The published `.deb` says something that no build of the published source says on its own.

    So `reproduced` can only come out if the build got hold of the published file, or talked its way past the
    sandbox. ``hostile`` are the fields in which the published source differs from the one really built.
    """
    built = SourcePackage(name=name, files={"data/note.txt": b"This is not what the source says.\n"})
    return Specimen(SourcePackage(name=name).having(**hostile), built)


PLAIN = honest(SourcePackage(name="specimen-plain"))
#: Three binary packages of both kinds, and an epoch, which file names do not carry.
MANY = honest(
    SourcePackage(
        name="specimen-many", version="1:2.0",
        binaries=(Binary("specimen-many"), Binary("specimen-many-tools"), Binary("specimen-many-data", "all")),
    )
)
ALL = honest(SourcePackage(name="specimen-all", binaries=(Binary("specimen-all", "all"),)))
REBUILT = honest(SourcePackage(name="specimen-rebuilt", version="3.1"), rebuild=1)
#: Raw escapes and control bytes on the terminal and in the log; the files are honest.
ESCAPES = honest(
    SourcePackage(
        name="specimen-escapes",
        build_any=(
            r"@printf '\033]0;owned\007\033[2J\033[1;31mESCAPES \302\233 \r<script>alert(1)</script>\n'",
            r"@printf '\000\001\377\376 not UTF-8\n'",
        ),
    )
)
DIFFERENT = forged("specimen-different")
#: Other random bytes in each build.
FLAKY = honest(
    SourcePackage(
        name="specimen-flaky",
        build_any=("mkdir -p build/extra", "head -c 16 /dev/urandom | od -An -tx1 > build/extra/random.txt"),
    )
)
#: Two builds never agree with each other, yet both agree on a file the publisher does not have.
FLAKY_AND_DIFFERENT = Specimen(
    FLAKY.source.having(name="specimen-both"),
    FLAKY.source.having(
        name="specimen-both", files={"data/note.txt": b"Neither random nor what the source says.\n"}
    ),
)
FAILS = forged("specimen-fails", build_any=("@echo 'this build gives up'; exit 3",))
#: Ends well, but the file that was published is not among what it made.
SILENT = forged("specimen-silent", finish_any=("mv ../specimen-silent_1.0_amd64.deb ../specimen-other_1.0_amd64.deb",
                                               "sed -i s/specimen-silent_/specimen-other_/ debian/files"))
HANGS = forged("specimen-hangs", build_any=("sleep 100000",))
FILLS = forged("specimen-fills", build_any=("cat /dev/zero > build/zeroes",))
FORKS = forged("specimen-forks", build_any=("perl -e 'while (1) { defined(fork) or exit 9 }'",))
CHATTERS = forged("specimen-chatters", build_any=("yes 'a very long line of a build log that never ends'",))
HOARDS = forged("specimen-hoards", build_any=("perl -e '$$x .= \"x\" x 1e8 while 1'",))

#: A prebuilt, non-text file that the source carries and installs as it is: reproducible, and proof of nothing.
PREBUILT = honest(
    SourcePackage(
        name="specimen-prebuilt",
        files={"data/prebuilt.bin": bytes((i * 197 + i // 7 * 31) % 256 for i in range(4096))},
    )
)
SMUGGLER_CARGO = SourcePackage(name="specimen-smuggler", files={"data/note.txt": b"Whatever it likes.\n"})


def smuggler(deb: bytes) -> SourcePackage:
    """A source that carries the published `.deb` and hands it out as its own work."""
    return SMUGGLER_CARGO.having(
        files={"cargo/blob.bin": deb},
        finish_any=("cp cargo/blob.bin ../specimen-smuggler_1.0_amd64.deb",),
    )


#: Everything that is built beforehand and listed in the archive.
SPECIMENS: tuple[Specimen, ...] = (
    PLAIN, MANY, ALL, REBUILT, ESCAPES, DIFFERENT, FLAKY, FLAKY_AND_DIFFERENT, FAILS, SILENT, HANGS, FILLS, FORKS,
    CHATTERS, HOARDS, PREBUILT,
)
