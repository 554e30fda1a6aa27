"""The console in memory, with people who are known and requests that wait for them."""

import pytest

from tests.visits import CARL, EVERYONE, Visit, keep, waiting


@pytest.fixture
async def asked(sim):
    """A request of Alice that waits for two payments-leads."""
    record = waiting(sim.clock.now())
    await keep(sim.worker, *EVERYONE, record)
    return record


@pytest.fixture
def visit(sim):
    """Let somebody sign in, in a browser of their own."""

    async def visit(person, **more) -> Visit:
        return await Visit(sim.worker, sim.http, person).sign_in(**more)

    return visit


@pytest.fixture
async def carl(visit, asked):
    return await visit(CARL)
