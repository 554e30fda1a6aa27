from datetime import timedelta

import pytest

from fleeting.server import shadowing
from fleeting.server.metrics import MULTIPROCESS_VARIABLE
from fleeting.server.shadowing import ShadowSet
from fleeting.usecases.rules import Rules
from tests.simulator import REFUND, granted


class Failing:
    """A candidate that cannot decide anything."""

    digest = "f" * 64

    def decide(self, request, *, now):
        raise RecursionError("too deep")


class Slow:
    """A candidate that takes its time."""

    digest = "f" * 64

    def __init__(self, bundle, moment):
        self.bundle, self.moment, self.asked = bundle, moment, 0

    def decide(self, request, *, now):
        self.asked += 1
        self.moment(0.02)
        return self.bundle.decide(request, now=now)


@pytest.fixture
def shadow(sim, monkeypatch):
    """Put a candidate beside the live set."""
    monkeypatch.delenv(MULTIPROCESS_VARIABLE, raising=False)

    def shadow(candidate):
        worker = sim.worker
        rules = worker.policy.rules()
        beside = ShadowSet(candidate, worker.metrics)
        worker.policy.swap(Rules(rules.installation, rules.policy, beside))

    return shadow


@pytest.fixture
def moment(monkeypatch):
    """A clock to wind."""
    at = [0.0]
    monkeypatch.setattr(shadowing, "perf_counter", lambda: at[0])

    def wind(seconds):
        at[0] += seconds

    return wind


async def counted(sim, outcome):
    text = (await sim.get("/metrics")).text
    lines = [line for line in text.splitlines() if f'decisions_total{{outcome="{outcome}"' in line]
    return float(lines[0].rpartition(" ")[2]) if lines else 0


async def test_a_candidate_that_fails_is_its_own_affair(sim, shadow, log, moment):
    moment(0)  # the clock stands still: on a busy machine, failing might seem slow
    shadow(Failing())
    for _ in range(3):
        granted(await sim.caller().ask(REFUND))
    assert await counted(sim, "error") == 3
    assert len([line for line in log if line["event"] == "the candidate cannot decide"]) == 1
    assert {entry.kind for entry in await sim.recorded()} == {"token.issued"}


async def test_a_candidate_that_is_slow_rests_most_of_the_time(sim, shadow, moment):
    slow = Slow(sim.worker.policy.bundle, moment)
    shadow(slow)
    for _ in range(5):
        granted(await sim.caller().ask(REFUND))
    assert slow.asked == 1
    assert (await counted(sim, "same"), await counted(sim, "rested")) == (1, 4)
    moment(timedelta(seconds=2).total_seconds())
    granted(await sim.caller().ask(REFUND))
    assert slow.asked == 2
