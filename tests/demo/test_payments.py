"""The sample API's payments."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from fleeting.demo.payments import NotRefundable, Payment, Payments, Refund


@pytest.fixture
def payments(tmp_path):
    return Payments(tmp_path / "payments.db")


def test_a_refund_names_the_transaction_that_allowed_it(payments):
    assert payments.refund("42", 5000, "EUR", "txn-1") == Refund(1, "42", 5000, "txn-1")
    assert payments.refunds() == [Refund(1, "42", 5000, "txn-1")]


def test_a_payment_says_how_much_of_it_went_back(payments):
    payments.refund("42", 5000, "EUR", "txn-1")
    payments.refund("42", 1000, "EUR", "txn-2")
    payments.refund("43", 1, "EUR", "txn-3")
    assert payments.find("42") == Payment("42", "EUR", 12_000, refunded=6000)


def test_all_that_is_left_can_be_refunded_and_not_a_cent_more(payments):
    payments.refund("42", 11_999, "EUR", "txn-1")
    with pytest.raises(NotRefundable):
        payments.refund("42", 2, "EUR", "txn-2")
    payments.refund("42", 1, "EUR", "txn-3")
    with pytest.raises(NotRefundable):
        payments.refund("42", 1, "EUR", "txn-4")


def test_a_refund_in_another_currency_is_none(payments):
    with pytest.raises(NotRefundable):
        payments.refund("42", 1, "USD", "txn-1")
    assert payments.refunds() == []


def test_there_is_no_refund_of_a_payment_that_is_not_there(payments):
    assert payments.find("99") is None
    with pytest.raises(NotRefundable):
        payments.refund("99", 1, "EUR", "txn-1")


def test_refunds_at_the_same_time_never_exceed_the_payment(payments):
    def refund(number):
        try:
            payments.refund("42", 5000, "EUR", f"txn-{number}")
        except NotRefundable:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(refund, range(16))) == 2
    assert payments.find("42").refunded == 10_000


def test_what_was_refunded_is_still_there_when_the_file_is_opened_again(tmp_path, payments):
    payments.refund("42", 5000, "EUR", "txn-1")
    assert Payments(tmp_path / "payments.db").find("42").refunded == 5000
