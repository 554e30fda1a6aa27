import os
from datetime import UTC, datetime, timedelta

from fleeting.server.world import StrangersBudget, SystemClock, SystemIds, new_id

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_the_machines_clock_is_aware_and_utc():
    assert SystemClock().now().tzinfo is UTC


def test_ids_are_long_and_url_safe():
    ids = {SystemIds().new_id() for _ in range(100)}
    assert len(ids) == 100
    assert all(len(each) == 32 and each.replace("-", "").replace("_", "").isalnum() for each in ids)


def allowed(budget, now, tries):
    return sum(budget.allows(now) for _ in range(tries))


def test_strangers_have_a_burst_and_then_a_rate():
    budget = StrangersBudget()
    assert allowed(budget, NOW, 300) == 200
    assert allowed(budget, NOW + timedelta(seconds=2), 300) == 40
    assert allowed(budget, NOW + timedelta(hours=1), 300) == 200


def test_a_clock_that_goes_back_gives_nothing_and_takes_nothing():
    budget = StrangersBudget()
    allowed(budget, NOW, 150)
    assert allowed(budget, NOW - timedelta(hours=1), 300) == 50


def test_no_entropy_is_given_out_twice():
    ids = [new_id() for _ in range(2000)]
    assert len({each[8:] for each in ids}) == len(ids)


def test_a_forked_process_draws_entropy_of_its_own():
    new_id()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, new_id().encode())
        os._exit(0)
    mine = new_id()
    os.waitpid(child, 0)
    assert os.read(reader, 100).decode()[8:] != mine[8:]
