# A library or program out of C files. FILES, INCLUDE, OUTPUT, KIND, CC; ABSOLUTE: files are named by full paths;
# LISTED: objects are linked as their folder lists them; DEBUGLINK: debug information is split off;
# STARTFILES: crt1.o and the like of an older libc6-dev.
CC=${CC:-gcc}
mkdir objects
base=
[ -z "${ABSOLUTE:-}" ] || base=$PWD/
[ "${KIND:-shared}" = program ] || CFLAGS="$CFLAGS -fPIC"
for file in $(ls $FILES | LC_ALL=C sort ${SHUFFLE:+-r}); do
    $CC ${CPPFLAGS:-} $CFLAGS -I"$INCLUDE" -c -o "objects/$(basename "$file" .c).o" "$base$file"
done
if [ -n "${LISTED:-}" ]; then objects=$(find objects -name '*.o'); else objects=$(ls objects/*.o | LC_ALL=C sort); fi
case ${KIND:-shared} in
    static)
        [ -z "${CLOCK:-}" ] || env -u LD_PRELOAD touch -d "$CLOCK" objects/*.o
        ar rcU "$OUT/$OUTPUT" $objects ;;
    program) $CC $CFLAGS ${STARTFILES:+-B/in/startfiles} ${LDFLAGS:-} -o "$OUT/$OUTPUT" $objects \
        ${STARTFILES:+/in/startfiles/libc_nonshared.a} ;;
    *) $CC $CFLAGS ${LDFLAGS:-} -shared -o "$OUT/$OUTPUT" $objects ;;
esac
if [ -n "${DEBUGLINK:-}" ]; then
    objcopy --only-keep-debug "$OUT/$OUTPUT" "$OUTPUT.debug"
    strip --strip-unneeded "$OUT/$OUTPUT"
    objcopy --add-gnu-debuglink="$OUTPUT.debug" "$OUT/$OUTPUT"
fi
[ -z "${POST:-}" ] || $POST "$OUT/$OUTPUT"
