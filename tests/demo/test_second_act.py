"""The second act where somebody watches, and decides otherwise than the demo's own people."""

import os
import re
import sys
from contextlib import ExitStack
from dataclasses import replace
from threading import Thread

import pytest

from fleeting.demo.second_act import SecondAct
from fleeting.demo.steps import Found
from fleeting.demo.watching import Audience
from tests.demo.conftest import paper

REASON = "not without an invoice"


@pytest.fixture
def keyboard(monkeypatch):
    """What somebody types at."""
    theirs, ours = os.pipe()
    with os.fdopen(theirs) as stdin, os.fdopen(ours, "w") as typed:
        monkeypatch.setattr(sys, "stdin", stdin)
        yield typed


@pytest.fixture
def watched(stage, people, keyboard):
    """Play until people must decide, let somebody decide, and return the act and what it said."""

    def watched(decide, patience_seconds=60.0):
        screen, written = paper()
        scene = replace(stage, screen=screen)
        act = SecondAct(people, Audience(watches=True, patience_seconds=patience_seconds), calls)
        act.refunds = [(each.payment_id, each.amount) for each in stage.payments.refunds()]
        waits, _, approved, *_, explained, _ = (step.play for step in act.steps())
        waits(scene, Found())
        watcher = Thread(target=decide, args=(people, act.id, keyboard))
        watcher.start()
        approved(scene, Found())
        watcher.join()
        explained(scene, Found())
        return act, written.getvalue()

    with ExitStack() as calls:
        yield watched


def approves(people, id_, _keyboard):
    people.ben.approve(id_)
    people.ada.approve(id_)


def denies(people, id_, _keyboard):
    people.ada.do(id_, "deny", reason=REASON)


def cancels(people, id_, _keyboard):
    people.owner.do(id_, "cancel", reason=REASON)


def approves_half(people, id_, keyboard):
    people.ben.approve(id_)
    keyboard.write("\n")
    keyboard.flush()


def does_nothing(_people, _id, _keyboard):
    pass


def test_who_approves_it_as_it_is_gets_the_token_that_was_asked_for(watched):
    act, said = watched(approves)
    assert act.refunds[-1] == ("44", 60_000)
    assert "600.01 is refused, 600.00 is refunded" in said
    assert "Ben (ben) approves as one of payments-leads" in said
    assert "step in" not in said


@pytest.mark.parametrize("decide", [denies, cancels])
def test_who_turns_it_down_ends_it_and_the_bot_reads_why(stage, watched, decide):
    before = stage.payments.refunds()
    _, said = watched(decide)
    assert stage.payments.refunds() == before
    assert f"access_denied: {REASON}" in said
    assert "you said no: the bot reads why, and nothing was refunded" in said


def test_enter_lets_the_others_do_what_is_missing_and_no_more(watched):
    act, said = watched(approves_half)
    assert act.refunds[-1] == ("44", 60_000)
    assert re.findall(r"→ (\w+) +POST /api/requests/\S+/(\w+)", said) == [("Ada", "approve")]


def test_links_are_printed_and_after_a_while_the_demos_own_people_decide(watched):
    act, said = watched(does_nothing, patience_seconds=0.1)
    assert act.refunds[-1] == ("44", 45_000)
    assert "Ada and Ben step in." in said
    assert len(re.findall(r"^http://\S+/enrol/\S+$", said, re.MULTILINE)) == 3
    assert f"/requests/{act.id}\n" in said
    assert f"fleeting approve {act.id}\n" in said
