# Writes one fact as a header. `collation` and `hash` give lists, all others one string.
one() { printf '#define FACT "%s"\n' "$1"; }
case $1 in
    host) one "built on $(uname -n) by make" ;;
    user) one "packaged by $(id -un)" ;;
    home) one "defaults from $HOME/.aboutrc" ;;
    variable) one "flavour=${BUILD_FLAVOUR:-release};" ;;
    options) one "search $PATH" ;;
    cpus) one "tuned for $(nproc) workers" ;;
    jobs) one "make flags: $MAKEFLAGS" ;;
    kernel) one "$(uname -s) $(uname -r)" ;;
    zone) one "released $(date -d @1600000000 '+%Y-%m-%d %H:%M:%S')" ;;
    stamp) one "compiled $(date '+%Y-%m-%d %H:%M:%S')" ;;
    path) one "$PWD/share/about" ;;
    random) one "build $(python3 -c 'import uuid; print(uuid.uuid4())')" ;;
    collation) one "$(printf '%s\n' zulu Alpha test tango ubuntu sierra Zebra zoo | sort | tr '\n' ' ')" ;;
    hash) one "$(python3 -c 'print(" ".join({"bmp", "gif", "jpeg", "png", "tiff", "webp", "svg", "ico"}))')" ;;
    describe)
        git init -q . 2>/dev/null
        printf 'facts.h\n' > .gitignore
        git add -A && git -c user.name=x -c user.email=x@example.invalid commit -q -m one && git tag v2.1
        git -c user.name=x -c user.email=x@example.invalid commit -q --allow-empty -m two
        [ -z "$DIRTY" ] || echo >> about.c
        one "version $(git describe --tags --dirty)" ;;
    *) one "nothing of the build" ;;
esac
