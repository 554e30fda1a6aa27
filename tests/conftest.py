"""What every test may ask for: the whole system in memory, or as a real server."""

import os

import pytest
import structlog
from hypothesis import HealthCheck, settings

from tests.simulator import serve, simulator

# No test fails because a machine is busy: neither a deadline nor how quickly examples are made.
# In CI the examples are the same each time, so that a change alone decides; elsewhere, new ones.
settings.register_profile(
    "house",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=os.environ.get("CI") == "true",
)
settings.load_profile("house")


@pytest.fixture(autouse=True)
def log():
    """Collect the log: every line that a test caused, as a list of what was said."""
    with structlog.testing.capture_logs() as lines:
        yield lines


@pytest.fixture
async def sim(tmp_path):
    """A whole installation in memory, with a clock to wind."""
    async with simulator(tmp_path) as running:
        yield running


@pytest.fixture
async def sqlite_sim(tmp_path):
    """The same on a SQLite file."""
    async with simulator(tmp_path, database="sqlite:///fleeting.db") as running:
        yield running


@pytest.fixture
def served(tmp_path):
    """The same as a real server process on loopback."""
    with serve(tmp_path) as running:
        yield running
