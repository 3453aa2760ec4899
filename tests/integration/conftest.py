"""Fixtures of the integration tests: real engines, archives and servers."""

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
