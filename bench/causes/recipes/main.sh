# Runs as the building user: unpacks the source, lays it out, goes into the recipe.
. /in/side/settings
OUT=/out/files
umask "${UMASK:-022}"
cd "$FOLDER"
for source in /in/source/*; do
    case $source in
        *.dsc) cd /; rmdir "$FOLDER"; dpkg-source --no-check -x "$source" "$FOLDER" >/dev/null; cd "$FOLDER" ;;
        *.tgz | */*[0-9].tar.gz) [ -n "$(ls /in/source/*.dsc 2>/dev/null)" ] || tar -xf "$source" --strip-components=1 --no-same-permissions --no-same-owner ;;
        */made) cp -R --preserve=mode "$source/." . ;;
    esac
done
if [ -n "${PATH_EXTRA:-}" ]; then PATH=$PATH:$PATH_EXTRA; fi
for name in CFLAGS LDFLAGS; do
    eval "value=\${$name:-}"
    if [ -n "$value" ]; then eval "$name=\"$value\"; export $name"; fi
done
export $EXPORTED
eval "${PREP:-}"
# The folder's files again, made in the order of their names or in the reverse of it: a tmpfs lists them so.
if [ "${LAYOUT:-}" ]; then
    mv "$FOLDER" "$FOLDER.0"; mkdir "$FOLDER"; cd "$FOLDER.0"
    find . -mindepth 1 | LC_ALL=C sort ${SHUFFLE:+-r} | cpio -pdm --quiet "$FOLDER"
    cd "$FOLDER"
fi
if [ -n "${CLOCK:-}" ]; then
    export FAKETIME="${CLOCK#@}" FAKETIME_FMT=%s LD_PRELOAD="$(ls /usr/lib/*/faketime/libfaketime.so.1)"
fi
. "/in/recipes/$RECIPE.sh"
