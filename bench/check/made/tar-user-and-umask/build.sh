#!/bin/sh
set -eu
mkdir -p out
tar --format=gnu --sort=name --mtime="@${SOURCE_DATE_EPOCH:-0}" -cf out/recipes.tar recipes
