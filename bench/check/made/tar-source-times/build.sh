#!/bin/sh
set -eu
export LC_ALL=C
mkdir -p out
tar --format=gnu --sort=name --owner=0 --group=0 --numeric-owner --mode=go=rX,u+rw,a-s -cf out/manual.tar manual/*.txt
