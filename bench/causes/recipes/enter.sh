# Runs as root in the container of one build: makes the user, then becomes it. /in is read-only, /out is collected.
set -eu
. /in/side/settings
if [ "${OWNER#*:}" != 0 ]; then
    echo "${OWNER%:*}:x:${OWNER#*:}:" >> /etc/group
    echo "${OWNER%:*}:x:${OWNER#*:}:${OWNER#*:}::$HOME:/bin/sh" >> /etc/passwd
fi
mkdir -p "$FOLDER" "$HOME" /out/files
chown -R "${OWNER#*:}:${OWNER#*:}" /build "$HOME" /out/files
status=0
set -- setpriv --reuid "${OWNER#*:}" --regid "${OWNER#*:}" --clear-groups sh -eu /in/recipes/main.sh
[ -z "${KERNEL26:-}" ] || set -- setarch --uname-2.6 "$@"
env -i PATH=/usr/local/bin:/usr/bin:/bin USER="${OWNER%:*}" LOGNAME="${OWNER%:*}" HOME="$HOME" "$@" || status=$?
chown -R "$COLLECTOR" /out
exit "$status"
