#!/bin/sh
set -eu
scratch=${TMPDIR:-/tmp}/scratch
mkdir -p out "$scratch"
cp template.in "$scratch/template"
sed "s,@WORK@,$scratch," "$scratch/template" > out/template.conf
rm -r "$scratch"
