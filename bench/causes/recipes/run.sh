# Anything else: RUN is the build.
eval "$RUN"
