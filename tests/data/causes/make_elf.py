"""Makes the fixtures of the causes in `elf.py`, `environment.py` and `randomness.py` with the tools that leave them.

    make_elf.py [CAUSE ...]

Called: gcc, g++, binutils (both linkers), faketime, git, python3, bash, dash, unshare (as root, for a host name).
`published` and `rebuilt` are made without the fix, `fixed-1` and `fixed-2` with it, in the same two surroundings.
A cause whose tools fail is named at the end, and its fixtures stay as they are.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).parent
SIDES = ("published", "rebuilt", "fixed-1", "fixed-2")
DAYS = ("2026-03-01 10:00:00", "2027-05-07 11:30:41")
EPOCH = "1767225600"
WORK = Path(tempfile.gettempdir()) / "causes-elf"
FOLDERS = (WORK / "home/ann/first", WORK / "home/bert-long/second")
SHARED = ("-nostdlib", "-shared", "-fPIC", "-O1", "-fno-asynchronous-unwind-tables", "-Wl,-z,noseparate-code")
SMALL = ("-nostdlib", "-static", "-O1", "-fno-asynchronous-unwind-tables", "-fno-ident", "-Wl,-z,noseparate-code")
Make = Callable[[int, bool], bytes]


def run(*argv: str | Path, cwd: Path = WORK, stdin: str | None = None, **variables: str) -> bytes:
    """Standard output of a tool."""
    env = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TZ": "UTC", "HOME": str(WORK), **variables}
    text = stdin.encode() if stdin is not None else None
    done = subprocess.run([str(part) for part in argv], cwd=cwd, env=env, input=text, capture_output=True, check=False)
    if done.returncode:
        raise OSError(f"{argv[0]} ended with {done.returncode}: {done.stderr.decode(errors='replace')[-400:]}")
    return done.stdout


def folder(side: int) -> Path:
    FOLDERS[side].mkdir(parents=True, exist_ok=True)
    return FOLDERS[side]


def linked(source: str, side: int, *flags: str, name: str = "x.c", cc: str = "gcc", day: str = "", **env: str) -> bytes:
    """A small library, compiled in the folder of this side."""
    here = folder(side)
    (here / name).write_text(source)
    clock = ["faketime", "-f", f"@{day}"] if day else []
    run(*clock, cc, *flags, "-o", here / "out", here / name, cwd=here, **env)
    return (here / "out").read_bytes()


FUNCTION = "int f(int a) { return a + 1; }\n"


def date_macro(side: int, fixed: bool) -> bytes:
    source = 'const char *when(void) { return "built " __DATE__ " " __TIME__; }\n'
    env = {"SOURCE_DATE_EPOCH": EPOCH} if fixed else {}
    return linked(source, side, *SHARED, "-Wl,--build-id=none", day=DAYS[side], **env)


def path_rodata(side: int, fixed: bool) -> bytes:
    mapped = [f"-ffile-prefix-map={folder(side)}=."] if fixed else []
    return linked("const char *where(void) { return __FILE__; }\n", side, *SHARED, "-Wl,--build-id=none", *mapped)


def path_dwarf(side: int, fixed: bool) -> bytes:
    mapped = [f"-ffile-prefix-map={folder(side)}=."] if fixed else []
    return linked(FUNCTION, side, *SHARED, "-g", "-Wl,--build-id=none", *mapped)


def path_producer(side: int, fixed: bool) -> bytes:
    """Where profiles go is a switch that GCC records."""
    where = "profiles" if fixed else folder(side) / "profiles"
    flags = ("-g", "-grecord-gcc-switches", f"-fprofile-dir={where}", "-Wl,--build-id=none")
    return linked(FUNCTION, 0, *SHARED, *flags)


def path_rpath(side: int, fixed: bool) -> bytes:
    flags = [] if fixed else [f"-Wl,-rpath,{folder(side)}/libs"]
    return linked(FUNCTION, side, *SHARED, "-Wl,--build-id=none", *flags)


def path_text(side: int, fixed: bool) -> bytes:
    prefix = "${pcfiledir}/../.." if fixed else "$PWD"
    script = f'printf "prefix=%s\\nlibdir=%s/lib\\nName: x\\nVersion: 1\\n" "{prefix}" "{prefix}"'
    return run("sh", "-c", script.replace("${", "\\${"), cwd=folder(side))


def home(side: int, fixed: bool) -> bytes:
    where = "/nonexistent" if fixed else f"/home/{('ann', 'bert')[side]}"
    return run("sh", "-c", 'printf "cache = %s/.cache/x\\n" "$HOME"', HOME=where)


def stripped(side: int, fixed: bool) -> bytes:
    """Debug information names the folder; it is stripped, the build-id over it stays."""
    mapped = [f"-ffile-prefix-map={folder(side)}=."] if fixed else []
    linked(FUNCTION, side, *SHARED, "-g", "-Wl,--build-id=sha1", *mapped)
    run("strip", folder(side) / "out")
    return (folder(side) / "out").read_bytes()


def debuglink(side: int, fixed: bool) -> bytes:
    mapped = [f"-ffile-prefix-map={folder(side)}=."] if fixed else []
    linked(FUNCTION, side, *SHARED, "-g", "-Wl,--build-id=none", *mapped)
    here = folder(side)
    run("objcopy", "--only-keep-debug", "out", "out.debug", cwd=here)
    run("strip", "out", cwd=here)
    run("objcopy", "--add-gnu-debuglink=out.debug", "out", cwd=here)
    return (here / "out").read_bytes()


PARTS = {"a.c": "int first(int x) { return x * 3; }\n", "b.c": "int second(int x) { return (x ^ 5) * 7 + 1; }\n"}


def symbol_order(side: int, fixed: bool) -> bytes:
    """Objects in the order a folder lists them; a tmpfs lists what was made last first."""
    here = folder(side)
    listed = list(PARTS) if side == 0 else list(PARTS)[::-1]
    for name in listed:
        (here / name).write_text(PARTS[name])
    names = sorted(listed) if fixed else listed
    run("gcc", *SHARED, "-Wl,--build-id=none", "-o", "out", *names, cwd=here)
    return (here / "out").read_bytes()


def compiler(side: int, fixed: bool) -> bytes:
    """`.comment` as another compiler leaves it: the assembler takes it from `.ident`."""
    version = "12.2.0" if fixed or side == 0 else "14.2.0"
    source = FUNCTION + f'__asm__(".ident \\"GCC: (Debian {version}-1) {version}\\"");\n'
    return linked(source, 0, *SHARED, "-fno-ident", "-Wl,--build-id=none", *([] if fixed or side == 0 else ["-O2"]))


LOOP = "int f(int *a, int n) { int s = 0; for (int i = 0; i < n; i++) s += a[i] * 3; return s; }\n"


def generation(side: int, fixed: bool) -> bytes:
    level = "-O2" if fixed or side else "-O1"
    return linked(LOOP, 0, *SHARED, "-fno-ident", "-Wl,--build-id=none", level)


def native(side: int, fixed: bool) -> bytes:
    processor = "x86-64" if fixed or side else "haswell"
    return linked(LOOP, 0, *SHARED, "-fno-ident", "-Wl,--build-id=none", "-O3", f"-march={processor}")


def flags(side: int, fixed: bool) -> bytes:
    kind = "full" if fixed or side else "none"
    return linked(FUNCTION, 0, *SHARED, "-fno-ident", "-Wl,--build-id=none", f"-fcf-protection={kind}")


def layout(side: int, fixed: bool) -> bytes:
    linker = "bfd" if fixed or side else "gold"
    return linked(
        FUNCTION,
        0,
        *SHARED[:-1],
        "-fno-ident",
        "-Wl,--build-id=none",
        "-Wl,-z,max-page-size=4096",
        f"-fuse-ld={linker}",
    )


START = """.globl _start
.type _start,@function
_start: xor %ebp,%ebp
{}
mov %rsp,%rdi
call main
hlt
.size _start,.-_start
"""


def startfiles(side: int, fixed: bool) -> bytes:
    """A start file of another C library: one instruction of the same length differs."""
    here = folder(0)
    (here / "crt1.s").write_text(START.format("mov %rdx,%r9" if fixed or side else "mov %rdx,%r8"))
    (here / "main.c").write_text("int main(void) { return 7; }\n")
    run("gcc", *SMALL, "-nostartfiles", "-Wl,--build-id=none", "-o", "out", "crt1.s", "main.c", cwd=here)
    return (here / "out").read_bytes()


def libc(side: int, fixed: bool) -> bytes:
    """A C library with one function, which has another symbol version on each side."""
    here = folder(0)
    version = "GLIBC_2.34" if fixed or side else "GLIBC_2.2.5"
    (here / "libc.c").write_text("int start_main(int a) { return a; }\n")
    (here / "map").write_text(f"{version} {{ start_main; }};\n")
    run("gcc", *SHARED, "-Wl,--version-script=map", "-Wl,-soname,libc.so.6", "-o", "libfake.so", "libc.c", cwd=here)
    (here / "x.c").write_text("int start_main(int); int f(void) { return start_main(1); }\n")
    run("gcc", *SHARED, "-fno-ident", "-Wl,--build-id=none", "-o", "out", "x.c", "-L.", "-lfake", cwd=here)
    return (here / "out").read_bytes()


def seed(side: int, fixed: bool) -> bytes:
    """Sections of link-time optimisation are named with a random number, unless a seed is given."""
    here = folder(0)
    (here / "x.c").write_text(FUNCTION)
    run(
        "gcc",
        "-flto",
        "-ffat-lto-objects",
        "-c",
        "-fno-ident",
        *(["-frandom-seed=x.c"] if fixed else []),
        "-o",
        "x.o",
        "x.c",
        cwd=here,
    )
    return (here / "x.o").read_bytes()


def lto(side: int, fixed: bool) -> bytes:
    """Two static functions of one name, which link-time optimisation numbers as the objects come."""
    here = folder(0)
    for name, body in (("a", "x * 3 + y"), ("b", "x / 7 - y")):
        (here / f"{name}.c").write_text(
            f"static __attribute__((noinline)) int help(int x, int y) {{ return {body}; }}\n"
            f"int {name}(int v, int w) {{ return help(v, w) + help(w, v); }}\n"
        )
    names = ["a.c", "b.c"] if fixed or side == 0 else ["b.c", "a.c"]
    run(
        "gcc",
        *SHARED,
        "-flto",
        "-flto-partition=none",
        "-fno-ident",
        "-Wl,--build-id=none",
        "-o",
        "out",
        *names,
        cwd=here,
    )
    return (here / "out").read_bytes()


def script(text: str, fixed_text: str, **change: tuple[str, str]) -> Make:
    """What a shell script writes, with a variable that differs."""

    def make(side: int, fixed: bool) -> bytes:
        return run("bash", "-c", fixed_text if fixed else text, **{name: two[side] for name, two in change.items()})

    return make


def clock(text: str, fixed_text: str) -> Make:
    def make(side: int, fixed: bool) -> bytes:
        return run(
            "faketime", "-f", f"@{DAYS[side]}", "bash", "-c", fixed_text if fixed else text, SOURCE_DATE_EPOCH=EPOCH
        )

    return make


def zone(side: int, fixed: bool) -> bytes:
    where = "UTC" if fixed else ("UTC", "CET-1CEST,M3.5.0,M10.5.0/3")[side]
    return run("date", "-d", f"@{EPOCH}", "+generated %Y-%m-%d %H:%M:%S", TZ=where)


def host(side: int, fixed: bool) -> bytes:
    words = 'echo "version 1"' if fixed else 'echo "built on host $(uname -n)"'
    return run("unshare", "-u", "sh", "-c", f"hostname {('barriere', 'quitte-17')[side]}; {words}")


def kernel(side: int, fixed: bool) -> bytes:
    # In what is kept the release is that of another machine: nothing tells where it was made.
    wrapped = ["setarch", "--uname-2.6"] if side else []
    return run(*wrapped, "sh", "-c", "echo built with Linux" if fixed else 'echo "built with $(uname -s) $(uname -r)"')


def cpus(side: int, fixed: bool) -> bytes:
    only = ["taskset", "-c", "0"] if side else []
    return run(*only, "sh", "-c", "echo make check" if fixed else 'echo "make -j$(nproc) check"')


def hashed(side: int, fixed: bool) -> bytes:
    names = "{'alpha', 'beta', 'gamma', 'delta', 'epsilon', 'zeta'}"
    code = f"print('features:', *{f'sorted({names})' if fixed else names})"
    return run(sys.executable, "-c", code, PYTHONHASHSEED=str(side + 1))


def keys(side: int, fixed: bool) -> bytes:
    entries = "dict.fromkeys({'name', 'version', 'files', 'license'}, 1)"
    code = f"import json; print(json.dumps({entries}, sort_keys={fixed}))"
    return run(sys.executable, "-c", code, PYTHONHASHSEED=str(side + 1))


def collation(side: int, fixed: bool) -> bytes:
    """`sort -f` is what glibc's locales do to letters; the machine that makes the fixtures need not have one."""
    flag = "" if fixed or side else "-f"
    return run("sh", "-c", f"printf 'README\\nabout\\nMakefile\\nlib\\nsrc\\n' | LC_ALL=C sort {flag}")


