"""Makes the fixtures of the causes in `rebuilder/explain/causes/stamps*.py` with the tools that leave the stamps.

    make_stamps.py OLD NEW [CAUSE ...]

OLD and NEW are folders with the Debian packages of two suites (texinfo, libtext-unidecode-perl, help2man, debhelper,
libdebhelper-perl, perl-modules, doxygen with its libraries), as `apt-get download` gives them. Also called: faketime,
gettext, a JDK, sqlite3, dpkg-dev, and a Python environment made on the spot for sphinx, docutils, reportlab and
matplotlib. A cause whose tool is missing is named at the end, and its fixtures stay as they are. `published` and
`rebuilt` are made without the fix, `fixed-1` and `fixed-2` with it, on the same two days or in the same two ways.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Callable
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent
DAYS = ("2026-03-01 10:00:00", "2027-05-07 11:30:00")
EPOCH = "1767225600"
SIDES = ("published", "rebuilt", "fixed-1", "fixed-2")
WORK = Path(tempfile.mkdtemp(prefix="stamps-"))


def call(*argv: str | Path, day: str = "", cwd: Path = WORK, stdin: str | None = None, **variables: str) -> str:
    """Standard output of a tool, perhaps on another day."""
    command = [str(part) for part in argv]
    command = ["faketime", "-f", f"@{day}", *command] if day else command
    env = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TZ": "UTC", "HOME": str(WORK), **variables}
    done = subprocess.run(command, cwd=cwd, env=env, input=stdin, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"{command[0]} ended with {done.returncode}: {done.stderr[-500:]}")
    return done.stdout


def write(cause: str, side: str, suffix: str, data: bytes | str | Path) -> None:
    folder = HERE / cause
    folder.mkdir(exist_ok=True)
    data = data.read_bytes() if isinstance(data, Path) else data
    (folder / f"{side}{suffix}").write_bytes(data.encode() if isinstance(data, str) else data)


def days(cause: str, suffix: str, make: Callable[[str, bool], bytes | str | Path]) -> None:
    """All four files of a cause that is about time: ``make(day, fixed)``."""
    for number, side in enumerate(SIDES):
        write(cause, side, suffix, make(DAYS[number % 2], number > 1))


def epoch(fixed: bool) -> dict[str, str]:
    return {"SOURCE_DATE_EPOCH": EPOCH} if fixed else {}


@cache
def suite(folder: str) -> Path:
    """The packages of a folder, unpacked over each other."""
    root = WORK / f"suite-{Path(folder).name}-{abs(hash(folder))}"
    for package in sorted(Path(folder).glob("*.deb")):
        call("dpkg-deb", "-x", package, root)
    return root


@cache
def python() -> Path:
    """An interpreter with sphinx, docutils, reportlab and matplotlib."""
    venv.create(WORK / "venv", with_pip=True)
    call(
        WORK / "venv/bin/pip",
        "install",
        "-q",
        "sphinx==8.1.3",
        "docutils==0.21.2",
        "reportlab==4.2.5",
        "matplotlib==3.9.4",
    )
    return WORK / "venv/bin/python"


# --- text ---------------------------------------------------------------------------------------


def gettext_pot_date() -> None:
    (WORK / "a.c").write_text('int main(void) { return puts(_("Hello")); }\n')

    def pot(day: str, fixed: bool) -> str:
        text = call("xgettext", "-k_", "-o", "-", "a.c", day=day)
        text = text.replace("CHARSET", "UTF-8")
        return re.sub(r"(POT-Creation-Date: )[^\\]*", r"\g<1>2026-01-01 00:00+0000", text) if fixed else text

    def mo(day: str, fixed: bool) -> Path:
        (WORK / "a.pot").write_text(pot(DAYS[0], fixed=True))
        call("msginit", "--no-translator", "-l", "de", "-i", "a.pot", "-o", "a.po")
        # What an editor of catalogues writes when the file is saved; msgfmt itself leaves POT-Creation-Date out.
        saved = f"PO-Revision-Date: {(DAYS[0] if fixed else day)[:16]}+0000"
        text = re.sub(r"PO-Revision-Date: [^\\]*", saved, (WORK / "a.po").read_text())
        (WORK / "a.po").write_text(text)
        call("msgfmt", "-o", "a.mo", "a.po")
        return WORK / "a.mo"

    days("gettext-pot-date", ".po", pot)
    days("gettext-pot-date", ".mo", mo)


POD2MAN = "Pod::Man->new(section => 1, release => 1)->parse_from_file(@ARGV)"
POD = "=head1 NAME\n\nfoo - does it\n\n=head1 SYNOPSIS\n\nB<foo> I<file>\n\n=cut\n"


def perl_pod_date() -> None:
    def page(day: str, fixed: bool) -> str:
        (WORK / "foo.pod").write_text(POD)
        call("touch", "-d", day, "foo.pod")
        return call("pod2man", "--section=1", "foo.pod", **epoch(fixed))

    days("perl-pod-date", ".1", page)


def pod2man_version(old: str, new: str) -> None:
    (WORK / "foo.pod").write_text(POD)
    for side, folder in zip(SIDES, (old, new, old, old), strict=True):
        modules = next(suite(folder).glob("usr/share/perl/5.*.*"))
        text = call("perl", f"-I{modules}", "-MPod::Man", "-e", POD2MAN,
                    "foo.pod", SOURCE_DATE_EPOCH=EPOCH)  # fmt: skip
        write("pod2man-version", side, ".1", text)


TEXI = (
    "\\input texinfo\n@setfilename foo.info\n@settitle Foo\n@node Top\n@top Foo\n{}\n"
    "@menu\n* Use::\n@end menu\n@node Use\n@chapter Use\nCall foo.\n@bye\n"
)


def texi(folder: str, text: str, **variables: str) -> Path:
    (WORK / "foo.texi").write_text(text)
    root = suite(folder)
    script = (
        (root / "usr/bin/texi2any")
        .read_text()
        .replace("/usr/share", f"{root}/usr/share")
        .replace("'/usr/lib", f"'{root}/usr/lib")
    )
    (WORK / "texi2any").write_text(script)
    day = variables.pop("day", "")
    call("perl", "texi2any", "--info", "foo.texi", "-o", "foo.info", TEXINFO_XS="omit", day=day,
         PERL5LIB=f"{root}/usr/share/perl5", **variables)  # fmt: skip
    return WORK / "foo.info"


def makeinfo_version(old: str, new: str) -> None:
    for side, folder in zip(SIDES, (old, new, old, old), strict=True):
        write("makeinfo-version", side, ".info", texi(folder, TEXI.format("The manual.")))


def info_date(new: str) -> None:
    days(
        "info-date",
        ".info",
        lambda day, fixed: texi(new, TEXI.format("Version 1, updated @today{}."), day=day, **epoch(fixed)),
    )


def help2man(folder: str, **variables: str) -> str:
    program = WORK / "foo"
    program.write_text('#!/bin/sh\ncase $1 in --version) echo "foo 1.0";; *) echo "Usage: foo FILE";; esac\n')
    program.chmod(0o755)
    script = suite(folder) / "usr/bin/help2man"
    return call("perl", script, "-N", "--no-discard-stderr", program, **variables)


def help2man_version(old: str, new: str) -> None:
    for side, folder in zip(SIDES, (old, new, old, old), strict=True):
        write("help2man-version", side, ".1", help2man(folder, SOURCE_DATE_EPOCH=EPOCH))


def man_page_date(new: str) -> None:
    days("man-page-date", ".1", lambda day, fixed: help2man(new, day=day, **epoch(fixed)))


def doxygen_stamp(old: str) -> None:
    (WORK / "dox.c").write_text("/** \\file */\n/** Does it. */\nint foo(void);\n")

    def page(day: str, fixed: bool) -> Path:
        settings = f"INPUT=dox.c\nGENERATE_LATEX=NO\nQUIET=YES\nHTML_TIMESTAMP={'NO' if fixed else 'YES'}\n"
        (WORK / "Doxyfile").write_text(settings)
        libraries = suite(old) / "usr/lib/x86_64-linux-gnu"
        call(suite(old) / "usr/bin/doxygen", "Doxyfile", day=day, LD_LIBRARY_PATH=str(libraries))
        return WORK / "html/files.html"

    days("doxygen-stamp", ".html", page)


def sphinx(settings: str, day: str, fixed: bool) -> Path:
    source = WORK / "sphinx"
    shutil.rmtree(source, ignore_errors=True)
    source.mkdir()
    (source / "conf.py").write_text(f"project = 'Foo'\nhtml_theme = 'basic'\n{settings}\n")
    (source / "index.rst").write_text("Foo\n===\n\nIt does it.\n")
    call(python(), "-m", "sphinx", "-q", "-b", "html", ".", "out", cwd=source, day=day, **epoch(fixed))
    return source / "out/index.html"


def sphinx_stamp() -> None:
    days("sphinx-stamp", ".html", lambda day, fixed: sphinx("html_last_updated_fmt = '%d %B %Y'", day, fixed))


def copyright_year() -> None:
    days("copyright-year", ".html", lambda day, fixed: sphinx("copyright = '%Y, the authors of Foo'", day, fixed))


def html_generated_on() -> None:
    (WORK / "a.rst").write_text("Foo\n===\n\nIt does it.\n")

    def page(day: str, fixed: bool) -> str:
        return call(python(), "-m", "docutils", "--stylesheet=", *([] if fixed else ["--time"]), "a.rst", day=day)

    days("html-generated-on", ".html", page)


def javadoc_stamp() -> None:
    (WORK / "Foo.java").write_text("/** Does it. */\npublic class Foo { }\n")

    def page(number: int, fixed: bool) -> Path:
        out = WORK / f"javadoc-{number}"
        call("javadoc", "-quiet", "-Xdoclint:none", *(["-notimestamp"] if fixed else []), "-d", out, "Foo.java",
             TZ=("UTC", "Pacific/Auckland")[number % 2])  # fmt: skip
        return out / "help-doc.html"

    for number, side in enumerate(SIDES):
        write("javadoc-stamp", side, ".html", page(number, number > 1))


# --- Debian -------------------------------------------------------------------------------------


def tree(changelog: str) -> Path:
    source = WORK / "source"
    shutil.rmtree(source, ignore_errors=True)
    (source / "debian/foo/DEBIAN").mkdir(parents=True)
    (source / "debian/changelog").write_text(changelog)
    (source / "debian/control").write_text(
        "Source: foo\nSection: misc\nPriority: optional\nMaintainer: A <a@b.example>\n"
        "Build-Depends: debhelper-compat (= 13)\n"
        "Standards-Version: 4.7.0\n\nPackage: foo\nArchitecture: all\n"
        "Depends: ${shlibs:Depends}\nDescription: does it\n It does.\n"
    )
    return source


def entry(number: int, year: int, more: str = "") -> str:
    signed = f" -- A <a@b.example>  Mon, 06 Jan {year} 10:00:00 +0000\n"
    return f"foo (1.{number}-1) unstable; urgency=low{more}\n\n  * Change {number}.\n\n{signed}"


def debhelper(folder: str, tool: str, source: Path, **variables: str) -> None:
    root = suite(folder)
    call("perl", root / "usr/bin" / tool, cwd=source, PERL5LIB=f"{root}/usr/share/perl5",
         DH_AUTOSCRIPTDIR=f"{root}/usr/share/debhelper/autoscripts", DH_DATAFILES=f"{root}/usr/share/debhelper",
         **variables)  # fmt: skip


def debhelper_maintscript(old: str, new: str) -> None:
    for side, folder in zip(SIDES, (old, new, old, old), strict=True):
        source = tree(entry(1, 2020))
        (source / "debian/foo.ucf").write_text("/usr/share/foo/foo.conf /etc/foo.conf\n")
        debhelper(folder, "dh_ucf", source)
        debhelper(folder, "dh_installdeb", source)
        write("debhelper-maintscript", side, ".postinst", source / "debian/foo/DEBIAN/postinst")


def changelog_trimmed(old: str, new: str) -> None:
    whole = "\n".join(entry(number, 2000 + number) for number in range(12, 0, -1))
    for side, folder in zip(SIDES, (old, new, old, new), strict=True):
        source = tree(whole)
        options = {"DEB_BUILD_OPTIONS": "notrimdch"} if side.startswith("fixed") else {}
        debhelper(folder, "dh_installchangelogs", source, **options)
        write("changelog-trimmed", side, ".Debian", source / "debian/foo/usr/share/doc/foo/changelog.Debian")


def changelog_binnmu(old: str, new: str) -> None:
    text = entry(2, 2020, ", binary-only=yes") + "\n" + entry(1, 2020)
    for side, folder in zip(SIDES, (old, new, new, new), strict=True):
        source = tree(text)
        debhelper(folder, "dh_installchangelogs", source)
        write("changelog-binnmu", side, ".all", next(source.glob("debian/foo/usr/share/doc/foo/changelog.Debian.*")))


def gencontrol(cause: str, number: int, side: str, *, libc: str, size: int) -> None:
    source = tree(entry(1, 2020))
    (source / "debian/foo/data").write_bytes(b"x" * size)
    call("dpkg-gencontrol", "-pfoo", "-Pdebian/foo", f"-Vshlibs:Depends=libc6 (>= {libc})", cwd=source)
    write(cause, side, ".control", source / "debian/foo/DEBIAN/control")


def debian_control() -> None:
    for number, side in enumerate(SIDES):
        gencontrol("debian-control-size", number, side, libc="2.36", size=(10_000, 30_000, 10_000, 10_000)[number])
        gencontrol("debian-control-version", number, side, libc=("2.2.5", "2.34", "2.34", "2.34")[number], size=10_000)


# --- other formats ------------------------------------------------------------------------------


def pdf_id() -> None:
    program = (
        "import sys; from reportlab.pdfgen.canvas import Canvas; c = Canvas('a.pdf', invariant=int(sys.argv[1]));"
        "c.drawString(9, 9, 'x'); c.save()"
    )

    def made(day: str, fixed: bool) -> Path:
        call(python(), "-c", program, str(int(fixed)), day=day)
        return WORK / "a.pdf"

    days("pdf-id", ".pdf", made)


def svg_id() -> None:
    program = (
        "import sys, matplotlib as m, matplotlib.figure; m.use('svg'); f = m.figure.Figure(figsize=(1, 1));"
        "m.rcParams['svg.hashsalt'] = sys.argv[1] or None; a = f.add_axes([0, 0, 1, 1]); a.axis('off');"
        "a.plot([0, 1]); f.savefig('a.svg')"
    )

    def made(day: str, fixed: bool) -> Path:
        call(python(), "-c", program, "foo" if fixed else "", day=day, **epoch(fixed))
        return WORK / "a.svg"

    days("svg-id", ".svg", made)


def sqlite_header() -> None:
    for number, side in enumerate(SIDES):
        (WORK / "a.db").unlink(missing_ok=True)
        writes = "UPDATE t SET a = 2; UPDATE t SET a = 1;" * (number % 2)
        call(
            "sqlite3",
            "a.db",
            stdin=f"PRAGMA page_size=512; CREATE TABLE t (a); INSERT INTO t VALUES (1); {writes} UPDATE t SET a = 1;",
        )
        if number > 1:
            dump = call("sqlite3", "a.db", ".dump")
            (WORK / "a.db").unlink()
            call("sqlite3", "a.db", stdin="PRAGMA page_size=512;" + dump)
        write("sqlite-header", side, ".db", WORK / "a.db")


def pom_properties_date() -> None:
    (WORK / "P.java").write_text(
        "class P { public static void main(String[] a) throws Exception { var p = new java.util.Properties();"
        'p.put("version", "1"); p.store(System.out, null); } }\n'
    )
    for number, side in enumerate(SIDES):
        text = call("java", "P.java", TZ=("UTC", "Pacific/Auckland")[number % 2])
        write("pom-properties-date", side, ".properties", re.sub(r"(?m)^#.*\n", "", text) if number > 1 else text)


def java_manifest() -> None:
    (WORK / "F.txt").write_text("x\n")
    for number, side in enumerate(SIDES):
        (WORK / "m.txt").write_text("" if number > 1 else f"Built-By: {('buildd', 'rebuilder')[number % 2]}\n")
        call("jar", "cfm", "a.jar", "m.txt", "F.txt")
        write("java-manifest", side, ".MF", call("unzip", "-p", "a.jar", "META-INF/MANIFEST.MF"))


def main() -> int:
    old, new, *wanted = sys.argv[1:]
    makers: dict[str, Callable[[], None]] = {
        "gettext-pot-date": gettext_pot_date, "perl-pod-date": perl_pod_date, "info-date": lambda: info_date(new),
        "pod2man-version": lambda: pod2man_version(old, new), "makeinfo-version": lambda: makeinfo_version(old, new),
        "help2man-version": lambda: help2man_version(old, new), "man-page-date": lambda: man_page_date(new),
        "doxygen-stamp": lambda: doxygen_stamp(old), "sphinx-stamp": sphinx_stamp, "copyright-year": copyright_year,
        "html-generated-on": html_generated_on, "javadoc-stamp": javadoc_stamp, "debian-control": debian_control,
        "debhelper-maintscript": lambda: debhelper_maintscript(old, new), "pdf-id": pdf_id, "svg-id": svg_id,
        "changelog-trimmed": lambda: changelog_trimmed(old, new),
        "changelog-binnmu": lambda: changelog_binnmu(old, new),
        "sqlite-header": sqlite_header, "pom-properties-date": pom_properties_date, "java-manifest": java_manifest,
    }  # fmt: skip
    failed = []
    for cause, make in makers.items():
        if wanted and cause not in wanted:
            continue
        try:
            make()
        except (OSError, StopIteration, subprocess.SubprocessError) as err:
            failed.append(f"{cause}: not made: {err}")
    shutil.rmtree(WORK)
    print("\n".join(failed) or "all made")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
