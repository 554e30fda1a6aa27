"""A bot's call that waits for people, in the background."""

import time

import httpx
import pytest

from fleeting.client import AccessDeniedError, Pending
from fleeting.demo.asking import asking
from fleeting.demo.expecting import StepFailedError
from fleeting.demo.narrating import error_of


def test_a_call_waits_until_it_is_denied_and_its_reason_is_an_outcome(stage, people):
    with asking(stage.patient_obtain("44", 60_000)) as asked:
        id_ = asked.pending().id
        assert error_of(asked.exchanges()[-1]) == "authorization_pending"
        assert not asked.ended(0)
        assert people.ben.do(id_, "deny", reason="not today").status == 200
        outcome = asked.outcome()
        assert isinstance(outcome, AccessDeniedError)
        assert outcome.reason == "not today"
        assert error_of(asked.exchanges()[-1]) == "access_denied"


def test_what_is_granted_at_once_waits_for_nobody(stage):
    with asking(stage.patient_obtain("43", 100)) as asked:
        with pytest.raises(StepFailedError, match="to wait for people"):
            asked.pending()
        assert asked.outcome().uses == 1


def test_a_refusal_is_raised_where_it_should_have_waited(stage):
    with (
        asking(stage.patient_obtain("44", 600_000)) as asked,
        pytest.raises(AccessDeniedError, match=r"more than 5000\.00"),
    ):
        asked.pending()


def test_a_fault_is_no_outcome():
    def call(_http, _on_pending):
        raise ZeroDivisionError

    with asking(call) as asked, pytest.raises(ZeroDivisionError):
        asked.outcome()


def test_the_end_is_seen_by_who_waits_for_it():
    def call(_http: httpx.Client, on_pending):
        on_pending(Pending("an-id", expires_at=None))
        time.sleep(0.1)
        return "done"

    with asking(call) as asked:
        assert asked.pending().id == "an-id"
        assert asked.ended(5)
        assert asked.outcome() == "done"
