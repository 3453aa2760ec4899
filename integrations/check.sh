#!/bin/sh
# Run `rebuilder check` for a pipeline: options from the environment, so that no value is ever part of a script's text.
# Called by the GitHub Action, the GitLab template, the pre-push hook and the release gate; by hand it works the same.
#
#   REBUILDER             the command; default: the one of this checkout, else `rebuilder` of PATH
#   REBUILDER_DIRECTORY   the project; default: the current folder
#   REBUILDER_VARIATIONS  such as all,-cpu; default: that of the command
#   REBUILDER_SEED        a number; default: one is drawn, and printed
#   REBUILDER_COMMIT      the commit to check; default: HEAD
#   REBUILDER_OUTPUT      folder of the report; default: rebuilder-check
#   REBUILDER_SARIF       file to write as SARIF; default: none
#   REBUILDER_JUNIT       file to write as JUnit; default: none
#   REBUILDER_FAIL_ON     any (default): whatever is not reproducible; not-reproducible: only differences that were seen;
#                         never: the verdict is told, not enforced
#
# The exit code is that of the check where it fails the pipeline, else 0. Wrong usage always fails.
set -eu

say() { printf 'rebuilder: %s\n' "$*" >&2; }

usage() { # what is wrong, what to do next
    printf 'rebuilder: %s\n  next: %s\n' "$1" "$2" >&2
    exit 2
}

find_program() {
    own=$(dirname "$(readlink -f "$0")")/../.venv/bin/rebuilder
    if [ -n "${REBUILDER:-}" ]; then
        printf '%s\n' "$REBUILDER"
    elif [ -x "$own" ]; then
        printf '%s\n' "$own"
    else
        command -v rebuilder
    fi
}

verdict_of() { # an exit code; the same words as in check.json, and three for when there is no verdict
    case $1 in
        0) echo reproducible ;;
        10) echo not-reproducible ;;
        12) echo flaky ;;
        13) echo build-failed ;;
        15) echo unavailable ;;
        3) echo fault-of-this-machine ;;
        *) echo no-verdict ;;
    esac
}

fails() { # does this exit code fail the pipeline?
    case $1 in
        0) return 1 ;;
        10 | 12) [ "$fail_on" != never ] ;;
        3 | 13 | 15) [ "$fail_on" = any ] ;;
        *) return 0 ;;
    esac
}

show() { # the answer, in the log. It names files of the project: a line of it must not be taken for a runner's command.
    if [ -n "${GITHUB_ACTIONS:-}" ]; then
        token=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
        printf '::stop-commands::%s\n' "$token"
        cat "$answer"
        printf '::%s::\n' "$token"
    else
        cat "$answer"
    fi
}

summarise() { # the answer, on the page of the run: as text, whatever the names in it look like
    [ -n "${GITHUB_STEP_SUMMARY:-}" ] || return 0
    {
        printf '### Rebuilder: %s\n\n<pre>\n' "$verdict"
        head -c 200000 "$answer" | sed -e 's/&/\&amp;/g' -e 's/</\&lt;/g' -e 's/>/\&gt;/g'
        printf '\n</pre>\n'
    } >>"$GITHUB_STEP_SUMMARY"
}

record() { # outputs of the step. A file is named only if it is there: a check that never began wrote none.
    [ -n "${GITHUB_OUTPUT:-}" ] || return 0
    printf 'verdict=%s\nexit-code=%s\n' "$verdict" "$code" >>"$GITHUB_OUTPUT"
    if [ -d "$output" ]; then printf 'report=%s\n' "$output" >>"$GITHUB_OUTPUT"; fi
    if [ -n "$sarif" ] && [ -s "$sarif" ]; then printf 'sarif=%s\n' "$sarif" >>"$GITHUB_OUTPUT"; fi
}

one_line() { # a variable's name and value: a second line would be another output of the step
    case $2 in
        *"
"*) usage "expected one line in $1, found several" "set it to one value" ;;
    esac
}

directory=${REBUILDER_DIRECTORY:-.}
output=${REBUILDER_OUTPUT:-rebuilder-check}
sarif=${REBUILDER_SARIF:-}
junit=${REBUILDER_JUNIT:-}
fail_on=${REBUILDER_FAIL_ON:-any}

one_line REBUILDER_OUTPUT "$output"
one_line REBUILDER_SARIF "$sarif"
case $fail_on in
    any | not-reproducible | never) ;;
    *) usage "expected any, not-reproducible or never in REBUILDER_FAIL_ON, found '$fail_on'" "set it to one of them" ;;
esac
[ -d "$directory" ] || usage "expected a folder in REBUILDER_DIRECTORY, found '$directory', which is none" \
    "name the project's folder, from the root of the repository"
program=$(find_program) || usage "expected Rebuilder in REBUILDER, in this checkout or on PATH, found it nowhere" \
    "run 'make setup' in the checkout of Rebuilder"

# A folder that begins with a dash is no option.
case $directory in -*) directory=./$directory ;; esac
set -- check "$directory" --output="$output"
[ -z "${REBUILDER_VARIATIONS:-}" ] || set -- "$@" --variations="$REBUILDER_VARIATIONS"
[ -z "${REBUILDER_SEED:-}" ] || set -- "$@" --seed="$REBUILDER_SEED"
[ -z "${REBUILDER_COMMIT:-}" ] || set -- "$@" --commit="$REBUILDER_COMMIT"
[ -z "$sarif" ] || set -- "$@" --sarif="$sarif"
[ -z "$junit" ] || set -- "$@" --junit="$junit"

answer=$(mktemp)
trap 'rm -f "$answer"' EXIT
code=0
"$program" "$@" >"$answer" </dev/null || code=$?
verdict=$(verdict_of "$code")
show
summarise
record
if fails "$code"; then
    say "$verdict: failing (exit code $code)"
    exit "$code"
fi
[ "$code" -eq 0 ] || say "$verdict (exit code $code): not failing, for REBUILDER_FAIL_ON is $fail_on"
