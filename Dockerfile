# Rebuilder in an image. Nothing here names a registry or an index, and building it needs no network:
# the base is a build argument (Debian or alike, with python3 and python3-venv, ca-certificates, apt, gpgv),
# the wheels lie in the build context, each locked by sha256. `make image` brings both.
ARG BASE

FROM ${BASE} AS install
COPY requirements/run.txt /install/run.txt
COPY .rebuilder/wheelhouse /install/wheels
# The build backend and what only it needs are in the lock because a checkout is installed with it; they go again.
RUN python3 -m venv --symlinks /opt/rebuilder \
 && /opt/rebuilder/bin/python -m pip install --no-cache-dir --no-index --find-links /install/wheels \
      --require-hashes --only-binary :all: -r /install/run.txt \
 && /opt/rebuilder/bin/python -m pip install --no-cache-dir --no-index --no-deps /install/wheels/rebuilder-*.whl \
 && /opt/rebuilder/bin/python -m pip uninstall --yes hatchling pathspec pluggy tomlkit trove-classifiers pip \
 && find /opt/rebuilder -name '*.pyc' -delete

FROM ${BASE}
COPY --from=install /opt/rebuilder /opt/rebuilder
# The user is not root and in no group that may do more: the socket's group is given at run time (--group-add).
RUN echo 'rebuilder:x:1000:1000:rebuilder:/var/lib/rebuilder:/usr/sbin/nologin' >> /etc/passwd \
 && echo 'rebuilder:x:1000:' >> /etc/group \
 && install -d -o 1000 -g 1000 -m 0700 /var/lib/rebuilder \
 && ln -s /opt/rebuilder/bin/rebuilder /usr/local/bin/rebuilder
ENV HOME=/var/lib/rebuilder \
    REBUILDER_STATE=/var/lib/rebuilder/state \
    PYTHONDONTWRITEBYTECODE=1 \
    LC_ALL=C.UTF-8
USER 1000:1000
WORKDIR /var/lib/rebuilder
VOLUME /var/lib/rebuilder
ENTRYPOINT ["rebuilder"]
CMD ["--help"]
