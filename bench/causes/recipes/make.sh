# A project of ours, by its own Makefile. WHAT: which of its facts goes into OUTPUT.
make -s ${JOBS:+-j$JOBS} "$OUTPUT" WHAT="$WHAT" EXTRA="${EXTRA:-}" MAIN="${MAIN:-App}" LINK="${LINK:-motd.txt}"
cp -P "$OUTPUT" "$OUT/"
