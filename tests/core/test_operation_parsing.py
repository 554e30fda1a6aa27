import json
from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleeting.core.errors import InvalidAuthorizationDetails, InvalidToken
from fleeting.core.model import Operation
from fleeting.core.operations import (
    declare_type,
    details_from_claims,
    parse_details,
    parse_operation,
)

TYPES = {
    "payment_refund": declare_type(
        "payment_refund",
        {
            "actions": ["refund"],
            "fields": {
                "payment_id": {"kind": "exact", "type": "string", "pattern": "[a-z0-9-]+"},
                "amount": {"kind": "at_most", "type": "integer", "maximum": 10_000},
                "currency": {"kind": "one_of", "type": "string", "values": ["EUR", "USD"]},
                "note": {"kind": "text", "optional": True, "max_length": 20},
            },
        },
    ),
    "file_access": declare_type(
        "file_access",
        {
            "actions": ["read", "write"],
            "fields": {
                "path": {"kind": "path"},
                "price": {"kind": "at_least", "type": "decimal", "optional": True},
                "final": {"kind": "exact", "type": "boolean", "optional": True},
                "tags": {"kind": "one_of", "optional": True},
            },
        },
    ),
}
REFUND = {"type": "payment_refund", "payment_id": "42", "amount": 5000, "currency": "EUR"}
FILE = {"type": "file_access", "actions": ["read"], "path": "/a"}


def refused(value):
    with pytest.raises(InvalidAuthorizationDetails) as caught:
        parse_operation(value, TYPES)
    return caught.value.description


def test_a_fitting_object_becomes_an_operation_and_goes_back_as_it_came():
    value = {**REFUND, "actions": ["refund"], "currency": ["USD", "EUR"], "note": "hi"}
    operation = parse_operation(value, TYPES)
    assert operation.fields["currency"] == ("USD", "EUR")
    assert operation.to_json() == value


def test_the_only_action_of_a_type_need_not_be_named():
    assert parse_operation(REFUND, TYPES).actions == ("refund",)


def test_a_choice_keeps_the_shape_it_was_given():
    assert parse_operation(REFUND, TYPES).fields["currency"] == "EUR"
    assert parse_operation({**REFUND, "currency": ["EUR"]}, TYPES).fields["currency"] == ("EUR",)


def test_a_decimal_keeps_its_digits_and_is_a_number():
    operation = parse_operation({**FILE, "price": "50.00"}, TYPES)
    assert operation.fields["price"] == Decimal(50)
    assert operation.to_json()["price"] == "50.00"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"type": "payment_refnd"}, "unknown type 'payment_refnd'; did you mean 'payment_refund'?"),
        ({"type": None}, "needs a type"),
        ({"type": ["payment_refund"]}, "needs a type"),
        ({"amuont": 1}, "has no field 'amuont'; did you mean 'amount'?"),
        ({"locations": ["https://api.example"]}, "has no field 'locations'"),
        ({"privileges": ["admin"]}, "has no field 'privileges'"),
        ({"actions": []}, "non-empty array out of refund"),
        ({"actions": "refund"}, "non-empty array"),
        ({"actions": None}, "non-empty array"),
        ({"actions": ["refund", "refund"]}, "repeats the action refund"),
        ({"actions": ["erase"]}, "has no action 'erase'; it has refund"),
        ({"actions": [["refund"]]}, "has no action that is no string"),
        ({"amount": True}, "whole number"),
        ({"amount": 5000.0}, "whole number"),
        ({"amount": "5000"}, "whole number"),
        ({"amount": 2**63}, "whole number"),
        ({"amount": None}, "whole number"),
        ({"amount": -1}, "0 or more"),
        ({"amount": 10_001}, "10000 or less"),
        ({"payment_id": 42}, "JSON string"),
        ({"payment_id": "UPPER"}, "must match [a-z0-9-]+"),
        ({"payment_id": "42\n"}, "control"),
        ({"payment_id": "4\u0000"}, "control"),
        ({"payment_id": "4\ud800"}, "control"),
        ({"payment_id": "4\u202e2"}, "control or text direction"),
        ({"payment_id": "x" * 257}, "at most 256"),
        ({"note": "x" * 21}, "at most 20"),
        ({"currency": "GBP"}, "one of EUR, USD"),
        ({"currency": []}, "1 to 64 strings"),
        ({"currency": ["EUR", "EUR"]}, "not repeat"),
        ({"currency": ["EUR", 1]}, "JSON string"),
        ({"currency": {"EUR": 1}}, "JSON string"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_to_write(change, said):
    assert said in refused({**REFUND, **change})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"path": "a"}, "path such as"),
        ({"path": ""}, "path such as"),
        ({"path": "/a/"}, "path such as"),
        ({"path": "//a"}, "path such as"),
        ({"path": "/a/../b"}, "path such as"),
        ({"path": "/a/./b"}, "path such as"),
        ({"path": "/a%2e"}, "decoded path"),
        ({"path": "/a\\b"}, "decoded path"),
        ({"price": 50}, "decimal in a string"),
        ({"price": "050"}, "decimal in a string"),
        ({"price": "1.00000"}, "decimal in a string"),
        ({"price": "1e3"}, "decimal in a string"),
        ({"price": "922337203685477.5808"}, "must be between"),
        ({"price": "-0.01"}, "0 or more"),
        ({"final": 1}, "true or false"),
        ({"actions": None}, "non-empty array out of read, write"),
        ({"tags": [str(n) for n in range(65)]}, "1 to 64"),
    ],
)
def test_each_type_of_field_refuses_what_it_cannot_bound(change, said):
    assert said in refused({**FILE, **change})


