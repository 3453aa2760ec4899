# A release tarball of the tree. TAR, TARX: options of tar; PACK: a filter; PACKFILE: a program that packs a named file.
name=/build/${TARNAME:-tree.tar}
tar $TAR ${TARX:-} -cf "$name" -C "$FOLDER" .
if [ -n "${PACKFILE:-}" ]; then
    unset LD_PRELOAD
    touch -d "$CLOCK" "$name"
    $PACKFILE "$name"
    mv "$name.gz" "$OUT/tree.tar.gz"
else
    case $PACK in xz*) end=xz ;; *) end=gz ;; esac
    eval "$PACK" < "$name" > "$OUT/tree.tar.$end"
fi
