"""Runs in a build's container: lets `zlib-ng` of Python's index stand for `zlib`, as on a machine whose Python has it.

As ``sitecustomize`` it puts a module in the place of `zlib` before anything can have imported that: all of the standard
one, and over it all that the wheel has by the same names. An interpreter without the wheel keeps its own zlib; the
build's own is asked first, by this file run as a program, which fails there. Then the ``sitecustomize`` behind it runs,
as it would without this one. Nothing but deflate streams can differ: what is unpacked, and every checksum, is defined.

Python 3.9 or later, of the toolchain. Every import at the top is one that Python has made before.
"""
# ruff: noqa: ANN401, PTH100, PTH120 - a module can be anything; pathlib costs an import

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: Modules that may hold the standard one already: `zlib_ng` imports the first while it is loaded.
_USERS = ("gzip", "zipfile", "tarfile", "shutil")


def stand_in() -> Any:
    """A module as `zlib`, with the functions of zlib-ng. ``ImportError`` where there is no such wheel."""
    import zlib

    from zlib_ng import zlib_ng  # type: ignore[import-not-found]  # of the build

    made = type(sys)("zlib", zlib.__doc__)
    for module in (zlib, zlib_ng):
        made.__dict__.update({name: value for name, value in vars(module).items() if name[:2] != "__"})
    return made


def install() -> None:
    """Put it in place; nothing where there is no wheel."""
    try:
        made = stand_in()
    except ImportError:
        return
    own = sys.modules["zlib"]
    sys.modules["zlib"] = made
    for name in _USERS:
        user = sys.modules.get(name)
        if getattr(user, "zlib", None) is own:
            user.zlib = made  # type: ignore[union-attr]  # has one


def run_next(here: str) -> None:
    """The ``sitecustomize`` that would have been found if there were nothing in the folder ``here``."""
    from importlib.machinery import PathFinder
    from importlib.util import module_from_spec

    others = [path for path in sys.path if os.path.abspath(path or ".") != here]
    spec = PathFinder.find_spec("sitecustomize", others)
    if spec is not None and spec.loader is not None:
        module = module_from_spec(spec)
        spec.loader.exec_module(module)


if __name__ == "sitecustomize":
    install()
    run_next(os.path.dirname(os.path.abspath(__file__)))
elif __name__ == "__main__":
    found = stand_in()
    sys.stdout.write(f"zlib-ng {getattr(found, 'ZLIBNG_VERSION', '')} stands for zlib\n".replace("  ", " "))
