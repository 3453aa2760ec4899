"""Named instants at which a test can kill the process, as a power cut would."""

from __future__ import annotations

import os
import signal


def failpoint(name: str) -> None:
    """Kill this process if a test asked for it at this point (``REBUILDER_FAILPOINT``)."""
    if os.environ.get("REBUILDER_FAILPOINT") == name:
        os.kill(os.getpid(), signal.SIGKILL)
