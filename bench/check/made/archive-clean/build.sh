#!/bin/sh
set -eu
export LC_ALL=C TZ=UTC
mkdir -p out
tar --format=gnu --sort=name --mtime="@${SOURCE_DATE_EPOCH:-0}" --owner=0 --group=0 --numeric-owner \
    --mode=go=rX,u+rw,a-s -cf - notes | gzip -9n > out/notes.tar.gz
find notes -type f | sort > out/files.txt
date -d "@${SOURCE_DATE_EPOCH:-0}" > out/released.txt
