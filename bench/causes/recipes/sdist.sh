# A source distribution, made by `build` and the backend of the package.
export PYTHONPATH="/in/backends/$BACKEND"
python3 -m build --sdist --no-isolation --skip-dependency-check -o "$OUT" . >/dev/null
