"""Scenes and guarded APIs to attack."""

import pytest

from tests.attacks.scene import Scene, make_api
from tests.stores.conftest import cluster  # noqa: F401 -- a PostgreSQL server of our own


@pytest.fixture
def scene(sim, log):
    return Scene(sim, log)


@pytest.fixture
async def api(sim):
    """A guarded payments API, of which the simulated server is the issuer."""
    made = make_api(sim)
    yield made
    await made.aclose()
