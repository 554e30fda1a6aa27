"""What the caller of an access request is told of it."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from fleeting.core.access_requests import Plan, Remark, RemarkKind, Review, Total
from fleeting.core.collecting import is_waiting
from fleeting.core.errors import AccessDenied, ExpiredToken, InvalidGrant
from fleeting.core.lifecycle import Status
from fleeting.core.request_status import status_json
from tests.approving import NOW, minutes, pending

PLAN = Plan(
    3,
    timedelta(hours=2),
    (Total("payment_refund", "amount", 500), Total("payout", "amount", Decimal("9.50"))),
)


def test_of_a_plan_it_is_told_what_is_left():
    made = pending()
    spent = {"payment_refund.amount": 200, "payout.amount": Decimal("1.25")}
    made = replace(made, offer=replace(made.offer, plan=PLAN), calls=1, spent=spent)
    told = status_json(made, NOW)
    assert told["plan"]["calls"] == 3
    left = {"payment_refund.amount": 300, "payout.amount": "8.25"}
    assert told["plan_left"] == {"calls": 2, "totals": left}
    made = replace(made, offer=replace(made.offer, plan=replace(PLAN, totals=())))
    assert status_json(made, NOW)["plan_left"] == {"calls": 2}


def test_it_is_told_how_long_and_why():
    made = replace(
        pending(),
        status=Status.GRANTED,
        not_after=NOW + minutes(2),
        review=Review("leads", NOW + minutes(9)),
        remarks=(
            Remark(RemarkKind.NARROWED, "lena", NOW, "less"),
            Remark(RemarkKind.QUESTION, "lena", NOW, "why?"),
        ),
    )
    told = status_json(made, NOW)
    assert told["expires_in"] == 120
    assert told["review_due"] == (NOW + minutes(9)).isoformat()
    assert [each["text"] for each in told["questions"]] == ["why?"]
    assert "lena" not in str(told)
    over = status_json(replace(made, status=Status.DENIED, reason="no"), NOW)
    assert "expires_in" not in over
    assert over["reason"] == "no"


@pytest.mark.parametrize(
    ("status", "reason", "error", "told"),
    [
        (Status.DENIED, "", AccessDenied, "denied"),
        (Status.DENIED, "no", AccessDenied, "no"),
        (Status.CANCELLED, "", AccessDenied, "taken back"),
        (Status.EXPIRED, "", ExpiredToken, "in time"),
        (Status.REVOKED, "stolen", InvalidGrant, "revoked: stolen"),
        (Status.ENDED, "", InvalidGrant, "is ended"),
        (Status.RETURNED, "", InvalidGrant, "is returned"),
    ],
)
def test_where_nothing_comes_of_it_the_caller_is_told_why(status, reason, error, told):
    with pytest.raises(error, match=told):
        is_waiting(replace(pending(), status=status, reason=reason))
