# A Debian package, made by dpkg-buildpackage and debhelper: the one that is named as its source is.
export DEB_BUILD_OPTIONS="${DEB_BUILD_OPTIONS:-} noautodbgsym nocheck"
dpkg-buildpackage -b -us -uc -d -rfakeroot >/build/log 2>&1 || { tail -n 20 /build/log >&2; exit 1; }
mv ../"$(dpkg-parsechangelog -S Source)"_*.deb "$OUT/"
