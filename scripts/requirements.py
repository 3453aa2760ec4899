"""Print what pyproject.toml asks for, one requirement a line: ``run``, or ``test`` (run and the dev group).

The input of ``make lock``. The build requirements are part of both, because the editable install is made
without build isolation and so must not fetch anything that is not in the lock.
"""

import sys
import tomllib
from pathlib import Path


def main() -> None:
    """Print the requirements of the set named on the command line."""
    wanted = sys.argv[1:]
    if wanted not in (["run"], ["test"]):
        sys.exit("usage: requirements.py run|test")
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))
    lines = [*project["build-system"]["requires"], *project["project"]["dependencies"]]
    if wanted == ["test"]:
        lines += project["dependency-groups"]["dev"]
    print("\n".join(lines))


if __name__ == "__main__":
    main()
