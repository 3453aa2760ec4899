#!/bin/sh
# A release gate: check, then tag, then build, then verify what was built. Whatever fails leaves no tag behind.
#
#   release.sh TAG FOLDER COMMAND...      e.g.  release.sh v1.0 dist python3 -m build
#
# COMMAND builds the release into FOLDER. It is told SOURCE_DATE_EPOCH, the time of the commit, as the check is; one that
# is set already stays, for a project whose settings name another. The tag is signed and stays here: pushing and publishing are yours to do, after
# this has ended with 0. The exit code is that of the step that failed.
set -eu

say() { printf 'release: %s\n' "$@" >&2; }

usage() { # what is wrong, what to do next
    say "$1" "  next: $2"
    exit 2
}

[ $# -ge 3 ] || usage "expected TAG FOLDER COMMAND..., found $# words" "release.sh v1.0 dist python3 -m build"
tag=$1 folder=$2
shift 2

here=$(dirname "$(readlink -f "$0")")
root=$(git rev-parse --show-toplevel)
cd "$root"
git check-ref-format "refs/tags/$tag" || usage "expected a name for a tag, found '$tag'" "see 'git help check-ref-format'"
case $tag in -*) usage "expected a name for a tag, found the option '$tag'" "name the tag first" ;; esac
if git rev-parse --quiet --verify "refs/tags/$tag" >/dev/null; then
    usage "expected a new tag, found that $tag is there already" "choose another name"
fi
[ -z "$(git status --porcelain)" ] || usage "expected a work tree without changes, found some (git status)" "commit them"
# A file of an earlier build would be taken for one of this release.
if [ -d "$folder" ] && [ -n "$(ls -A -- "$folder")" ]; then
    usage "expected $folder to be empty or not there, found files in it" "remove them"
fi

commit=$(git rev-parse --verify HEAD)
program=${REBUILDER:-$here/../../.venv/bin/rebuilder}
reports=$(git rev-parse --absolute-git-dir)/rebuilder-check/$commit

say "1/4 checking $commit"
REBUILDER=$program REBUILDER_DIRECTORY=$root REBUILDER_COMMIT=$commit REBUILDER_OUTPUT=$reports REBUILDER_FAIL_ON=any \
    "$here/../check.sh" || {
    code=$?
    say "no tag: the check ended with $code. Report: $reports"
    exit "$code"
}

say "2/4 signing the tag $tag"
git tag -s -m "$tag" "$tag" "$commit"
trap 'exit 130' HUP INT TERM
# shellcheck disable=SC2154 # set in the trap itself
trap 'code=$?; [ "$code" -eq 0 ] || { git tag -d "$tag" >/dev/null && say "the tag $tag was taken back"; }; exit "$code"' EXIT

SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --no-show-signature --format=%ct "$commit")}
export SOURCE_DATE_EPOCH
say "3/4 building with SOURCE_DATE_EPOCH=$SOURCE_DATE_EPOCH: $*"
"$@"

say "4/4 verifying what is in $folder"
set --
for file in "$folder"/*; do
    [ ! -f "$file" ] || set -- "$@" --artifact="$file"
done
[ $# -gt 0 ] || usage "expected files in $folder after the build, found none" "name the folder that the command builds into"
"$program" verify --source=. --no-sign "$@"
say "$tag is reproducible. Now:  git push origin refs/tags/$tag"
