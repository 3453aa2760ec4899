#!/bin/sh
set -eu
mkdir -p out
sort names.txt > out/index.txt
wc -l < names.txt > out/count.txt
