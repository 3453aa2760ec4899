#!/bin/sh
# Bring what Rebuilder needs: Debian packages by name, a virtual environment from the hash-locked requirements,
# and a Docker engine if none answers. `make setup`, `make demo`; with --tests also what the tests need.
#
# Safe to run again: what is there is left alone, and a second run changes nothing. Exit 3: something is missing
# and can't be brought from here; the last lines say what and how.
set -eu
cd "$(dirname "$0")/.."

STATE=.rebuilder
LOG=$STATE/setup.log
ENGINE_LOG=$STATE/dockerd.log
ENGINE_WAIT=60

# package | who needs it | why | the command that proves it is there (a function of this script, or a program)
needs() {
    cat <<'TABLE'
python3-venv|run|Python 3.11 or newer, with its virtual environments|find_python
ca-certificates|run|the certificates by which mirrors and package indexes are known|test -s /etc/ssl/certs/ca-certificates.crt
debootstrap|run|names a mirror of Debian on a host that is not Debian itself|names_a_mirror
git|test|clones into which tests run the tool|command -v git
openssl|run|checks our signatures with other people's code|command -v openssl
gpgv|test|checks publishers' signatures a second time|command -v gpgv
gnupg|test|signs the local archive that tests serve|command -v gpg
openssh-client|test|signs commits as ssh-keygen does, for tests to hold ours against|command -v ssh-keygen
dpkg-dev|test|makes the packages of that archive|command -v dpkg-scanpackages
mmdebstrap|test|makes the base of the image, and the base line of the benchmarks|command -v mmdebstrap
uidmap|test|lets mmdebstrap work for a user who is not root|is_root || command -v newuidmap
debian-archive-keyring|test|lets mmdebstrap know Debian's archive|test -s /usr/share/keyrings/debian-archive-keyring.gpg
chromium|test|opens the pages|find_browser
gcc|test|compiles the programs whose differences are to be found|command -v gcc
libc6-dev|test|headers and start files for them|test -e /usr/include/stdio.h
binutils|test|ar and readelf, to hold our readers against|command -v readelf
xz-utils|test|packs archives for the readers|command -v xz
bzip2|test|packs archives for the readers|command -v bzip2
zstd|test|packs archives for the readers|command -v zstd
zip|test|packs archives for the readers|command -v zip
TABLE
}

say() { printf 'setup: %s\n' "$*"; }

fail() { # each argument is a line
    printf 'setup: %s\n' "$@" >&2
    exit 3
}

is_root() { [ "$(id -u)" -eq 0 ]; }

system() { # a field of os-release, empty where there is none
    sed -n "s/^$1=//p" /etc/os-release 2>/dev/null | tr -d '"'
}

fits() { "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
    for name in "${PYTHON:-}" python3 /usr/bin/python3 python3.14 python3.13 python3.12 python3.11; do
        if [ -n "$name" ] && command -v "$name" >/dev/null && fits "$name"; then
            command -v "$name"
            return 0
        fi
    done
    return 1
}

find_browser() { command -v chromium || command -v chromium-browser; }

names_a_mirror() {
    [ "$(system ID)" = debian ] || [ -e /usr/share/debootstrap/scripts/sid ] || grep -q '^\[archives\]' rebuilder.toml
}

missing() { # names on stdout, reasons on stderr
    needs | while IFS='|' read -r package scope why proof; do
        [ "$scope" = run ] || [ "$tests" = yes ] || continue
        if ! eval "$proof" >/dev/null 2>&1; then
            # There it is called otherwise (and comes as a snap).
            [ "$package $(system ID)" != "chromium ubuntu" ] || package=chromium-browser
            say "needs $package: $why" >&2
            echo "$package"
        fi
    done
}

require_root() { # the command it is for; asks for the password here, where the question can be seen
    is_root && return 0
    command -v sudo >/dev/null || fail "this needs root, you are $(id -un), and there is no sudo. As root, run:" "    $*"
    if [ -t 0 ]; then
        sudo -v || fail "sudo does not let $(id -un) become root. As root, run:" "    $*"
    else
        sudo -n true || fail "sudo can't ask for a password here. From a terminal, run:" "    sudo $*"
    fi
}

as_root() { if is_root; then "$@"; else sudo "$@"; fi; }

apt() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o DPkg::Lock::Timeout=120 "$@" >>"$LOG" 2>&1 </dev/null
}

