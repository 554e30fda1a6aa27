"""People at the door of a simulated server."""

import pytest

from tests.signing_in import people_scene


@pytest.fixture
async def scene(tmp_path):
    async with people_scene(tmp_path) as running:
        yield running
