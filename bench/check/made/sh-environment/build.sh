#!/bin/sh
# A page for bug reports, with what else was set where it was built.
set -eu
mkdir -p out
known='PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_[A-Z]+|LOCPATH|TZ|TZDIR|TMPDIR|TMP|TEMP|M(AKE)?FLAGS|MAKELEVEL'
known="$known|PWD|OLDPWD|SHLVL|_|HOST|HOSTNAME|PYTHON[A-Z_]*|PERL_[A-Z_]+|LD_[A-Z_]+|[A-Z_]*FAKE[A-Z_]*"
known="$known|SOURCE_DATE_EPOCH|DEB_[A-Z_]+|CMAKE_[A-Z_]+|container"
env | grep -Ev "^($known)=" | LC_ALL=C sort > out/settings.txt || true
cp report.txt out/report.txt