def messages(side: int, fixed: bool) -> bytes:
    """GCC quotes by locale."""
    here = folder(0)
    (here / "w.c").write_text("int f(void) { int unused; return 0; }\n")
    locale = "C.UTF-8" if fixed or side else "C"
    return run("sh", "-c", "gcc -Wall -c -o /dev/null w.c 2>&1", cwd=here, LC_ALL=locale)


def described(side: int, fixed: bool) -> bytes:
    here = WORK / "repository"
    if not here.exists():
        here.mkdir()
        who = {
            f"GIT_{one}_{two}": value
            for one in ("AUTHOR", "COMMITTER")
            for two, value in (("NAME", "x"), ("EMAIL", "x@example.org"))
        }
        (here / "x").write_text("1\n")
        run("git", "init", "-q", cwd=here)
        run("git", "add", "x", cwd=here)
        run("git", "commit", "-q", "-m", "one", cwd=here, **who)
        run("git", "tag", "v1.2", cwd=here)
        run("git", "commit", "-q", "--allow-empty", "-m", "two", cwd=here, **who)
    length = 12 if fixed else (7, 12)[side]
    return b"version = " + run("git", "describe", "--tags", f"--abbrev={length}", cwd=here)


def temporary(side: int, fixed: bool) -> bytes:
    code = "print('work: build/x')" if fixed else "import tempfile; print('work:', tempfile.mkdtemp())"
    return run(sys.executable, "-c", code, TMPDIR="/tmp")