install() {
    [ $# -gt 0 ] || return 0
    command -v apt-get >/dev/null || fail \
        "this host ($(system PRETTY_NAME)) has no apt-get, so nothing can be brought from here." \
        "Install with its own package manager what Debian calls: $*" \
        "(needed are Python >= 3.11 with venv, a running Docker engine, and for tests the rest), then run this again."
    require_root "apt-get install --no-install-recommends $*"
    say "installing with apt-get: $* (log: $LOG)"
    apt install --no-install-recommends "$@" && return 0
    say "apt-get could not; bringing its package lists up to date first"
    apt update || say "apt-get update failed, trying with the lists at hand"
    apt install --no-install-recommends "$@" && return 0
    tail -n 15 "$LOG" >&2
    fail "apt-get could not install: $*. Its last lines are above, all of them in $LOG." \
        "Check the host's apt sources and network, then run this again."
}

ensure_packages() {
    names=$(missing)
    # shellcheck disable=SC2086 # one word a package
    install $names
    find_python >/dev/null && return 0
    # Older releases carry a newer Python beside their own.
    for version in 3.13 3.12 3.11; do
        if apt-cache show "python$version-venv" >/dev/null 2>&1; then
            install "python$version" "python$version-venv"
            find_python >/dev/null && return 0
        fi
    done
    fail "expected Python 3.11 or newer with its venv module; $(system PRETTY_NAME) offers none." \
        "Install one, then run:  PYTHON=/path/to/python3 make setup"
}

stamp() { # what the installed set follows from
    { cat "requirements/$1.txt" pyproject.toml && pwd; } | sha256sum
}

is_installed() { [ -x .venv/bin/python ] && [ "$(cat ".venv/$1.stamp" 2>/dev/null)" = "$(stamp "$1")" ]; }

ensure_environment() {
    set_name='run'
    [ "$tests" = no ] || set_name='test'
    is_installed "$set_name" && return 0
    # What tests need holds all that a run needs.
    if [ "$set_name" = run ] && is_installed test; then return 0; fi
    python=$(find_python)
    if ! fits .venv/bin/python; then
        say "making .venv with $("$python" --version)"
        "$python" -m venv --clear .venv
    fi
    say "installing into .venv from requirements/$set_name.txt, each file by its sha256"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: \
        -r "requirements/$set_name.txt" >>"$LOG" 2>&1 || pip_failed
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-index --no-deps --no-build-isolation \
        -e . >>"$LOG" 2>&1 || pip_failed
    stamp "$set_name" >".venv/$set_name.stamp"
}

pip_failed() {
    tail -n 15 "$LOG" >&2
    fail "pip could not install the locked requirements. Its last lines are above, all of them in $LOG." \
        "The index, proxy and certificates are those of this host's pip configuration:  python3 -m pip config list"
}

engine() { .venv/bin/python scripts/engine_answers.py; }

engine_comes() { # within so many seconds
    seconds=$1
    while [ "$seconds" -gt 0 ]; do
        case $(engine) in ready | denied) return 0 ;; esac
        seconds=$((seconds - 1))
        sleep 1
    done
    return 1
}

prepare_engine() {
    if ! command -v dockerd >/dev/null && [ ! -x /usr/sbin/dockerd ]; then
        say "needs docker.io: runs each build in a sealed container, and no Docker engine answers"
        extra=
        # The engine loads a profile into a kernel that has AppArmor, and mounts no control groups of its own.
        [ "$(cat /sys/module/apparmor/parameters/enabled 2>/dev/null)" != Y ] || extra=apparmor
        grep -q ' cgroup2\{0,1\} ' /proc/mounts || extra="$extra cgroupfs-mount"
        # shellcheck disable=SC2086 # one word a package
        install docker.io $extra
    fi
    if ! grep -q ' cgroup2\{0,1\} ' /proc/mounts && command -v cgroupfs-mount >/dev/null; then as_root cgroupfs-mount; fi
}

start_by_service_manager() {
    if [ -d /run/systemd/system ]; then
        as_root systemctl start docker >>"$LOG" 2>&1 9>&- || return 1
        stop="systemctl stop docker"
    elif [ -x /etc/init.d/docker ]; then
        as_root service docker start >>"$LOG" 2>&1 </dev/null 9>&- || return 1
        stop="service docker stop"
    else
        return 1
    fi
    engine_comes 20
}

start_in_background() {
    say "the service manager did not start it; starting dockerd in the background (log: $ENGINE_LOG)"
    # shellcheck disable=SC2016 # expanded by that shell
    as_root sh -c 'PATH=$PATH:/usr/sbin:/sbin; exec setsid dockerd >>"$1" 2>&1 </dev/null 9>&- &' sh "$PWD/$ENGINE_LOG"
    # shellcheck disable=SC2016 # for the person to run
    stop='kill "$(cat /var/run/docker.pid)"'
    engine_comes "$ENGINE_WAIT"
}

denied() {
    me=$(id -un)
    # shellcheck disable=SC2016
    fail "a Docker engine runs, but $me may not use its socket. Members of the group docker may (that equals root" \
        "on this host, so it is yours to decide). To allow it and go on without a new login:" \
        "    sudo usermod -aG docker $me && sg docker -c 'make demo'"
}

ensure_engine() {
    case $(engine) in
        ready) return 0 ;;
        denied) denied ;;
    esac
    [ -z "${DOCKER_HOST:-}" ] || fail "expected a Docker engine at DOCKER_HOST=$DOCKER_HOST, none answers there." \
        "Start that one, or unset DOCKER_HOST to have one started on this host."
    require_root "scripts/setup.sh"
    prepare_engine
    if ! start_by_service_manager && ! start_in_background; then
        tail -n 15 "$ENGINE_LOG" >&2
        fail "no Docker engine answered within $ENGINE_WAIT s. Its last lines are above, all of them in $ENGINE_LOG." \
            "In a container, the engine needs one that may make containers; else set DOCKER_HOST to an engine elsewhere."
    fi
    say "started a Docker engine; stop it with:  $(is_root || echo 'sudo ')$stop"
    [ "$(engine)" = ready ] || denied
}

tests=no
case "${1:-}" in
    "") ;;
    --tests) tests=yes ;;
    *)
        echo "usage: scripts/setup.sh [--tests]" >&2
        exit 2
        ;;
esac
mkdir -p "$STATE"
# Two at once would both install; the second waits. An engine we start must not keep the lock (9>&-).
if command -v flock >/dev/null; then
    exec 9>"$STATE/setup.lock"
    flock 9
fi
ensure_packages
ensure_environment
ensure_engine
say "all is there"
