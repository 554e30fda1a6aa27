"""Requests in plain words: whatever callers wrote, it steers no terminal."""

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from fleeting.cli.narrowing import narrower_operations, plan_members
from fleeting.cli.requests_text import ahead, outcome_text, request_text, requests_table
from fleeting.core.access_requests import Offer
from fleeting.core.declaring import UNSAFE
from fleeting.core.people import SignedIn
from tests.visits import CARL, EVERYONE, ID, broken_glass, keep, planned, poisoned, refund, waiting

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
OFFER = Offer((refund(),), timedelta(minutes=5), 1)


def printed(what) -> str:
    screen = Console(file=io.StringIO(), width=200, highlight=False)
    screen.print(what)
    return screen.file.getvalue()


@pytest.fixture
def seen(sim):
    """Keep a request and return it as a list and as its own page show it."""

    async def seen(record):
        await keep(sim.worker, *EVERYONE, record)
        who, view = SignedIn(CARL, "", sim.clock.now()), sim.worker.console.view
        return await view.listed(who, "all"), await view.shown(who, record.id)

    return seen


async def test_no_text_of_others_steers_the_terminal(seen):
    listed, shown = await seen(poisoned(NOW))
    for what in (requests_table(listed, "all"), request_text(shown), outcome_text(shown, "done")):
        text = printed(what)
        assert not UNSAFE.search(text.replace("\n", ""))
        assert "Refund one payment" in text or "done" in text


async def test_a_break_glass_is_seen_at_once(seen):
    listed, shown = await seen(broken_glass(NOW, ID))
    assert "break-glass Refund one payment" in printed(requests_table(listed, "all"))
    assert "review" in printed(requests_table(listed, "all"))
    text = printed(request_text(shown))
    assert text.index("not checked") < text.index("the shop is down and nobody answers")


async def test_a_plan_says_how_many_and_how_much(seen):
    _, shown = await seen(planned(NOW, ID))
    assert "at most 10 tokens within 2h; payment_refund.amount at most 100000 in all" in printed(
        request_text(shown)
    )
    assert "issued so far" not in printed(request_text(shown))


async def test_a_plan_says_what_of_it_is_used_up(seen):
    used = replace(planned(NOW, ID), calls=2, spent={"payment_refund.amount": 700})
    _, shown = await seen(used)
    assert "2 issued so far; payment_refund.amount 700" in printed(request_text(shown))


async def test_more_time_says_for_what_and_that_it_lasts_longer(seen):
    earlier = "AaIXearlier"
    asked = replace(waiting(NOW, ID), extends=earlier)
    _, shown = await seen(asked)
    assert f"{earlier}: it lasts longer" in printed(request_text(shown))
    assert "is pending" in printed(outcome_text(shown, "approved"))
    told = printed(outcome_text({**shown, "status": "ended"}, "approved"))
    assert told.strip() == f"approved: {earlier} lasts longer"


@pytest.mark.parametrize(
    ("view", "said"), [("to-approve", "nothing waits for you"), ("all", "there are no requests")]
)
def test_an_empty_list_says_so(view, said):
    assert said in printed(requests_table([], view))
    assert "cut\\u001b off" not in printed(requests_table([], view, "cut\x1b off"))


@pytest.mark.parametrize(
    ("by", "words"),
    [
        (timedelta(seconds=30), "in 30s"),
        (timedelta(minutes=14), "in 14m"),
        (timedelta(hours=3), "in 3h"),
        (timedelta(days=-2), "2d ago"),
    ],
)
def test_a_distance_in_one_unit(by, words):
    assert ahead((NOW + by).isoformat(), NOW) == words


async def test_narrower_operations_have_the_types_of_those_that_stand(seen):
    _, shown = await seen(waiting(NOW))
    (less,) = narrower_operations(shown, {"amount": "5", "currency": "EUR"}, [1], ["refund"])
    assert (less["amount"], less["currency"], less["actions"]) == (5, ["EUR"], ["refund"])


def test_what_is_to_be_less_of_a_plan():
    assert plan_members(None, None, ()) == {}
    assert plan_members(2, "1h", ["payout.amount=1.50", "payment_refund.amount=5"]) == {
        "calls": 2,
        "duration": "1h",
        "totals": {"payout.amount": "1.50", "payment_refund.amount": 5},
    }


async def test_who_answers_for_it_and_what_was_asked_is_all_said_on_a_narrow_screen(seen):
    less = replace(OFFER, operations=(refund(amount=900),))
    _, shown = await seen(replace(waiting(NOW, ID, offer=OFFER), offer=less))
    told = {"answers_for_client": {"owner": ["olga"], "sponsor": [], "manager": ["mia"]}}
    policies = [{"id": "large", "description": "Two leads look at it", "reason": "ask"}]
    screen = Console(file=io.StringIO(), width=60, highlight=False)
    screen.print(request_text({**shown, **told, "policies": policies}))
    text = " ".join(screen.file.getvalue().split())
    assert 'as asked: Refund one payment (refund): payment_id "42", amount at most 20000' in text
    assert "owner olga" in text
    assert "sponsor" not in text
    assert "policy large: Two leads look at it: ask" in text
