"""The sample payments API behind its guard: on real HTTP, with the real issuer."""

import httpx
import pytest

from fleeting.client import ApprovalPending


def refund(stage, payment_id, **order):
    url = f"{stage.addresses.resource}/payments/{payment_id}/refunds"
    return stage.http.post(url, json=order, auth=stage.just_in_time())


def show(stage, payment_id, auth=None):
    url = f"{stage.addresses.resource}/payments/{payment_id}"
    return stage.http.get(url, auth=auth or httpx.USE_CLIENT_DEFAULT)


def test_anyone_may_ask_for_its_health(stage):
    answer = stage.http.get(f"{stage.addresses.resource}/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_a_refund_answers_with_what_was_refunded(stage):
    answer = refund(stage, "43", amount=100, currency="EUR")
    made = stage.payments.refunds()[-1]
    assert answer.status_code == 201
    assert answer.json() == {
        "id": made.id,
        "payment_id": "43",
        "amount": 100,
        "txn": made.txn,
    }


def test_more_than_is_left_is_a_conflict_and_refunds_nothing(stage):
    for _ in range(2):
        assert refund(stage, "42", amount=5000, currency="EUR").status_code == 201
    before = stage.payments.refunds()
    answer = refund(stage, "42", amount=5000, currency="EUR")
    assert (answer.status_code, stage.payments.refunds()) == (409, before)


@pytest.mark.parametrize("amount", [0, -5000])
def test_an_amount_that_would_take_money_instead_is_refused(stage, amount):
    before = stage.payments.refunds()
    answer = refund(stage, "43", amount=amount, currency="EUR")
    assert answer.status_code in (400, 422)
    assert stage.payments.refunds() == before


@pytest.mark.parametrize("order", [{"amount": 100}, {"amount": "100", "currency": "EUR"}])
def test_an_order_that_is_no_operation_is_a_bad_request(stage, order):
    before = stage.payments.refunds()
    assert refund(stage, "43", **order).status_code == 400
    assert stage.payments.refunds() == before


def test_what_waits_for_people_does_not_reach_the_table(stage):
    before = stage.payments.refunds()
    with pytest.raises(ApprovalPending, match="people must approve this first"):
        refund(stage, "44", amount=5001, currency="EUR")
    assert stage.payments.refunds() == before


def test_a_payment_is_shown_to_who_may_read(stage):
    answer = show(stage, "44", stage.just_in_time())
    assert answer.status_code == 200
    assert answer.json() == {"id": "44", "currency": "EUR", "amount": 900_000, "refunded": 0}


def test_a_payment_is_not_shown_without_a_token(stage):
    answer = show(stage, "44")
    assert answer.status_code == 401
    assert 'scope="payments:read"' in answer.headers["www-authenticate"]


def test_one_token_reads_many_times(stage):
    token = stage.bot.obtain(scope="payments:read", resource=stage.addresses.resource)
    answers = [show(stage, id_, stage.bot.auth(token)).status_code for id_ in ("42", "43", "44")]
    assert answers == [200, 200, 200]


def test_there_is_nothing_to_show_of_a_payment_that_is_not_there(stage):
    assert show(stage, "99", stage.just_in_time()).status_code == 404
