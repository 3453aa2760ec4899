# A zip archive of the tree, in the order in which its folders list the files. ZIP: options; TREE: the part of it.
cd "${TREE:-.}"
find . -exec touch -d @1600000000 {} +
find . -mindepth 1 | zip -q ${ZIP:-} -@ "$OUT/tree.zip"
