"""Fixtures of the integration tests: real engines, archives and servers."""

import signal

from tests.integration.archive_fixtures import (  # noqa: F401 - fixtures are used by name
    archives,
    changed_archives,
    changed_world,
    cold_state,
    make_world,
    real,
    shared_state,
    warm_state,
    world,
)
from tests.integration.base_root import base_root, base_tar, engine  # noqa: F401 - fixtures are used by name
from tests.integration.package_releases import market  # noqa: F401 - a fixture is used by name

# A shell starts what it puts into the background with one of these ignored, `nohup` does so with the other, and what
# tests start inherits that: then none could be interrupted.
for _number, _usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _usual)
