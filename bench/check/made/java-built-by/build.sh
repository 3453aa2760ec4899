#!/bin/sh
set -eu
mkdir -p out classes
javac -d classes src/Hello.java
printf 'Built-By: %s\n' "$(id -un)" > manifest
jar --create --file out/hello.jar --date="$(date -u -d "@${SOURCE_DATE_EPOCH:-1700000000}" +%Y-%m-%dT%H:%M:%SZ)" \
    --manifest manifest --main-class Hello -C classes Hello.class
