#!/bin/sh
# Write requirements/run.txt and requirements/test.txt anew from pyproject.toml, each package by version and sha256.
# `make lock`. What is pinned now stays where pyproject.toml still allows it; `make lock UPGRADE=1` takes the newest.
#
# The hashes must be those of the public index, so local folders of wheels are left out. The index itself is the
# host's own choice (pip's configuration) and is never written into the files.
set -eu
cd "$(dirname "$0")/.."

PYTHON=${PYTHON:-python3}
tools=.rebuilder/lock-tools
[ -x "$tools/bin/pip-compile" ] || {
    "$PYTHON" -m venv "$tools"
    "$tools/bin/pip" install --quiet pip-tools
}

compile() { # name of the set, then extra options
    name=$1
    shift
    "$PYTHON" scripts/requirements.py "$name" >"$tools/$name.in"
    [ -z "${UPGRADE:-}" ] || set -- "$@" --upgrade
    env -u PIP_FIND_LINKS -u PIP_EXTRA_INDEX_URL "$tools/bin/pip-compile" --quiet \
        --generate-hashes --strip-extras --allow-unsafe --no-header --no-annotate \
        --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options \
        "$@" --output-file "requirements/$name.txt" "$tools/$name.in"
    sed -i '1i # Written by "make lock" from pyproject.toml; do not edit.' "requirements/$name.txt"
}

mkdir -p requirements
compile run
compile test --constraint requirements/run.txt
for name in run test; do
    if grep -nE '://|^ *--(index|extra-index|find-links|trusted)' "requirements/$name.txt"; then
        echo "lock: requirements/$name.txt names a host (lines above): it must come from pip's configuration" >&2
        exit 1
    fi
done
echo "lock: wrote requirements/run.txt and requirements/test.txt"