def test_a_type_with_several_actions_needs_one_named():
    assert "needs actions" in refused({"type": "file_access", "path": "/a"})


def test_a_missing_field_is_named():
    assert refused({"type": "payment_refund"}) == "payment_refund needs the field payment_id"


@pytest.mark.parametrize("path", ["/", "/a", "/a/b.c", "/...", "/ä"])
def test_whole_segments_make_a_path(path):
    assert parse_operation({**FILE, "path": path, "final": True}, TYPES).fields["path"] == path


@pytest.mark.parametrize("value", [None, {}, REFUND, [], "[]", 5, True])
def test_details_are_a_non_empty_array(value):
    with pytest.raises(InvalidAuthorizationDetails, match="non-empty JSON array"):
        parse_details(value, TYPES)


def test_details_are_limited_and_never_repeated():
    assert len(parse_details([REFUND, FILE], TYPES)) == 2
    with pytest.raises(InvalidAuthorizationDetails, match="repeats"):
        parse_details([REFUND, {**REFUND, "actions": ["refund"]}], TYPES)
    with pytest.raises(InvalidAuthorizationDetails, match="more than 16"):
        parse_details([REFUND] * 17, TYPES)


def test_a_guard_reads_what_it_knows_of_a_token_and_leaves_out_other_types():
    foreign = {"type": "else", "anything": [1, 2]}
    assert details_from_claims([foreign, REFUND], TYPES) == (parse_operation(REFUND, TYPES),)
    assert details_from_claims(None, TYPES) == ()


@pytest.mark.parametrize("claim", ["x", {}, [5], [{}], [{"type": []}], [{**REFUND, "x": 1}]])
def test_a_guard_refuses_a_token_with_details_that_do_not_fit(claim):
    with pytest.raises(InvalidToken):
        details_from_claims(claim, TYPES)


strings = st.text('aA1-/.%\\"é\u202e\ud800\x00\n', max_size=8)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | strings,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(strings, inner, max_size=3),
    max_leaves=8,
)
names = st.sampled_from([*REFUND, *FILE, "price", "final", "tags", "note"])


@given(st.dictionaries(names, json_values | st.sampled_from([*REFUND.values(), *FILE.values()])))
def test_any_json_object_becomes_an_operation_or_is_refused(value):
    with suppress(InvalidAuthorizationDetails):
        operation = parse_operation(value, TYPES)
        assert isinstance(operation, Operation)
        assert parse_operation(json.loads(json.dumps(operation.to_json())), TYPES) == operation


@given(json_values)
def test_any_json_becomes_operations_or_is_refused(value):
    with suppress(InvalidAuthorizationDetails):
        assert parse_details([value], TYPES)
