#!/usr/bin/env bash
# Every test: those that need neither Docker nor a network beside those that do, for they wait for different things.
# The words of the first come at the end, whole. Either failing fails both.
set -u
cd "$(dirname "$0")/.." || exit
pytest=.venv/bin/pytest
log=.rebuilder/unit-tests.log
mkdir -p .rebuilder

"$pytest" -q -p no:cacheprovider --durations=5 tests/unit tests/golden >"$log" 2>&1 &
unit=$!
trap 'kill "$unit" 2>/dev/null' EXIT

"$pytest" -q --durations=15 tests/integration
integration=$?
wait "$unit"
units=$?
trap - EXIT
echo "== the tests that need neither Docker nor a network (they ran beside the others)"
cat "$log"
if [ "$integration" -ne 0 ] || [ "$units" -ne 0 ]; then
    echo "make test: failed (integration tests: exit $integration, unit tests: exit $units)"
    exit 1
fi
