# A wheel, made by pip and the backend of the package. BACKEND: which set of backends.
export PYTHONPATH="/in/backends/$BACKEND"
python3 -m pip wheel -q --no-index --no-deps --no-build-isolation --no-cache-dir --disable-pip-version-check -w "$OUT" .
