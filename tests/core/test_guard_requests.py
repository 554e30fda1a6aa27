import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleeting.core.errors import InvalidAuthorizationDetails, InvalidRequest, OAuthError
from fleeting.core.forms import Form
from fleeting.core.guard_requests import (
    UNKNOWN_TOKEN,
    parse_report,
    read_operation,
    read_use_id,
    spend_response,
)
from fleeting.core.model import SpendRefusal, SpendResult, scope_operation
from fleeting.core.operations import declare_type

TYPES = {"read": declare_type("read", {"actions": ["one"], "fields": {"id": {"kind": "exact"}}})}


def form(**fields):
    return Form(fields, {})


def test_an_operation_is_read_by_its_type():
    assert read_operation('{"type": "read", "id": "7"}', TYPES).fields == {"id": "7"}


def test_a_scope_is_an_operation_of_one_action():
    read = read_operation('{"type": "scope", "actions": ["payments:read"]}', TYPES)
    assert read == scope_operation("payments:read")


@pytest.mark.parametrize("actions", ["[]", '["a", "b"]', "[7]", '"a"', "null"])
def test_a_scope_of_none_or_several_names_is_refused(actions):
    with pytest.raises(InvalidAuthorizationDetails, match="one action"):
        read_operation(f'{{"type": "scope", "actions": {actions}}}', TYPES)


@given(st.text())
def test_any_text_is_an_operation_or_an_oauth_error(text):
    try:
        read_operation(text, TYPES)
    except OAuthError:
        return


@pytest.mark.parametrize("use_id", ["", " ", "a b", "é", "x" * 201, "a\n"])
def test_a_use_id_is_short_and_visible(use_id):
    with pytest.raises(InvalidRequest):
        read_use_id(form(use_id=use_id))
    assert read_use_id(form(use_id="x" * 200))


def test_the_answer_to_a_spend_is_the_wire_contracts():
    assert spend_response(SpendResult(1, 3)) == {"active": True, "use": 1, "uses": 3}
    assert spend_response(SpendResult(4, None)) == {"active": True, "use": 4}
    spent = SpendResult(None, 1, SpendRefusal.SPENT)
    assert spend_response(spent) == {"active": False, "reason": "spent"}
    assert spend_response(None) == UNKNOWN_TOKEN == {"active": False, "reason": "unknown"}


def test_a_report_says_what_became_of_a_call():
    report = parse_report(form(outcome="refused", reason="amount 6 is more than 5"))
    assert (report.served, report.reason, report.operation) == (
        False,
        "amount 6 is more than 5",
        None,
    )
    assert parse_report(form(outcome="served", operation='{"a": 1}')).operation == {"a": 1}


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"outcome": "maybe"},
        {"outcome": "served", "reason": "x" * 501},
        {"outcome": "served", "reason": "a\nb"},
        {"outcome": "served", "operation": "{"},
    ],
)
def test_a_malformed_report_is_refused(fields):
    with pytest.raises(InvalidRequest):
        parse_report(form(**fields))
