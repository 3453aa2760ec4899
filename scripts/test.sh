#!/usr/bin/env bash
# Every test, in two rows beside each other, for they wait for different things: builds and archives in the first;
# in the second what needs neither Docker nor a network, then pages, Git servers, indexes and packages of indexes, which
# have caches of their own. The words of the second row come at the end, whole. Any failure fails all.
set -u
cd "$(dirname "$0")/.." || exit
pytest=.venv/bin/pytest
units=.rebuilder/unit-tests.log
others=.rebuilder/second-row-tests.log
mkdir -p .rebuilder

second=(test_git_remote test_languages test_npm_without_lock test_packages test_packages_again
    test_packages_trouble test_pages test_pinned_packages test_releases)
files=("${second[@]/#/tests/integration/}")
files=("${files[@]/%/.py}")

second_row() {
    "$pytest" -q -p no:cacheprovider --durations=5 tests/unit tests/golden >"$units" 2>&1
    local first=$?
    "$pytest" -q -p no:cacheprovider --durations=15 "${files[@]}" >"$others" 2>&1 || return 1
    return "$first"
}

second_row &
row=$!
trap 'kill "$row" 2>/dev/null' EXIT

"$pytest" -q --durations=15 tests/integration "${files[@]/#/--ignore=}"
integration=$?
wait "$row"
others_ended=$?
trap - EXIT
echo "== the second row: tests that need neither Docker nor a network"
cat "$units"
echo "== the second row: pages, Git servers, indexes, packages"
cat "$others"
if [ "$integration" -ne 0 ] || [ "$others_ended" -ne 0 ]; then
    echo "make test: failed (first row: exit $integration, second row: exit $others_ended)"
    exit 1
fi
