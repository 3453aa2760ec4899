# The text, with one fact in it.
echo "Welcome. This page is made when the package is built."
echo
case $1 in
    host) echo "Build host: $(hostname 2>/dev/null || uname -n)" ;;
    user) echo "Maintained-By: $(whoami)" ;;
    home) echo "cache = $HOME/.cache/motd" ;;
    variable) env | grep '^BUILD_FLAVOUR=' ;;
    options) echo "PATH=$PATH" ;;
    cpus) echo "threads: $(nproc)" ;;
    kernel) uname -sr ;;
    zone) echo "Released: $(date -R -d @1600000000)" ;;
    stamp) echo "Last updated: $(date -R)" ;;
    path) printf 'prefix=%s/install\nlibdir=${prefix}/lib\n' "$PWD" ;;
    random) echo "temporary folder was $(mktemp -d /tmp/motd.XXXXXXXX)" ;;
    collation) printf '%s\n' zebra Anna åska vatten wall örn ängel | sort ;;
    hash) python3 -c 'for name in {"north", "south", "east", "west", "up", "down", "left"}: print("-", name)' ;;
    describe)
        git init -q . && git add -A && git -c user.name=x -c user.email=x@example.invalid commit -q -m one && git tag v0.9
        git -c user.name=x -c user.email=x@example.invalid commit -q --allow-empty -m two
        echo "version: $(git describe --tags --abbrev="$ABBREV")" ;;
    *) echo "Nothing of the build." ;;
esac
