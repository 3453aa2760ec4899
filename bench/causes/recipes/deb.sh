# A Debian package, made by dpkg-buildpackage and debhelper.
export DEB_BUILD_OPTIONS="${DEB_BUILD_OPTIONS:-} noautodbgsym nocheck"
dpkg-buildpackage -b -us -uc -d -rfakeroot >/build/log 2>&1 || { tail -n 20 /build/log >&2; exit 1; }
mv "$(ls ../*.deb | head -n 1)" "$OUT/"