def pointer(side: int, fixed: bool) -> bytes:
    code = f"class Config: pass\nprint('default:', {'Config.__name__' if fixed else 'Config()'})"
    return run(sys.executable, "-c", code)


def echo(side: int, fixed: bool) -> bytes:
    text = "printf 'one two\\n'" if fixed else "echo -e 'one two'"
    return run(("dash", "bash")[side], "-c", text)


def lines(side: int, fixed: bool) -> bytes:
    here = WORK / f"checkout-{side}-{fixed}"
    described(0, True)
    setting = "false" if fixed else ("false", "true")[side]
    (WORK / "repository/y").write_text("one\ntwo\nthree\n")
    run("git", "-C", WORK / "repository", "add", "y")
    run(
        "git",
        "-c",
        f"core.autocrlf={setting}",
        "-C",
        WORK / "repository",
        "checkout-index",
        "-f",
        f"--prefix={here}/",
        "y",
    )
    return (here / "y").read_bytes()


MAKERS: dict[str, tuple[str, Make]] = {
    "date-macro": (".so", date_macro),
    "build-path-rodata": (".so", path_rodata),
    "build-path-dwarf": (".so", path_dwarf),
    "build-path-producer": (".so", path_producer),
    "build-path-rpath": (".so", path_rpath),
    "build-path-text": (".pc", path_text),
    "home": (".txt", home),
    "build-id": (".so", stripped),
    "debug-info": (".so", stripped),
    "debuglink": (".so", debuglink),
    "symbol-order": (".so", symbol_order),
    "compiler-version": (".so", compiler),
    "code-generation": (".so", generation),
    "march-native": (".so", native),
    "compiler-flags": (".so", flags),
    "linker-layout": (".so", layout),
    "libc-startfiles": (".elf", startfiles),
    "libc-version": (".so", libc),
    "random-seed": (".o", seed),
    "lto-suffix": (".so", lto),
    "embedded-timestamp": (
        ".txt",
        clock('echo "Generated: $(date -R)"', 'echo "Generated: $(date -R -d @$SOURCE_DATE_EPOCH)"'),
    ),
    "timezone": (".txt", zone),
    "hostname": (".txt", host),
    "username": (".txt", script('echo "built by $USER"', "echo built", USER=("ann", "bert"))),
    "environment-variable": (
        ".txt",
        script("env | grep ^PATH=", "true", PATH=("/usr/bin:/bin", "/usr/local/bin:/usr/bin:/bin")),
    ),
    "cpu-count": (".txt", cpus),
    "kernel-version": (".txt", kernel),
    "locale-collation": (".txt", collation),
    "locale-messages": (".txt", messages),
    "hash-order": (".txt", hashed),
    "json-key-order": (".json", keys),
    "line-endings": (".txt", lines),
    "shell-echo": (".txt", echo),
    "random-name": (".txt", temporary),
    "pointer-value": (".txt", pointer),
    "git-describe": (".txt", described),
}


def main() -> int:
    """Make what was asked for; say what could not be made."""
    failed = {}
    WORK.mkdir()
    for cause in sys.argv[1:] or MAKERS:
        suffix, make = MAKERS[cause]
        try:
            made = [make(number % 2, number > 1) for number in range(4)]
        except OSError as error:
            failed[cause] = str(error)
            continue
        (HERE / cause).mkdir(exist_ok=True)
        for side, data in zip(SIDES, made, strict=True):
            (HERE / cause / f"{side}{suffix}").write_bytes(data)
        if made[0] == made[1] or made[2] != made[3]:
            failed[cause] = (
                f"expected two that differ and two that are equal, found {made[0] == made[1]}, {made[2] == made[3]}"
            )
    shutil.rmtree(WORK)
    for cause, reason in failed.items():
        print(f"{cause}: {reason}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
