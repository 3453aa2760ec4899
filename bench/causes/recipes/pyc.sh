# Compiled Python, in a tarball that is otherwise the same every time. TREE: file or folder that is compiled.
python3 -m compileall -q "$PWD/$TREE"
find . -name '*.pyc' | LC_ALL=C sort > /build/list
tar --mtime=@1700000000 --owner=0 --group=0 --numeric-owner -cf "$OUT/compiled.tar" -T /build/list
